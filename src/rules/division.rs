//! How a bank is divided into parts that are clustered separately. Every bank has a division; without rules it is one
//! part, and the modules below treat both alike.

use std::path::Path;

use super::MAX_STRATA;
use super::book::RuleBook;
use super::condition::{ColumnKind, Compiled};
use super::membership::{Membership, divide};
use crate::error::Result;
use crate::event::Watch;
use crate::input::Source;

/// A division that fits a source.
///
/// # Examples
/// ```
/// use hyades::event::Watch;
/// use hyades::input::Source;
/// use hyades::rules::Division;
///
/// let source = Source::open(&["data/customers.parquet".into()])?;
/// let division = Division::read(Some("data/models/rules.toml".as_ref()), &source)?;
/// let membership = division.divide(&source, None, Watch::none())?;
/// assert_eq!(membership.rules[0].name, "large balances");
/// let strata: u64 = membership.strata.iter().map(|stratum| stratum.rows).sum();
/// assert_eq!(membership.rules[0].rows + strata, 20_000);
/// # Ok::<(), hyades::Error>(())
/// ```
#[derive(Debug)]
pub enum Division {
    /// All rows are one part.
    Whole,
    /// Rules take rows; the remaining rows are one part, or one per stratum.
    Ruled {
        /// The rules as they were written.
        book: RuleBook,
        /// The rules checked against the columns.
        rules: Compiled,
    },
}

impl Division {
    /// The division that a file of rules describes; without a file, the whole.
    ///
    /// # Errors
    /// All faults of the file at once, see [`RuleBook::read`].
    pub fn read(path: Option<&Path>, source: &Source) -> Result<Self> {
        let Some(path) = path else { return Ok(Division::Whole) };
        let (book, rules) = RuleBook::read(path, source)?;
        Ok(Division::Ruled { book, rules })
    }

    /// The rules of a model on another input; `columns` are those that the rules used in the fit.
    ///
    /// # Errors
    /// Every mismatch, one per line: columns that are missing, or have another kind than in the fit.
    pub fn again(book: &RuleBook, columns: &[ColumnKind], source: &Source) -> Result<Self, String> {
        let rules = Compiled::again(book, source, columns)?;
        Ok(Division::Ruled { book: book.clone(), rules })
    }

    /// Whether all rows are one part.
    pub fn is_whole(&self) -> bool {
        matches!(self, Division::Whole)
    }

    /// Positions in the source of the columns that it uses.
    pub(crate) fn columns(&self) -> Vec<usize> {
        self.rules().map_or_else(Vec::new, Compiled::columns)
    }

    /// The column of the strata: its position in the source.
    pub(crate) fn within(&self) -> Option<usize> {
        self.rules().and_then(Compiled::within)
    }

    /// The columns that conditions use, and their kinds.
    pub(crate) fn kinds(&self) -> &[ColumnKind] {
        self.rules().map_or(&[], Compiled::kinds)
    }

    /// The rules as they were written, if there are any.
    pub(crate) fn book(&self) -> Option<&RuleBook> {
        match self {
            Division::Whole => None,
            Division::Ruled { book, .. } => Some(book),
        }
    }

    /// The number of segments of a part; `k` unless the rules set one.
    pub(crate) fn k_of(&self, part: &str, k: usize) -> usize {
        self.book().map_or(k, |book| book.k_of(part, k))
    }

    /// The most segments that a part can have.
    pub(crate) fn most_segments(&self, k: usize) -> usize {
        self.book().map_or(k, |book| book.most_segments(k))
    }

    /// Bytes that it holds in addition to the work on a part; `kept` are those for the stored labels of one part.
    pub(crate) fn bytes(&self, rows: u64, kept: u64) -> u64 {
        if self.is_whole() { 0 } else { Membership::bytes(rows) + MAX_STRATA as u64 * kept }
    }

    /// Divides all rows. `known` are the strata of a model; if None, every value of the column is a stratum.
    ///
    /// # Errors
    /// Columns that cannot be decoded, numbers that exceed what can be calculated exactly, or too many strata.
    pub fn divide(&self, source: &Source, known: Option<&[Option<String>]>, watch: Watch<'_>) -> Result<Membership> {
        match self {
            Division::Whole => Ok(Membership::whole(source.rows())),
            Division::Ruled { rules, .. } => divide(source, rules, known, watch),
        }
    }

    fn rules(&self) -> Option<&Compiled> {
        match self {
            Division::Whole => None,
            Division::Ruled { rules, .. } => Some(rules),
        }
    }
}
