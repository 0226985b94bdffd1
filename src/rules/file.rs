//! The file of rules, as a user writes it.
//!
//! ```toml
//! [[rule]]
//! name = "staff"
//! when = "is_staff = true OR employer_code IN ('HY', 'HYB')"
//!
//! [strata]
//! within = "tier"
//! k = 4
//! [strata.k_of]
//! gold = 8
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::book::{Rule, RuleBook, Strata};
use super::condition::{Compiled, FaultyPart};
use super::{MAX_RULES, UNKNOWN_STRATUM};
use crate::backend::MAX_K;
use crate::error::{Error, Result, line_and_column};
use crate::input::Source;
use crate::text::nearest;

/// The most bytes of a condition.
const MAX_CONDITION: usize = 1 << 16;

impl RuleBook {
    /// Reads a file of rules for an input.
    ///
    /// # Errors
    /// All faults of the file at once, each with line and column: malformed TOML, keys and columns that do not exist (with
    /// the nearest that does), conditions that are no SQL, are not supported, or do not fit the columns' types.
    pub fn read(path: &Path, source: &Source) -> Result<(Self, Compiled)> {
        let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => Error::usage(format!("{}: it is not text", path.display())),
            _ => Error::io("read", path, &e),
        })?;
        let mut reader = RulesReader { text: &text, faults: Vec::new(), conditions: Vec::new(), within: 0 };
        let book = match DeTable::parse(&text) {
            Ok(table) => reader.top(table.get_ref()),
            Err(e) => {
                reader.fault(e.span().map_or(0, |s| s.start), e.message().to_owned());
                RuleBook::default()
            }
        };
        let (compiled, faults) = Compiled::new(&book, source);
        for (part, fault) in faults {
            let at = match part {
                FaultyPart::Rule(i) => reader.conditions[i],
                FaultyPart::Strata => reader.within,
            };
            reader.fault(at, fault);
        }
        if reader.faults.is_empty() {
            return Ok((book, compiled));
        }
        reader.faults.sort();
        let line = |(line, column, what)| format!("{}:{line}:{column}: {what}", path.display());
        Err(Error::usage(reader.faults.into_iter().map(line).collect::<Vec<_>>().join("\n")))
    }
}

/// Walks through the TOML and notes every fault.
struct RulesReader<'a> {
    text: &'a str,
    faults: Vec<(usize, usize, String)>,
    /// Where the condition of each rule stands.
    conditions: Vec<usize>,
    within: usize,
}

impl RulesReader<'_> {
    fn fault(&mut self, at: usize, what: String) {
        let (line, column) = line_and_column(self.text, at);
        self.faults.push((line, column, what));
    }

    fn unknown(&mut self, key: &Spanned<impl AsRef<str>>, of: &str, known: &[&str]) {
        let name = key.get_ref().as_ref();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are: {}", known.join(", ")),
        };
        self.fault(key.span().start, format!("{of} has no key {name:?}; {hint}"));
    }

    fn top(&mut self, file: &DeTable<'_>) -> RuleBook {
        let mut book = RuleBook::default();
        let faults = self.faults.len();
        for (key, value) in file {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("rule", DeValue::Array(rules)) => {
                    for rule in rules {
                        self.rule(rule, &mut book);
                    }
                }
                ("strata", DeValue::Table(strata)) => book.strata = self.strata(strata, key.span().start),
                ("rule", _) => self.fault(key.span().start, "rules are written as [[rule]]".into()),
                ("strata", _) => self.fault(key.span().start, "strata must be a table, [strata]".into()),
                _ => self.unknown(key, "the file", &["rule", "strata"]),
            }
        }
        if book.rules.is_empty() && book.strata.is_none() && self.faults.len() == faults {
            self.fault(0, "it has neither a [[rule]] nor [strata]; leave --rules out, or write one".into());
        }
        if book.rules.len() > MAX_RULES {
            self.fault(0, format!("{} rules; at most {MAX_RULES} are possible", book.rules.len()));
        }
        book
    }

    fn rule(&mut self, rule: &Spanned<DeValue<'_>>, book: &mut RuleBook) {
        let DeValue::Table(table) = rule.get_ref() else {
            return self.fault(rule.span().start, "rules are written as [[rule]]".into());
        };
        let (mut name, mut when) = (None, None);
        for (key, value) in table {
            let at = value.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("name", DeValue::String(text)) => name = Some((text.to_string(), at)),
                ("when", DeValue::String(text)) => when = Some((text.to_string(), at)),
                ("name" | "when", _) => self.fault(at, format!("{} must be text", key.get_ref())),
                _ => self.unknown(key, "a rule", &["name", "when"]),
            }
        }
        let (Some((name, at)), Some((when, condition))) = (name, when) else {
            if !["name", "when"].iter().all(|key| table.contains_key(*key)) {
                self.fault(
                    rule.span().start,
                    "a rule has a name and a condition: name = \"...\", when = \"...\"".into(),
                );
            }
            return;
        };
        if let Some(why) = unfit(&name) {
            self.fault(at, format!("a rule's name {why}"));
        } else if book.rules.iter().any(|r| r.name == name) {
            self.fault(at, format!("two rules are named {name:?}"));
        }
        if when.len() > MAX_CONDITION {
            return self.fault(condition, format!("the condition has more than {MAX_CONDITION} bytes"));
        }
        self.conditions.push(condition);
        book.rules.push(Rule { name, when });
    }

    fn strata(&mut self, table: &DeTable<'_>, start: usize) -> Option<Strata> {
        let mut strata = Strata { within: String::new(), k: None, k_of: BTreeMap::new() };
        self.within = start;
        for (key, value) in table {
            let at = value.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("within", DeValue::String(name)) => (strata.within, self.within) = (name.to_string(), at),
                ("within", _) => self.fault(at, "within must be the name of a column".into()),
                ("k", _) => strata.k = self.k(value, "k"),
                ("k_of", DeValue::Table(named)) => {
                    for (name, value) in named {
                        if let Some(k) = self.k(value, &format!("k of {:?}", name.get_ref())) {
                            strata.k_of.insert(name.get_ref().to_string(), k);
                        }
                    }
                }
                ("k_of", _) => self.fault(at, "k_of must be a table, [strata.k_of]".into()),
                _ => self.unknown(key, "strata", &["within", "k", "k_of"]),
            }
        }
        if !table.contains_key("within") {
            self.fault(start, "strata need a column: within = \"...\"".into());
        }
        Some(strata).filter(|s| !s.within.is_empty())
    }

    fn k(&mut self, value: &Spanned<DeValue<'_>>, what: &str) -> Option<usize> {
        let k = match value.get_ref() {
            DeValue::Integer(n) => usize::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => None,
        };
        let k = k.filter(|k| (1..=MAX_K).contains(k));
        if k.is_none() {
            self.fault(value.span().start, format!("{what} must be a whole number of segments from 1 to {MAX_K}"));
        }
        k
    }
}

/// Why a rule cannot have this name: no segment may have the name of another.
fn unfit(name: &str) -> Option<String> {
    match name {
        "" => Some("must not be empty".into()),
        UNKNOWN_STRATUM => Some(format!("must not be {name:?}: so are rows named whose stratum is not known")),
        _ if name.contains('/') => {
            Some(format!("must have no \"/\", which stands in the names of clustered segments; it is {name:?}"))
        }
        _ => None,
    }
}
