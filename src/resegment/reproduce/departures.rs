//! Which files of a version came out otherwise, and where they begin to differ.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::output::MANIFEST;

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// Its path in the version.
    pub file: String,
    /// How: `differs`, `is not made now`, `is made only now`.
    pub how: &'static str,
    /// Of JSON, the first value that differs.
    pub first: Option<String>,
}

const ONLY_NOW: &str = "is made only now";

impl Departure {
    /// Whether the version has no such file.
    pub(super) fn is_new(&self) -> bool {
        self.how == ONLY_NOW
    }
}

/// The files, those first that others follow from. `differences` are those of a history.
pub(super) fn of(then: &Path, now: &Path, differences: Vec<(String, &'static str)>) -> Vec<Departure> {
    let departure = |(file, what): (String, &'static str)| {
        let how = match what {
            "is missing" => "is not made now",
            "was added" => ONLY_NOW,
            _ => "differs",
        };
        let first = file.ends_with(".json").then(|| first(&then.join(&file), &now.join(&file))).flatten();
        Departure { file, how, first }
    };
    let mut all: Vec<Departure> = differences.into_iter().map(departure).collect();
    all.sort_by_cached_key(|departure| (rank(&departure.file), departure.file.clone()));
    all
}

/// The model decides about the labels, labels and identities about all else. The manifest has hashes of the others.
fn rank(file: &str) -> usize {
    match file {
        "model.json" => 0,
        file if file.starts_with("segments/") => 1,
        "identity.json" => 2,
        MANIFEST => 4,
        _ => 3,
    }
}

fn first(then: &Path, now: &Path) -> Option<String> {
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    first_difference("", &read(then)?, &read(now)?)
}

/// The first value that differs, as `path: value then, value now`.
fn first_difference(path: &str, then: &Value, now: &Value) -> Option<String> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (then, now) {
        (then, now) if then == now => None,
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            // A hash says least.
            let (hashes, others): (Vec<&String>, Vec<&String>) =
                keys.partition(|key| key.contains("blake3") || key.contains("checksum"));
            let value = |of: &serde_json::Map<String, Value>, key: &str| of.get(key).cloned().unwrap_or_default();
            let all = others.into_iter().chain(hashes);
            all.into_iter().find_map(|key| first_difference(&below(key), &value(a, key), &value(b, key)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(i, (a, b))| first_difference(&below(&i.to_string()), a, b))
        }
        (Value::Array(a), Value::Array(b)) => Some(format!("{path}: {} values then, {} now", a.len(), b.len())),
        _ => Some(format!("{path}: {} then, {} now", shortened(then), shortened(now))),
    }
}

fn shortened(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_value_that_differs() {
        let first = |a: Value, b: Value| first_difference("", &a, &b);
        assert_eq!(first(json!({"a": 1}), json!({"a": 1})), None);
        let then = json!({"a": 1, "b": [{"c": 2}, {"c": 3}]});
        assert_eq!(first(then.clone(), json!({"a": 1, "b": [{"c": 2}, {"c": 4}]})).unwrap(), "b.1.c: 3 then, 4 now");
        assert_eq!(first(then.clone(), json!({"a": 1, "b": []})).unwrap(), "b: 2 values then, 0 now");
        assert_eq!(first(json!({"checksum": 1, "k": 2}), json!({"checksum": 5, "k": 3})).unwrap(), "k: 2 then, 3 now");
        assert_eq!(first(json!({}), json!({"z": "x"})).unwrap(), "z: null then, \"x\" now");
        let long = first(json!("x".repeat(99)), json!(1)).unwrap();
        assert_eq!(long, format!(": \"{}... then, 1 now", "x".repeat(59)));
        let order = ["report.json", "manifest.json", "segments/part-00000.parquet", "model.json", "drift.json"];
        let all = of(Path::new("/a"), Path::new("/b"), order.map(|file| (file.to_owned(), "was changed")).to_vec());
        let files: Vec<&str> = all.iter().map(|departure| departure.file.as_str()).collect();
        assert_eq!(files, ["model.json", "segments/part-00000.parquet", "drift.json", "report.json", "manifest.json"]);
    }
}
