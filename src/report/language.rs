//! The language of a page. Phrases stand side by side where they are used, so that none can lack a translation.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::Phrase;

/// The language of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese, simplified.
    Zh,
}

impl Language {
    /// Whether it is the language of pages that nothing is said of.
    pub(crate) fn is_default(&self) -> bool {
        *self == Language::default()
    }

    /// The phrase in this language.
    pub fn say<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Language::En => en,
            Language::Zh => zh,
        }
    }

    /// The sentence in this language.
    pub(crate) fn of(self, phrase: &Phrase) -> &str {
        self.say(&phrase.en, &phrase.zh)
    }

    /// As HTML names it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Zh => "zh-CN",
        }
    }

    /// `3 customers`, `1 customer`, `3 位客户`: a count with its noun.
    pub(crate) fn counted(self, n: u64, [one, many]: [&str; 2], zh: &str) -> String {
        let n_text = crate::text::thousands(n);
        match self {
            Language::En => format!("{n_text} {}", if n == 1 { one } else { many }),
            Language::Zh => format!("{n_text} {zh}"),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.say("en", "zh"))
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "en" => Ok(Language::En),
            "zh" => Ok(Language::Zh),
            _ => Err(Error::usage(format!("unknown language {name:?}; use en or zh")).of_option("--lang")),
        }
    }
}
