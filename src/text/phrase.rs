//! A sentence in the languages of pages.

use std::fmt;

use serde::{Serialize, Serializer};

/// A sentence in English and in Chinese, so that neither can lack. Messages and JSON have the English text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// In English.
    pub en: String,
    /// In Chinese, simplified.
    pub zh: String,
}

impl Phrase {
    /// The same sentence twice.
    pub(crate) fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Phrase { en: en.into(), zh: zh.into() }
    }

    /// What is written alike in both languages, such as a number.
    pub(crate) fn alike(text: impl Into<String>) -> Self {
        let text = text.into();
        Phrase { zh: text.clone(), en: text }
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

impl Serialize for Phrase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.en)
    }
}
