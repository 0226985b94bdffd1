//! How many segments: a number, or a range to choose from.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::backend::MAX_K;
use crate::error::{Error, Result};

/// Numbers of segments, from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRange {
    /// The lowest.
    pub low: usize,
    /// The highest.
    pub high: usize,
}

impl Default for SegmentRange {
    fn default() -> Self {
        SegmentRange { low: 2, high: 16 }
    }
}

impl FromStr for SegmentRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            let text = format!("{text:?} is no range of segments; write it as 2..16, which includes both ends");
            Error::usage(text).of_option("--k")
        };
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| refuse());
        let (low, high) = text.split_once("..").ok_or_else(refuse)?;
        let (low, high) = (number(low)?, number(high.strip_prefix('=').unwrap_or(high))?);
        if low > high {
            let text = format!("{text}: the range is empty; the lower end comes first");
            return Err(Error::usage(text).of_option("--k"));
        }
        if low == 0 || high > MAX_K {
            let text = format!("{text}: between 1 and {MAX_K} segments are possible");
            return Err(Error::usage(text).of_option("--k"));
        }
        Ok(SegmentRange { low, high })
    }
}

impl fmt::Display for SegmentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.low, self.high)
    }
}

/// How many segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentCount {
    /// As many as this.
    Number(usize),
    /// As many as [`choose`](crate::job::choose) recommends first.
    Auto(SegmentRange),
}

impl FromStr for SegmentCount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(SegmentCount::Auto(SegmentRange::default())),
            range if range.contains("..") => range.parse().map(SegmentCount::Auto),
            number => number.parse().map(SegmentCount::Number).map_err(|_| {
                let text =
                    format!("{number:?} is no number of segments; give a number, auto, or a range such as 2..12");
                Error::usage(text).of_option("--k")
            }),
        }
    }
}

impl fmt::Display for SegmentCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SegmentCount::Number(number) => number.fmt(f),
            SegmentCount::Auto(range) if *range == SegmentRange::default() => f.write_str("auto"),
            SegmentCount::Auto(range) => range.fmt(f),
        }
    }
}

/// As files have it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of segments, \"auto\", or a range such as \"2..12\"")]
pub(super) enum WrittenCount {
    /// A number.
    Number(usize),
    /// `auto`, or a range.
    Text(String),
}

impl Serialize for SegmentCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            SegmentCount::Number(number) => number.serialize(serializer),
            SegmentCount::Auto(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for SegmentCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match WrittenCount::deserialize(deserializer)? {
            WrittenCount::Number(number) => Ok(SegmentCount::Number(number)),
            WrittenCount::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_written() {
        for text in ["8", "auto", "3..12"] {
            let count: SegmentCount = text.parse().unwrap();
            assert_eq!(count.to_string(), text);
            let json = serde_json::to_string(&count).unwrap();
            assert_eq!(serde_json::from_str::<SegmentCount>(&json).unwrap(), count, "{json}");
        }
        assert_eq!("2..16".parse::<SegmentCount>().unwrap().to_string(), "auto");
        assert!("many".parse::<SegmentCount>().unwrap_err().to_string().contains("give a number, auto, or a range"));
    }
}
