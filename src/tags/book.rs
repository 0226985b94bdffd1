//! The dictionary: tags, and stages in order.

use serde::{Deserialize, Serialize};

use super::category::Category;

/// The key of the footer that has the dictionary, meanings, reference date and figures, as JSON.
pub(super) const FACTS: &str = "hyades.tags";

/// Where a tag comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagKind {
    /// A value of the input as it is.
    Fact,
    /// A condition that people chose.
    #[default]
    Rule,
    /// The result of a model.
    Model,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its name in outputs.
    pub code: String,
    /// Its name in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zh: Option<String>,
    /// Its name in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Where it comes from.
    pub kind: TagKind,
    /// The condition in SQL.
    pub when: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Days after which it should be computed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_days: Option<u32>,
    /// The level of the data, 1 to 5 (JR/T 0197-2020).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// A remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Tag {
    /// The hash of what the tag means: its code, kind and condition. Names and remarks may change without it.
    pub fn meaning(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for part in [self.code.as_str(), &format!("{:?}", self.kind), self.when.trim()] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().to_hex().to_string()
    }
}

/// A stage of the life cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifeStage {
    /// Its name in outputs.
    pub code: String,
    /// Its name in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zh: Option<String>,
    /// Its name in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// The condition in SQL.
    pub when: String,
    /// A remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagBook {
    /// The tags; a customer may have any number of them.
    pub tags: Vec<Tag>,
    /// The stages; a customer is in the first whose condition is true.
    pub stages: Vec<LifeStage>,
}
