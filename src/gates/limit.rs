//! One limit, as a number or with its severity.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// What a breach does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateSeverity {
    /// The version is refused: not published, and kept to be looked at.
    #[default]
    Error,
    /// The version is published, and the breach reported.
    Warn,
}

/// The largest value allowed: a number, or `{ max = NUMBER, severity = "warn" }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtMost {
    /// The largest value allowed.
    pub max: f64,
    /// What a breach does. Default `error`.
    pub severity: GateSeverity,
}

/// The smallest value allowed: a number, or `{ min = NUMBER, severity = "warn" }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtLeast {
    /// The smallest value allowed.
    pub min: f64,
    /// What a breach does. Default `error`.
    pub severity: GateSeverity,
}

impl<'de> Deserialize<'de> for AtMost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (max, severity) = deserializer.deserialize_any(LimitVisitor { bound: "max" })?;
        Ok(AtMost { max, severity })
    }
}

impl<'de> Deserialize<'de> for AtLeast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (min, severity) = deserializer.deserialize_any(LimitVisitor { bound: "min" })?;
        Ok(AtLeast { min, severity })
    }
}

/// Reads a limit. serde's untagged enums would only say that no variant matched.
struct LimitVisitor {
    /// `max` or `min`.
    bound: &'static str,
}

impl<'de> Visitor<'de> for LimitVisitor {
    type Value = (f64, GateSeverity);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number, or a table such as {{ {} = 0.05, severity = \"warn\" }}", self.bound)
    }

    fn visit_f64<E>(self, limit: f64) -> Result<Self::Value, E> {
        Ok((limit, GateSeverity::default()))
    }

    fn visit_i64<E>(self, limit: i64) -> Result<Self::Value, E> {
        Ok((limit as f64, GateSeverity::default()))
    }

    fn visit_u64<E>(self, limit: u64) -> Result<Self::Value, E> {
        Ok((limit as f64, GateSeverity::default()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut limit, mut severity) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "severity" => severity = Some(map.next_value()?),
                key if key == self.bound => limit = Some(map.next_value()?),
                key => {
                    let bound = self.bound;
                    return Err(A::Error::custom(format!(
                        "unknown key {key:?}; there are \"{bound}\" and \"severity\""
                    )));
                }
            }
        }
        let limit = limit.ok_or_else(|| A::Error::custom(format!("\"{}\" is missing", self.bound)))?;
        Ok((limit, severity.unwrap_or_default()))
    }
}

impl JsonSchema for AtMost {
    fn schema_name() -> Cow<'static, str> {
        "AtMost".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema("max", "The largest value allowed", generator)
    }
}

impl JsonSchema for AtLeast {
    fn schema_name() -> Cow<'static, str> {
        "AtLeast".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema("min", "The smallest value allowed", generator)
    }
}

fn schema(bound: &str, description: &str, generator: &mut SchemaGenerator) -> Schema {
    let severity = generator.subschema_for::<GateSeverity>();
    json_schema!({
        "description": description,
        "anyOf": [
            { "type": "number" },
            {
                "type": "object",
                "properties": { bound: { "type": "number" }, "severity": severity },
                "required": [bound],
                "additionalProperties": false,
            },
        ],
    })
}
