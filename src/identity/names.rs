//! `names.toml`: what people call the segments, by their id, so that names follow ids from month to month.
//!
//! ```toml
//! [segments.12]
//! zh = "高净值客户"
//! en = "Private wealth"
//! note = "Mostly clients of the private bank"
//! owner = "Wealth marketing"
//! ```
//!
//! Names are data: any text is kept as it is, and escaped where it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Result;
use crate::text::{TomlFaults, TomlText, quoted};

const KEYS: [&str; 4] = ["zh", "en", "note", "owner"];

/// What people call a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentName {
    /// Its name in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zh: Option<String>,
    /// Its name in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// A remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The names of segments, by `segment_id`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NameBook(BTreeMap<u64, SegmentName>);

impl NameBook {
    /// Reads `names.toml`. `known` are the ids that may be named: those of the segments, and of earlier ones whose
    /// names are kept.
    ///
    /// # Errors
    /// The file cannot be read; malformed TOML, unknown keys and unknown ids: all at once, each with line and column,
    /// unknown ids with the nearest known one.
    pub fn read(path: &Path, known: &BTreeSet<u64>) -> Result<Self> {
        let text = TomlText::read(path)?;
        let mut reader = NameReader { known, toml: TomlFaults::new(&text), found: NameBook::default() };
        if let Some(table) = reader.toml.table() {
            reader.top(&table);
        }
        reader.toml.finish(reader.found)
    }

    /// The name of a segment.
    pub fn get(&self, segment_id: u64) -> Option<&SegmentName> {
        self.0.get(&segment_id)
    }

    /// All names, by id.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &SegmentName)> {
        self.0.iter().map(|(id, name)| (*id, name))
    }

    /// Names a segment.
    pub fn set(&mut self, segment_id: u64, name: SegmentName) {
        self.0.insert(segment_id, name);
    }

    /// The text of `names.toml`, which [`read`](Self::read) takes: all names by id, and commented sections for those of
    /// `ids` that have none.
    pub fn to_toml(&self, ids: &BTreeSet<u64>) -> String {
        let mut out = String::from("# Names of segments by segment_id. Ids keep their names in later versions.\n");
        for id in self.0.keys().chain(ids).collect::<BTreeSet<_>>() {
            match self.0.get(id) {
                Some(name) => {
                    let values = [&name.zh, &name.en, &name.note, &name.owner];
                    let _ = writeln!(out, "\n[segments.{id}]");
                    for (key, value) in KEYS.iter().zip(values) {
                        if let Some(value) = value {
                            let _ = writeln!(out, "{key} = {}", toml::Value::from(value.as_str()));
                        }
                    }
                }
                None => {
                    let _ = writeln!(out, "\n# [segments.{id}]");
                    KEYS.iter().for_each(|key| out.extend(["# ", key, " = \"\"\n"]));
                }
            }
        }
        out
    }
}

/// Reads names and collects faults.
struct NameReader<'a> {
    known: &'a BTreeSet<u64>,
    toml: TomlFaults<'a>,
    found: NameBook,
}

impl NameReader<'_> {
    fn top(&mut self, file: &DeTable<'_>) {
        for (key, value) in file {
            if key.get_ref() != "segments" {
                self.toml.unknown_name(key, "section", &["segments"]);
                continue;
            }
            for (id, choices) in self.toml.subtable(key, value, "segments").into_iter().flatten() {
                self.segment(id, choices);
            }
        }
    }

    fn segment(&mut self, key: &Spanned<impl AsRef<str>>, choices: &Spanned<DeValue<'_>>) {
        let written = key.get_ref().as_ref();
        let at = key.span().start;
        let Some(id) = written.parse().ok().filter(|id: &u64| id.to_string() == written) else {
            return self.toml.fault(at, format!("{} is not a segment_id, a whole number such as 12", quoted(written)));
        };
        if !self.known.contains(&id) {
            let nearest = self.known.iter().min_by_key(|known| known.abs_diff(id));
            let hint = nearest.map_or_else(|| "; there are none".to_owned(), |near| format!("; the nearest is {near}"));
            return self.toml.fault(at, format!("no segment has the segment_id {id}{hint}"));
        }
        let Some(choices) = self.toml.subtable(key, choices, &format!("segments.{id}")) else { return };
        let mut name = SegmentName::default();
        for (key, value) in choices {
            let text = match key.get_ref().as_ref() {
                "zh" => &mut name.zh,
                "en" => &mut name.en,
                "note" => &mut name.note,
                "owner" => &mut name.owner,
                _ => {
                    self.toml.unknown_key(key, &format!("segment {id}"), &KEYS);
                    continue;
                }
            };
            *text = self.toml.text(key, value).map(str::to_owned);
        }
        self.found.set(id, name);
    }
}
