//! The dictionary as a user writes it: `[[tag]]` and `[[stage]]`.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::book::{LifeStage, Tag, TagBook, TagKind};
use super::category::Category;
use crate::error::Result;
use crate::input::Source;
use crate::rules::{Conditions, MAX_CONDITION, Rule, Terms};
use crate::text::{TomlFaults, TomlText, integer, nearest, quoted, shown};

/// The most tags, and the most stages.
const MAX_TAGS: usize = 4096;
/// The most characters of a code, and of another text.
const MAX_CODE: usize = 64;
const MAX_TEXT: usize = 1000;
const OF_TAG: [&str; 10] = ["code", "zh", "en", "category", "kind", "when", "owner", "valid_days", "level", "note"];
const OF_STAGE: [&str; 5] = ["code", "zh", "en", "when", "note"];

/// A dictionary that fits a source.
pub(super) struct DictionaryFile {
    pub(super) text: TomlText,
}

impl DictionaryFile {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Ok(DictionaryFile { text: TomlText::read(path)? })
    }

    /// The dictionary, and its conditions for the columns of `source`: first those of tags, then those of stages.
    ///
    /// # Errors
    /// All faults at once, each with line and column.
    pub(super) fn compile(&self, source: &Source, terms: &mut Terms) -> Result<(TagBook, Conditions)> {
        let mut reader = DictionaryReader {
            toml: TomlFaults::new(&self.text),
            book: TagBook::default(),
            codes: Vec::new(),
            at: [vec![], vec![]],
        };
        if let Some(table) = reader.toml.table() {
            reader.top(&table, source);
        }
        let DictionaryReader { mut toml, book, at, .. } = reader;
        let tags = book.tags.iter().map(|tag| (&tag.code, &tag.when));
        let all = tags.chain(book.stages.iter().map(|stage| (&stage.code, &stage.when)));
        let rules = all.map(|(code, when)| Rule { name: code.clone(), when: when.clone() }).collect();
        let (conditions, faults) = Conditions::new(rules, source, terms);
        let places: Vec<usize> = at.into_iter().flatten().collect();
        for (rule, fault) in faults {
            toml.fault(places[rule], fault);
        }
        toml.finish((book, conditions))
    }
}

/// Walks the TOML and records every fault.
struct DictionaryReader<'a> {
    toml: TomlFaults<'a>,
    book: TagBook,
    /// In lower case, of tags and stages.
    codes: Vec<(bool, String)>,
    /// Offsets of the conditions of tags, and of stages.
    at: [Vec<usize>; 2],
}

/// The values of a `[[tag]]` or a `[[stage]]`.
#[derive(Default)]
struct Entry {
    code: Option<(String, usize)>,
    when: Option<(String, usize)>,
    texts: [Option<String>; 4],
    category: Option<Category>,
    kind: TagKind,
    valid_days: Option<u32>,
    level: Option<u8>,
}

