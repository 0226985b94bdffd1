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
use super::{MAX_CONDITION, MAX_RULES, UNKNOWN_STRATUM};
use crate::backend::MAX_K;
use crate::error::Result;
use crate::input::Source;
use crate::text::{TomlFaults, TomlText, integer};

impl RuleBook {
    /// Reads a file of rules for an input.
    ///
    /// # Errors
    /// All faults of the file at once, each with line and column: malformed TOML, keys and columns that do not exist
    /// (with the closest existing name), conditions that are not SQL, are not supported, or do not fit the columns'
    /// types.
    ///
    /// # Examples
    /// ```
    /// use hyades::input::Source;
    /// use hyades::rules::RuleBook;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("rules.toml");
    /// std::fs::write(&path, "[[rule]]\nname = \"young\"\nwhen = \"age_years < 25\"\n")?;
    /// let source = Source::open(&["data/customers.parquet".into()])?;
    /// let (book, _) = RuleBook::read(&path, &source)?;
    /// assert_eq!(book.rules[0].name, "young");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(path: &Path, source: &Source) -> Result<(Self, Compiled)> {
        let text = TomlText::read(path)?;
        let mut reader = RulesReader { toml: TomlFaults::new(&text), conditions: Vec::new(), within: 0 };
        let table = reader.toml.table();
        let book = table.map(|table| reader.top(&table)).unwrap_or_default();
        let (compiled, faults) = Compiled::new(&book, source);
        for (part, fault) in faults {
            let at = match part {
                FaultyPart::Rule(i) => reader.conditions[i],
                FaultyPart::Strata => reader.within,
            };
            reader.toml.fault(at, fault);
        }
        reader.toml.finish((book, compiled))
    }
}

/// Walks the TOML and records every fault.
struct RulesReader<'a> {
    toml: TomlFaults<'a>,
    /// Offset of each rule's condition.
    conditions: Vec<usize>,
    within: usize,
}

impl RulesReader<'_> {
    fn top(&mut self, file: &DeTable<'_>) -> RuleBook {
        let mut book = RuleBook::default();
        for (key, value) in file {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("rule", DeValue::Array(rules)) => {
                    for rule in rules {
                        self.rule(rule, &mut book);
                    }
                }
                ("rule", _) => self.toml.fault(key.span().start, "rules are written as [[rule]]"),
                ("strata", _) => {
                    let table = self.toml.subtable(key, value, "strata");
                    book.strata = table.and_then(|table| self.strata(table, key.span().start));
                }
                _ => self.toml.unknown_key(key, "the file", &["rule", "strata"]),
            }
        }
        if book.rules.is_empty() && book.strata.is_none() && self.toml.is_empty() {
            self.toml.fault(0, "it has neither [[rule]] nor [strata]; add one, or leave --rules out");
        }
        if book.rules.len() > MAX_RULES {
            self.toml.fault(0, format!("{} rules; at most {MAX_RULES} are supported", book.rules.len()));
        }
        book
    }

    fn rule(&mut self, rule: &Spanned<DeValue<'_>>, book: &mut RuleBook) {
        let DeValue::Table(table) = rule.get_ref() else {
            return self.toml.fault(rule.span().start, "rules are written as [[rule]]");
        };
        let (mut name, mut when) = (None, None);
        for (key, value) in table {
            let at = value.span().start;
            match key.get_ref().as_ref() {
                "name" => name = self.toml.text(key, value).map(|text| (text.to_owned(), at)),
                "when" => when = self.toml.text(key, value).map(|text| (text.to_owned(), at)),
                _ => self.toml.unknown_key(key, "a rule", &["name", "when"]),
            }
        }
        let (Some((name, at)), Some((when, condition))) = (name, when) else {
            if !["name", "when"].iter().all(|key| table.contains_key(*key)) {
                self.toml.fault(rule.span().start, "a rule has a name and a condition: name = \"...\", when = \"...\"");
            }
            return;
        };
        if let Some(why) = unfit(&name) {
            self.toml.fault(at, format!("a rule's name {why}"));
        } else if book.rules.iter().any(|r| r.name == name) {
            self.toml.fault(at, format!("two rules are named {name:?}"));
        }
        if when.len() > MAX_CONDITION {
            return self.toml.fault(condition, format!("the condition has more than {MAX_CONDITION} bytes"));
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
                ("within", _) => self.toml.fault(at, "within must be the name of a column"),
                ("k", _) => strata.k = self.k(value, "k"),
                ("k_of", _) => {
                    for (name, value) in self.toml.subtable(key, value, "strata.k_of").into_iter().flatten() {
                        if let Some(k) = self.k(value, &format!("k of {:?}", name.get_ref())) {
                            strata.k_of.insert(name.get_ref().to_string(), k);
                        }
                    }
                }
                _ => self.toml.unknown_key(key, "strata", &["within", "k", "k_of"]),
            }
        }
        if !table.contains_key("within") {
            self.toml.fault(start, "strata need a column: within = \"...\"");
        }
        Some(strata).filter(|s| !s.within.is_empty())
    }

    fn k(&mut self, value: &Spanned<DeValue<'_>>, what: &str) -> Option<usize> {
        let k = integer(value.get_ref()).and_then(|k| usize::try_from(k).ok()).filter(|k| (1..=MAX_K).contains(k));
        if k.is_none() {
            self.toml.fault(value.span().start, format!("{what} must be a whole number of segments from 1 to {MAX_K}"));
        }
        k
    }
}

/// Why a rule cannot have this name: segment names must be unique.
fn unfit(name: &str) -> Option<String> {
    match name {
        "" => Some("must not be empty".into()),
        UNKNOWN_STRATUM => Some(format!("must not be {name:?}, which names rows of an unknown stratum")),
        _ if name.contains('/') => Some(format!(
            "must not contain \"/\", which is reserved for the names of clustered segments; it is {name:?}"
        )),
        _ => None,
    }
}
