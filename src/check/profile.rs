//! All counts of one column, and how to merge the counts of later rows.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use std::collections::HashSet;

use super::distinct::Distinct;
use super::numbers::NumberCounts;
use super::piece::{Class, NULL, Piece, key_of_number};
use super::text::Text;
use crate::input::SourceColumn;
use crate::simd::Dispatch;

/// The limits to count for the expectations of one column.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnLimits {
    pub(super) range: Option<(f64, f64)>,
    /// Keys of the allowed values.
    pub(super) allowed: Option<HashSet<u64>>,
}

/// Properties of a column known before it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnShape {
    pub(super) class: Class,
    /// The signedness, if all files store 64-bit integers.
    signed: Option<bool>,
}

impl ColumnShape {
    pub(super) fn of(column: &SourceColumn) -> Self {
        let signed = match column.data_type {
            DataType::Int64 => Some(true),
            DataType::UInt64 => Some(false),
            _ => None,
        };
        ColumnShape { class: Class::of(&column.data_type), signed: signed.filter(|_| column.conflicts.is_empty()) }
    }

    /// The key of a number in this column.
    pub(super) fn key(self, v: f64) -> u64 {
        match self.signed {
            Some(true) if v.trunc() == v => v as i64 as u64,
            Some(false) if v.trunc() == v && v >= 0.0 => v as u64,
            _ => key_of_number(v),
        }
    }

    /// Reads a batch. Returns whether its type can be counted with the column's; otherwise only its keys are usable.
    pub(super) fn take(self, array: &ArrayRef, piece: &mut Piece) -> Result<bool, String> {
        let class = Class::of(array.data_type());
        piece.take(array, class, self.signed.is_some())?;
        let fits = class == self.class;
        if self.class.is_numeric() && !fits {
            piece.values.clear();
            piece.values.resize(array.len(), f64::NAN);
            piece.gaps = true;
        }
        Ok(fits)
    }
}

/// Counts of one column over some rows.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    pub(super) rows: u64,
    pub(super) nulls: u64,
    /// Rows of files that do not have the column.
    pub(super) absent: u64,
    /// Rows of files whose type of the column cannot be counted with the first.
    pub(super) mistyped: u64,
    /// Values outside the expected range.
    pub(super) outside: u64,
    /// Values outside the allowed list, and the first of them.
    pub(super) unlisted: u64,
    pub(super) example: Option<String>,
    pub(super) values: ColumnValues,
}

/// The statistics by class.
#[derive(Debug, Clone)]
pub(super) enum ColumnValues {
    Numbers(Box<NumberCounts>),
    Text(Box<Text>),
    Other(Distinct),
}

impl Profile {
    pub(super) fn new(shape: ColumnShape) -> Self {
        let values = match shape.class {
            Class::Text => ColumnValues::Text(Box::new(Text::new())),
            Class::Other => ColumnValues::Other(Distinct::new()),
            _ => ColumnValues::Numbers(Box::new(NumberCounts::new(shape.signed))),
        };
        Profile { rows: 0, nulls: 0, absent: 0, mistyped: 0, outside: 0, unlisted: 0, example: None, values }
    }

    /// Adds a batch whose type fits; `picked` are the positions of sampled rows.
    pub(super) fn push(&mut self, piece: &Piece, picked: &[u32], limits: &ColumnLimits, simd: Dispatch) {
        self.compare(piece, limits);
        self.rows += piece.keys.len() as u64;
        self.nulls += piece.nulls;
        match &mut self.values {
            ColumnValues::Numbers(numbers) => numbers.push(piece, picked, simd),
            ColumnValues::Text(text) => text.push(piece, picked),
            ColumnValues::Other(distinct) => {
                let keys: Vec<u64> = piece.keys.iter().copied().filter(|&key| key != NULL).collect();
                distinct.push(&keys);
            }
        }
    }

    /// Counts values that break expectations. Nulls and NaN break none of these.
    fn compare(&mut self, piece: &Piece, limits: &ColumnLimits) {
        if let Some((low, high)) = limits.range {
            self.outside += piece.values.iter().filter(|&&v| v < low || v > high).count() as u64;
        }
        let Some(allowed) = &limits.allowed else { return };
        let missing = |i: usize| piece.keys[i] == NULL || piece.values.get(i).is_some_and(|v| v.is_nan());
        for (i, key) in piece.keys.iter().enumerate() {
            if !allowed.contains(key) && !missing(i) {
                self.unlisted += 1;
                if self.example.is_none() {
                    self.example = piece.show(i);
                }
            }
        }
    }

    /// Values that are null or NaN, or absent from their file.
    pub(super) fn missing(&self) -> u64 {
        let nan = if let ColumnValues::Numbers(numbers) = &self.values { numbers.nan } else { 0 };
        self.nulls + nan + self.absent
    }

    /// Adds the counts of later rows.
    pub(super) fn merge(&mut self, other: Profile) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.absent += other.absent;
        self.mistyped += other.mistyped;
        self.outside += other.outside;
        self.unlisted += other.unlisted;
        self.example = self.example.take().or(other.example);
        match (&mut self.values, other.values) {
            (ColumnValues::Numbers(mine), ColumnValues::Numbers(theirs)) => mine.merge(*theirs),
            (ColumnValues::Text(mine), ColumnValues::Text(theirs)) => mine.merge(*theirs),
            (ColumnValues::Other(mine), ColumnValues::Other(theirs)) => mine.merge(theirs),
            // The class of a column is the same in all parts.
            _ => {}
        }
    }

    /// The number of distinct values, and whether it is exact.
    pub(super) fn distinct(&self) -> (u64, bool) {
        match &self.values {
            ColumnValues::Numbers(numbers) => numbers.distinct.count(),
            ColumnValues::Text(text) => text.distinct.count(),
            ColumnValues::Other(distinct) => distinct.count(),
        }
    }

    /// Values that are present: not null and, for numbers, finite.
    pub(super) fn present(&self) -> u64 {
        match &self.values {
            ColumnValues::Numbers(numbers) => numbers.moments.n,
            _ => self.rows - self.nulls,
        }
    }
}
