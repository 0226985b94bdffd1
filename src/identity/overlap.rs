//! Customers counted by old and new segment.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::numeric::Partial;
use crate::numeric::partial::other_shape;

/// Counts of customers by old segment (rows) and new segment (columns), with a last row and column for those without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlap {
    old: usize,
    new: usize,
    /// Row-major, `(old + 1) x (new + 1)`.
    customers: Vec<u64>,
}

impl Overlap {
    /// No customers yet, of `old` and `new` segments.
    pub fn new(old: usize, new: usize) -> Self {
        Overlap { old, new, customers: vec![0; (old + 1) * (new + 1)] }
    }

    /// Old segments.
    pub fn old(&self) -> usize {
        self.old
    }

    /// New segments.
    pub fn new_segments(&self) -> usize {
        self.new
    }

    /// Adds customers with these numbers of segments; None for those without.
    ///
    /// # Panics
    /// On a number that is not below the number of segments.
    pub fn add(&mut self, old: Option<usize>, new: Option<usize>, customers: u64) {
        let at = self.at(old, new);
        self.customers[at] += customers;
    }

    /// Customers with these numbers of segments; None for those without.
    ///
    /// # Panics
    /// On a number that is not below the number of segments.
    pub fn customers(&self, old: Option<usize>, new: Option<usize>) -> u64 {
        self.customers[self.at(old, new)]
    }

    /// Customers who have both segments.
    pub fn shared(&self) -> u64 {
        (0..self.old).map(|old| self.row(old).iter().sum::<u64>()).sum()
    }

    /// Customers who have an old segment and no new one: those who left, where members are matched.
    pub fn left(&self) -> u64 {
        (0..self.old).map(|old| self.customers(Some(old), None)).sum()
    }

    /// Customers who have a new segment and no old one: those who came, where members are matched.
    pub fn came(&self) -> u64 {
        (0..self.new).map(|new| self.customers(None, Some(new))).sum()
    }

    /// The counts of an old segment by new segment, without those who have none.
    pub(super) fn row(&self, old: usize) -> &[u64] {
        &self.customers[old * (self.new + 1)..][..self.new]
    }

    fn at(&self, old: Option<usize>, new: Option<usize>) -> usize {
        let within = |number: Option<usize>, of: usize| {
            assert!(number.is_none_or(|number| number < of), "segment {number:?} of {of}");
            number.unwrap_or(of)
        };
        within(old, self.old) * (self.new + 1) + within(new, self.new)
    }
}

impl Partial for Overlap {
    const NAME: &'static str = "overlap";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.old, self.new, self.customers.len()) != (other.old, other.new, other.customers.len()) {
            return Err(other_shape::<Self>());
        }
        self.customers.iter_mut().zip(&other.customers).for_each(|(sum, more)| *sum += more);
        Ok(())
    }
}
