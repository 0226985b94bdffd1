//! The topics of tags.

use serde::{Deserialize, Serialize};

/// What a tag is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Category {
    /// Who the customer is.
    #[serde(rename = "基本信息")]
    Basic,
    /// What he likes.
    #[serde(rename = "兴趣偏好")]
    Interest,
    /// What he is worth.
    #[serde(rename = "价值信息")]
    Value,
    /// What may go wrong.
    #[serde(rename = "风险信息")]
    Risk,
    /// What to offer him.
    #[serde(rename = "营销信息")]
    Marketing,
}

impl Category {
    /// All, with their names in Chinese and English.
    pub(super) const ALL: [(Category, &'static str, &'static str); 5] = [
        (Category::Basic, "基本信息", "basic"),
        (Category::Interest, "兴趣偏好", "interest"),
        (Category::Value, "价值信息", "value"),
        (Category::Risk, "风险信息", "risk"),
        (Category::Marketing, "营销信息", "marketing"),
    ];

    /// The category of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let is = |(_, zh, en): &&(Category, &str, &str)| [*zh, *en].contains(&name);
        Self::ALL.iter().find(is).map(|(category, ..)| *category)
    }
}
