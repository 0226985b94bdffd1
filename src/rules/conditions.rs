//! Conditions that are all evaluated for every row, each by itself: true, false, or unknown.

use arrow::array::{Array, BooleanArray};
use arrow::compute::concat;

use super::book::{Rule, RuleBook};
use super::condition::{Compiled, FaultyPart};
use super::membership::{RuleColumns, too_large};
use super::terms::Terms;
use crate::error::{Error, Result};
use crate::input::{RowGroup, Source};

/// Compiled conditions.
#[derive(Debug)]
pub(crate) struct Conditions(Compiled);

impl Conditions {
    /// Compiles conditions for a source, which may use `terms`, and returns all faults with the number of their rule.
    pub(crate) fn new(rules: Vec<Rule>, source: &Source, terms: &mut Terms) -> (Self, Vec<(usize, String)>) {
        let book = RuleBook { rules, strata: None };
        let (compiled, faults) = Compiled::with_terms(&book, source, Some(terms));
        let of_rule = |(part, fault)| match part {
            FaultyPart::Rule(i) => (i, fault),
            FaultyPart::Strata => (0, fault),
        };
        (Conditions(compiled), faults.into_iter().map(of_rule).collect())
    }

    /// Positions in the source of the columns in use.
    pub(crate) fn columns(&self) -> Vec<usize> {
        self.0.columns()
    }

    /// The values of every condition for the rows of a row group; null: unknown.
    ///
    /// # Errors
    /// Columns that cannot be decoded, and numbers that exceed what can be calculated exactly.
    pub(crate) fn evaluate(&self, source: &Source, group: RowGroup) -> Result<Vec<BooleanArray>> {
        let mut columns = RuleColumns::open(source, &self.0, group)?;
        let mut pieces: Vec<Vec<BooleanArray>> = vec![Vec::new(); self.0.rules.len()];
        let mut left = group.rows;
        while left > 0 {
            let (arrays, _, rows) = columns.next()?;
            for ((name, condition), pieces) in self.0.rules.iter().zip(&mut pieces) {
                pieces.push(condition.evaluate(&arrays, rows).map_err(|e| too_large(name, &e))?);
            }
            left = left.saturating_sub(rows as u64);
        }
        let whole = |pieces: Vec<BooleanArray>| {
            let parts: Vec<&dyn Array> = pieces.iter().map(|piece| piece as &dyn Array).collect();
            match parts.is_empty() {
                true => Ok(BooleanArray::from(Vec::<bool>::new())),
                false => concat(&parts).map(|array| BooleanArray::from(array.to_data())),
            }
        };
        pieces.into_iter().map(|p| whole(p).map_err(|e| Error::Internal(e.to_string()))).collect()
    }
}
