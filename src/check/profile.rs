//! All counts of one column, and how to merge the counts of later rows.

use arrow::array::ArrayRef;

use std::collections::HashSet;

use super::class::Class;
use super::distinct::Distinct;
use super::grain::Grain;
use super::numbers::NumberCounts;
use super::piece::{NULL, Piece};
use super::text::Text;
use crate::input::SourceColumn;
use crate::simd::Dispatch;

/// The limits to count for the expectations of one column.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnLimits {
    /// The first and the last place.
    pub(super) range: Option<(i128, i128)>,
    /// Keys of the allowed values.
    pub(super) allowed: Option<HashSet<u64>>,
}

/// Properties of a column known before it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnShape {
    pub(super) class: Class,
    /// How its numbers are compared: as f64 where files do not agree about the type.
    pub(super) grain: Grain,
}

impl ColumnShape {
    pub(super) fn of(column: &SourceColumn) -> Self {
        let agreed = column.conflicts.is_empty();
        let grain = if agreed { Grain::of(&column.data_type) } else { Grain::Float };
        ColumnShape { class: Class::of(&column.data_type), grain }
    }

    /// Reads a batch. Returns whether its type can be counted with the column's; otherwise only its keys are usable.
    pub(super) fn take(self, array: &ArrayRef, piece: &mut Piece) -> Result<bool, String> {
        let class = Class::of(array.data_type());
        piece.take(array, class, self.grain)?;
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
    shape: ColumnShape,
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
            _ => ColumnValues::Numbers(Box::new(NumberCounts::new(shape.grain))),
        };
        Profile { rows: 0, nulls: 0, absent: 0, mistyped: 0, outside: 0, unlisted: 0, example: None, values, shape }
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
        let ColumnShape { class, grain } = self.shape;
        if let Some((first, last)) = limits.range {
            let (low, high) = (grain.number(first), grain.number(last));
            let is_outside = |v: f64| v < low || v > high;
            let outside = piece.values.iter().filter(|&&v| is_outside(v)).count();
            // As f64, a value beyond an end may equal it.
            let is_end = |v: f64| (v == low || v == high) && !is_outside(v);
            let ends = piece.values.iter().enumerate().filter(|&(_, &v)| is_end(v));
            let beyond = ends.filter(|&(i, _)| !(first..=last).contains(&piece.place(i, grain))).count();
            self.outside += (outside + beyond) as u64;
        }
        let Some(allowed) = &limits.allowed else { return };
        let missing = |i: usize| piece.values.get(i).map_or(piece.keys[i] == NULL, |v| v.is_nan());
        for (i, key) in piece.keys.iter().enumerate() {
            if !allowed.contains(key) && !missing(i) {
                self.unlisted += 1;
                if self.example.is_none() {
                    self.example = piece.show(i, class, grain);
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