impl DictionaryReader<'_> {
    fn top(&mut self, file: &DeTable<'_>, source: &Source) {
        for (key, value) in file {
            let name = key.get_ref().as_ref();
            match (name, value.get_ref()) {
                ("tag" | "stage", DeValue::Array(entries)) => {
                    entries.iter().for_each(|entry| self.entry(entry, name == "tag", source));
                }
                ("tag" | "stage", _) => self.toml.fault(key.span().start, format!("write [[{name}]]")),
                _ => self.toml.unknown_key(key, "the file", &["tag", "stage"]),
            }
        }
        let (tags, stages) = (self.book.tags.len(), self.book.stages.len());
        if tags + stages == 0 && self.toml.is_empty() {
            self.toml
                .fault(0, "it has neither [[tag]] nor [[stage]]; `hyades tags init` writes a dictionary to start from");
        }
        for (n, what) in [(tags, "tags"), (stages, "stages")].into_iter().filter(|(n, _)| *n > MAX_TAGS) {
            self.toml.fault(0, format!("{n} {what}; at most {MAX_TAGS} are supported"));
        }
    }

    fn entry(&mut self, entry: &Spanned<DeValue<'_>>, is_tag: bool, source: &Source) {
        let what = if is_tag { "tag" } else { "stage" };
        let DeValue::Table(table) = entry.get_ref() else {
            return self.toml.fault(entry.span().start, format!("write [[{what}]]"));
        };
        let known = if is_tag { &OF_TAG[..] } else { &OF_STAGE };
        let mut of = Entry::default();
        for (key, value) in table {
            match known.contains(&key.get_ref().as_ref()) {
                true => self.value(key, value, &mut of),
                false => self.toml.unknown_key(key, &format!("a {what}"), known),
            }
        }
        if !["code", "when"].iter().all(|key| table.contains_key(*key)) {
            let needs = format!("a {what} has a code and a condition: code = \"...\", when = \"...\"");
            return self.toml.fault(entry.span().start, needs);
        }
        let (Some((code, place)), Some((when, at))) = (of.code, of.when) else { return };
        if let Some(why) = self.unfit(&code, is_tag, source) {
            return self.toml.fault(place, why);
        }
        self.codes.push((is_tag, code.to_lowercase()));
        self.at[usize::from(!is_tag)].push(at);
        let [zh, en, owner, note] = of.texts;
        let (category, kind, valid_days, level) = (of.category, of.kind, of.valid_days, of.level);
        match is_tag {
            true => self.book.tags.push(Tag { code, zh, en, category, kind, when, owner, valid_days, level, note }),
            false => self.book.stages.push(LifeStage { code, zh, en, when, note }),
        }
    }

    /// Why an entry cannot have this code.
    fn unfit(&self, code: &str, is_tag: bool, source: &Source) -> Option<String> {
        let letters = code.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if code.is_empty() || code.chars().count() > MAX_CODE || !letters {
            let begin: String = code.chars().take(MAX_CODE).collect();
            let found = quoted(&begin);
            return Some(format!("a code has 1 to {MAX_CODE} letters, digits, _ and -; found {found}"));
        }
        let lower = code.to_lowercase();
        let what = if is_tag { "tags" } else { "stages" };
        if self.codes.contains(&(is_tag, lower.clone())) {
            return Some(format!("two {what} have the code {code:?}; upper and lower case are not told apart"));
        }
        if is_tag && ["stage", "tag", "since"].contains(&lower.as_str()) {
            return Some(format!("the code {code:?} is the name of a column of the output; choose another"));
        }
        let clash = source.columns().iter().find(|c| is_tag && c.name.to_lowercase() == lower)?;
        Some(format!("the code {code:?} is also the column {:?} of the input; choose another", shown(&clash.name)))
    }

    fn value(&mut self, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>, of: &mut Entry) {
        let at = value.span().start;
        let name = key.get_ref().as_ref();
        let whole = |most: i128| integer(value.get_ref()).filter(|n| (1..=most).contains(n));
        if ["valid_days", "level"].contains(&name) {
            let most = if name == "level" { 5 } else { 36_500 };
            match whole(most) {
                Some(n) if name == "level" => of.level = Some(n as u8),
                Some(n) => of.valid_days = Some(n as u32),
                None => self.toml.fault(at, format!("{name} must be a whole number from 1 to {most}")),
            }
            return;
        }
        let Some(text) = self.toml.text(key, value) else { return };
        let limit = if name == "when" { MAX_CONDITION } else { MAX_TEXT * 4 };
        if text.len() > limit || (name != "when" && text.chars().count() > MAX_TEXT) {
            let most = if name == "when" { format!("{MAX_CONDITION} bytes") } else { format!("{MAX_TEXT} characters") };
            return self.toml.fault(at, format!("{name} has more than {most}"));
        }
        match name {
            "code" => of.code = Some((text.to_owned(), at)),
            "when" => of.when = Some((text.to_owned(), at)),
            "zh" => of.texts[0] = Some(text.to_owned()),
            "en" => of.texts[1] = Some(text.to_owned()),
            "owner" => of.texts[2] = Some(text.to_owned()),
            "note" => of.texts[3] = Some(text.to_owned()),
            "kind" => match text {
                "fact" => of.kind = TagKind::Fact,
                "rule" => of.kind = TagKind::Rule,
                "model" => of.kind = TagKind::Model,
                _ => self.choice(at, name, text, &["fact", "rule", "model"]),
            },
            _ => match Category::named(text) {
                Some(category) => of.category = Some(category),
                None => {
                    let known: Vec<&str> = Category::ALL.iter().flat_map(|(_, zh, en)| [*zh, *en]).collect();
                    self.choice(at, name, text, &known);
                }
            },
        }
    }

    /// A text that is none of those allowed.
    fn choice(&mut self, at: usize, name: &str, text: &str, known: &[&str]) {
        let hint = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("use one of {}", known.join(", ")),
        };
        self.toml.fault(at, format!("{name} has no value {}; {hint}", quoted(text)));
    }
}
