//! Two versions beside each other: their files by hash, and what both say about themselves.

use std::collections::BTreeSet;
use std::fs;

use serde::Serialize;
use serde_json::Value;

use super::catalog::History;
use super::contents::ListedFile;
use super::ledger::VersionRecord;
use crate::error::{Error, Result};

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionDifference {
    /// The first version.
    pub a: u64,
    /// The second one.
    pub b: u64,
    /// Facts that differ.
    pub facts: Vec<FactDifference>,
    /// Files that differ, by path.
    pub files: Vec<FileDifference>,
    /// Files that are the same.
    pub same: u64,
}

/// A file that differs, or that only one version has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its path in the version's folder.
    pub path: String,
    /// The file of the first version.
    pub a: Option<ListedFile>,
    /// The file of the second one.
    pub b: Option<ListedFile>,
}

/// A fact that differs; null where a version does not say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactDifference {
    /// What it is.
    pub name: String,
    /// In the first version.
    pub a: Value,
    /// In the second one.
    pub b: Value,
}

impl History {
    /// Compares two versions: their files by the hashes in the log, their facts, and the features, the segments and the
    /// shares of segments in `model.json` where both have one. Segments are compared by their ids in `identity.json`,
    /// or by number where one has none.
    ///
    /// # Errors
    /// One of them does not exist, or its model cannot be read.
    pub fn compare(&self, a: u64, b: u64) -> Result<VersionDifference> {
        let (first, second) = (self.vet(a)?, self.vet(b)?);
        let paths: BTreeSet<&str> = first.files.iter().chain(&second.files).map(|file| file.path.as_str()).collect();
        let of = |record: &VersionRecord, path: &str| record.files.iter().find(|file| file.path == path).cloned();
        let pairs = paths.into_iter().map(|path| FileDifference {
            path: path.to_owned(),
            a: of(&first, path),
            b: of(&second, path),
        });
        let (same, files): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair.a == pair.b);
        let (mut said, mut heard) = (facts(&first), facts(&second));
        if let (Some(one), Some(other)) = (self.json(a, "model.json")?, self.json(b, "model.json")?) {
            let ids = self.json(a, "identity.json")?.zip(self.json(b, "identity.json")?);
            let (ids, others) = ids.map_or((None, None), |(a, b)| (Some(a), Some(b)));
            said.extend(model_facts(&one["model"], ids.as_ref()));
            heard.extend(model_facts(&other["model"], others.as_ref()));
        }
        Ok(VersionDifference { a, b, facts: differing(&said, &heard), files, same: same.len() as u64 })
    }

    /// A JSON file of a version, if it has one.
    fn json(&self, version: u64, name: &str) -> Result<Option<Value>> {
        let path = self.folder(version).join(name);
        match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", &path, &e)),
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        }
    }
}

/// Names and values, in an order that people read.
type Facts = Vec<(String, Value)>;

fn facts(record: &VersionRecord) -> Facts {
    let facts = &record.facts;
    let named = [
        ("as of", facts.as_of.clone().into()),
        ("based on", facts.based_on.into()),
        ("customers", facts.customers.into()),
        ("segments", facts.segments.into()),
        ("moved", facts.moved.into()),
        ("gates passed", facts.gates.passed.into()),
        ("gates warned", facts.gates.warned.into()),
        ("gates failed", facts.gates.failed.into()),
    ];
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Features, k and shares of segments of each part. `identities` are those in `identity.json`.
fn model_facts(model: &Value, identities: Option<&Value>) -> Facts {
    let mut facts = Facts::new();
    let parts: &[Value] = model["parts"].as_array().map_or(&[], Vec::as_slice);
    for part in parts {
        let prefix =
            if parts.len() == 1 { String::new() } else { format!("{}: ", part["name"].as_str().unwrap_or("")) };
        let counts: Vec<u64> =
            part["fitted"]["counts_"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let total: u64 = counts.iter().sum();
        facts.push((format!("{prefix}features"), part["feature_names_in_"].clone()));
        facts.push((format!("{prefix}k"), counts.len().into()));
        let first = part["first_segment"].as_u64().unwrap_or(0);
        for (number, count) in (first..).zip(&counts) {
            let segment =
                identities.and_then(|ids| id_of(ids, number)).map_or(number.to_string(), |id| format!("id {id}"));
            let share = *count as f64 / total.max(1) as f64;
            facts.push((format!("{prefix}share of segment {segment}"), share.into()));
        }
    }
    facts
}

/// The id of the segment of this number.
fn id_of(identities: &Value, number: u64) -> Option<u64> {
    let segments = identities["segments"].as_array()?;
    segments.iter().find(|segment| segment["segment"].as_u64() == Some(number))?["segment_id"].as_u64()
}

fn differing(a: &Facts, b: &Facts) -> Vec<FactDifference> {
    let value =
        |facts: &Facts, name: &str| facts.iter().find(|(n, _)| n == name).map_or(Value::Null, |(_, v)| v.clone());
    let only_b = b.iter().filter(|(name, _)| !a.iter().any(|(n, _)| n == name));
    let names = a.iter().chain(only_b).map(|(name, _)| name);
    let pairs = names.map(|name| FactDifference { name: name.clone(), a: value(a, name), b: value(b, name) });
    pairs.filter(|pair| pair.a != pair.b).collect()
}
