//! A share, as people write it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// A share from 0 to 1: a number such as 0.02, or text such as "2%".
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share(pub f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShareReader;

        impl Visitor<'_> for ShareReader {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as 0.02 or \"2%\"")
            }

            fn visit_f64<E: serde::de::Error>(self, share: f64) -> Result<Share, E> {
                match (0.0..=1.0).contains(&share) {
                    true => Ok(Share(share)),
                    false => {
                        Err(E::custom(format!("{share} is not a share: give 0 to 1, or a percentage such as \"2%\"")))
                    }
                }
            }

            fn visit_i64<E: serde::de::Error>(self, share: i64) -> Result<Share, E> {
                self.visit_f64(share as f64)
            }

            fn visit_u64<E: serde::de::Error>(self, share: u64) -> Result<Share, E> {
                self.visit_f64(share as f64)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Share, E> {
                let percent = text.trim().strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
                let share = percent.map(|percent| percent / 100.0).or_else(|| text.trim().parse().ok());
                self.visit_f64(share.ok_or_else(|| E::custom(format!("{text:?} is no share such as 0.02 or \"2%\"")))?)
            }
        }

        deserializer.deserialize_any(ShareReader)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "minimum": 0.0, "maximum": 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_percentages() {
        #[derive(Deserialize)]
        struct Holder {
            share: Share,
        }
        let read = |text: &str| toml::from_str::<Holder>(&format!("share = {text}")).map(|holder| holder.share.0);
        let found: Vec<f64> =
            ["0.02", "\"2%\"", "\" 12.5 % \"", "0", "1", "\"0.5\""].map(|text| read(text).unwrap()).to_vec();
        assert_eq!(found, [0.02, 0.02, 0.125, 0.0, 1.0, 0.5]);
        for (text, why) in [
            ("2", "2 is not a share: give 0 to 1, or a percentage such as \"2%\""),
            ("\"200%\"", "2 is not a share"),
            ("\"much\"", "\"much\" is no share such as 0.02 or \"2%\""),
            ("nan", "NaN is not a share"),
            ("true", "expected a share such as 0.02 or \"2%\""),
        ] {
            let refused = read(text).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
