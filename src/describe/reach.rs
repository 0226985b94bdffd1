//! What is true of all rows of a leaf: one condition for each column on the way to it.

use super::tree::{CutTest, TreeCut};

/// A condition on a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reach {
    /// Its place among the columns of the tree.
    pub(super) column: usize,
    /// Numbers are greater than this, and
    pub(super) above: f64,
    /// at most this; of -inf, none is known.
    pub(super) up_to: f64,
    /// The category; None: any but those of `not`.
    pub(super) is: Option<u32>,
    pub(super) not: Vec<u32>,
    /// Whether missing values meet it.
    pub(super) missing: bool,
}

impl Reach {
    /// Met by everything.
    fn all(column: usize) -> Self {
        Reach { column, above: f64::NEG_INFINITY, up_to: f64::INFINITY, is: None, not: Vec::new(), missing: true }
    }

    fn narrow(&mut self, cut: &TreeCut, is_above: bool) {
        match (cut.test, is_above) {
            (CutTest::Above(value), true) => self.above = self.above.max(value),
            (CutTest::Above(value), false) => self.up_to = self.up_to.min(value),
            (CutTest::Is(category), true) => self.is = Some(category),
            (CutTest::Is(category), false) => self.not.push(category),
        }
        self.missing &= cut.missing_above == is_above;
    }

    /// Whether no known value meets it.
    pub(super) fn is_of_missing(&self) -> bool {
        self.up_to <= self.above
    }

    /// Whether nothing meets it.
    pub(super) fn is_void(&self) -> bool {
        self.is_of_missing() && !self.missing
    }

    /// Whether all known values meet it.
    pub(super) fn is_of_known(&self) -> bool {
        let is_bounded = self.above.is_finite() || self.up_to.is_finite();
        !is_bounded && !self.is_of_missing() && self.is.is_none() && self.not.is_empty()
    }

    /// Whether a value meets it.
    #[cfg(test)]
    pub(super) fn holds(&self, value: f64) -> bool {
        if value.is_nan() {
            return self.missing;
        }
        let is = self.is.is_none_or(|category| value == f64::from(category));
        value > self.above && value <= self.up_to && is && !self.not.iter().any(|&not| value == f64::from(not))
    }
}

/// The conditions of a path, by the first cut on each column.
pub(super) fn reaches(path: &[(TreeCut, bool)]) -> Vec<Reach> {
    let mut reaches: Vec<Reach> = Vec::new();
    for (cut, is_above) in path {
        let at = reaches.iter().position(|reach| reach.column == cut.column).unwrap_or_else(|| {
            reaches.push(Reach::all(cut.column));
            reaches.len() - 1
        });
        reaches[at].narrow(cut, *is_above);
    }
    for reach in &mut reaches {
        // The one category says it all.
        if reach.is.is_some() {
            reach.not.clear();
        }
        reach.not.sort_unstable();
    }
    // A cut that turned out to divide nothing, such as one between known values and none.
    reaches.retain(|reach| !reach.is_of_known() || !reach.missing);
    reaches
}
