//! Counts of special values of one column. Landing counts what is missing, the lookup of categories what is unseen,
//! gridding what is moved; each adds to the same kind of record.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::numeric::Partial;

/// How many values of a column were missing, unknown to the fit, or moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCounts {
    /// Nulls.
    pub nulls: u64,
    /// NaN, treated as missing.
    pub nan: u64,
    /// Infinities, treated as missing.
    pub infinite: u64,
    /// Sentinels, treated as missing.
    pub sentinels: u64,
    /// Categories that the fit did not see.
    pub unseen: u64,
    /// Values outside the range of the fit.
    pub outside: u64,
    /// Values moved to a quantile.
    pub winsorised: u64,
    /// Values moved to the clip.
    pub clipped: u64,
}

impl ValueCounts {
    /// Missing values of any kind.
    pub fn missing(&self) -> u64 {
        self.nulls + self.nan + self.infinite + self.sentinels
    }
}

impl AddAssign for ValueCounts {
    fn add_assign(&mut self, other: ValueCounts) {
        let ValueCounts { nulls, nan, infinite, sentinels, unseen, outside, winsorised, clipped } = other;
        self.nulls += nulls;
        self.nan += nan;
        self.infinite += infinite;
        self.sentinels += sentinels;
        self.unseen += unseen;
        self.outside += outside;
        self.winsorised += winsorised;
        self.clipped += clipped;
    }
}

impl Partial for ValueCounts {
    const NAME: &'static str = "value counts";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        *self += *other;
        Ok(())
    }
}

/// The counts of a column with its name, as the manifest has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ColumnCounts {
    /// The column.
    pub name: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: ValueCounts,
}

/// How a model stores the counts of a fit. A fit has seen all its rows, so nothing is unseen or outside. Counts that
/// were added to the format later are left out where they are 0, so that older models keep their checksums.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ValueCounts")]
pub(super) struct StoredCounts {
    nulls: u64,
    nan: u64,
    infinite: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    sentinels: u64,
    #[serde(skip)]
    unseen: u64,
    #[serde(skip)]
    outside: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    winsorised: u64,
    clipped: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Stored {
        present: u64,
        #[serde(flatten, with = "StoredCounts")]
        counts: ValueCounts,
        mean: f64,
    }

    #[test]
    fn a_model_stores_them_in_the_order_and_with_the_gaps_of_its_format() {
        let stored = |counts| {
            let stored = Stored { present: 9, counts, mean: 0.1 };
            let text = serde_json::to_string(&stored).unwrap();
            assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), stored, "back from {text}");
            text
        };
        let counts = ValueCounts { nulls: 1, nan: 2, infinite: 3, clipped: 4, ..ValueCounts::default() };
        let few = r#"{"present":9,"nulls":1,"nan":2,"infinite":3,"clipped":4,"mean":0.1}"#;
        assert_eq!(stored(counts), few);
        let all = r#"{"present":9,"nulls":1,"nan":2,"infinite":3,"sentinels":5,"winsorised":6,"clipped":4,"mean":0.1}"#;
        assert_eq!(stored(ValueCounts { sentinels: 5, winsorised: 6, ..counts }), all);
        let missing = serde_json::from_str::<Stored>(r#"{"present":9,"nan":2,"infinite":3,"clipped":4,"mean":0.1}"#);
        assert!(missing.unwrap_err().to_string().contains("missing field `nulls`"));
    }

    #[test]
    fn they_merge_in_any_order() {
        let of = |n| ValueCounts { nulls: n, unseen: 2 * n, outside: n * n, clipped: 1, ..ValueCounts::default() };
        crate::numeric::partial::laws::hold(&of(1), &of(5), &of(9));
    }

    #[test]
    fn a_manifest_has_them_all() {
        let counts = ColumnCounts { name: "x".into(), counts: ValueCounts { outside: 7, ..ValueCounts::default() } };
        let expected = r#"{"name":"x","nulls":0,"nan":0,"infinite":0,"sentinels":0,"unseen":0,"outside":7,"winsorised":0,"clipped":0}"#;
        assert_eq!(serde_json::to_string(&counts).unwrap(), expected);
    }

    #[test]
    fn adding_adds_every_count() {
        let ones = ValueCounts {
            nulls: 1,
            nan: 2,
            infinite: 3,
            sentinels: 4,
            unseen: 5,
            outside: 6,
            winsorised: 7,
            clipped: 8,
        };
        let mut sum = ones;
        sum += ones;
        let expected = ValueCounts {
            nulls: 2,
            nan: 4,
            infinite: 6,
            sentinels: 8,
            unseen: 10,
            outside: 12,
            winsorised: 14,
            clipped: 16,
        };
        assert_eq!((sum, ones.missing()), (expected, 10));
    }
}
