//! The values of the rows that were drawn.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use rayon::prelude::*;

use super::column::{CutColumn, number};
use super::draw::Drawn;
use crate::error::Result;
use crate::event::Watch;
use crate::input::{ColumnReader, Order, Source, fault};
use crate::prepare::as_text;

/// The most categories of a column that a cut may name.
const MOST_NAMED: usize = 32;
/// The fewest rows that such a category has.
const FEWEST_NAMED: usize = 8;
/// The most bytes of its text.
const LONGEST_NAMED: usize = 100;

/// One column of the rows.
#[derive(Debug, Clone, Default)]
pub(super) struct SampledColumn {
    /// Numbers, or numbers of categories; NaN is missing.
    pub(super) values: Vec<f64>,
    /// The ranks of numbers: 0 is missing, and the smallest value is 1. Empty for categories.
    pub(super) ranks: Vec<u32>,
    /// The values of the ranks from 1.
    pub(super) distinct: Vec<f64>,
    /// Categories that have a number, in order.
    pub(super) named: Vec<String>,
}

/// Where a cut may be: on the numbers of a column, or between one category and the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CutAxis {
    pub(super) column: usize,
    pub(super) category: Option<u32>,
}

/// The rows that a tree is grown on.
#[derive(Debug, Clone)]
pub(crate) struct SampledRows {
    pub(super) columns: Vec<SampledColumn>,
    /// By column: whether cuts are whole numbers.
    pub(super) whole: Vec<bool>,
    pub(super) axes: Vec<CutAxis>,
    /// The segment of each row.
    pub(super) segments: Vec<u32>,
    /// By segment: what a row weighs.
    pub(super) weights: Vec<u64>,
}

impl SampledRows {
    /// Reads the columns of the rows that were drawn.
    pub(crate) fn read(source: &Source, columns: &[CutColumn], drawn: Drawn, watch: Watch<'_>) -> Result<Self> {
        let positions: Vec<usize> = columns.iter().map(|column| column.position).collect();
        let order = Order::InTurn(rayon::current_num_threads());
        let _ahead = source.ahead(source.row_groups(), &positions, order);
        let read = |column: &CutColumn| SampledColumn::read(source, column, &drawn.rows, watch);
        let read: Vec<SampledColumn> = columns.par_iter().with_max_len(1).map(read).collect::<Result<_>>()?;
        let whole = columns.iter().map(|column| column.sort.is_whole()).collect();
        Ok(SampledRows::new(read, whole, drawn.segments, drawn.weights))
    }

    pub(super) fn new(columns: Vec<SampledColumn>, whole: Vec<bool>, segments: Vec<u32>, weights: Vec<u64>) -> Self {
        let axes = columns.iter().enumerate().flat_map(|(column, of)| {
            let categories = (0..of.named.len() as u32).map(Some);
            let numbers = (!of.ranks.is_empty()).then_some(None);
            numbers.into_iter().chain(categories).map(move |category| CutAxis { column, category })
        });
        SampledRows { axes: axes.collect(), columns, whole, segments, weights }
    }

    /// The rank of a row: 0 is missing; a category has 2, and the others 1.
    pub(super) fn rank(&self, axis: CutAxis, row: u32) -> u32 {
        let column = &self.columns[axis.column];
        match axis.category {
            None => column.ranks[row as usize],
            Some(category) => match column.values[row as usize] {
                value if value.is_nan() => 0,
                value => 1 + u32::from(value == f64::from(category)),
            },
        }
    }

    /// How many there are.
    pub(crate) fn rows(&self) -> u64 {
        self.segments.len() as u64
    }

    /// What a row weighs.
    pub(super) fn weight(&self, row: u32) -> u64 {
        self.weights[self.segments[row as usize] as usize]
    }
}

impl SampledColumn {
    /// Numbers, NaN where missing.
    pub(super) fn of_numbers(values: Vec<f64>) -> Self {
        let mut distinct: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let rank = |value: &f64| match value.is_nan() {
            true => 0,
            false => 1 + distinct.partition_point(|other| other < value) as u32,
        };
        let ranks = values.iter().map(rank).collect();
        SampledColumn { values, ranks, distinct, named: Vec::new() }
    }

    /// Texts, of which the most common have a number.
    pub(super) fn of_texts(texts: &[Option<String>]) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        texts.iter().flatten().for_each(|text| *counts.entry(text).or_default() += 1);
        let is_nameable =
            |(text, n): &(&str, usize)| *n >= FEWEST_NAMED && text.len() <= LONGEST_NAMED && !text.contains('\0');
        let mut common: Vec<(&str, usize)> = counts.into_iter().filter(is_nameable).collect();
        common.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        common.truncate(MOST_NAMED);
        let mut named: Vec<String> = common.into_iter().map(|(text, _)| text.to_owned()).collect();
        named.sort_unstable();
        let values = texts.iter().map(|text| number(&named, text.as_deref())).collect();
        SampledColumn { values, named, ..SampledColumn::default() }
    }

    /// The values of some rows, which are in ascending order.
    fn read(source: &Source, column: &CutColumn, rows: &[u64], watch: Watch<'_>) -> Result<Self> {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for &group in source.row_groups() {
            watch.check()?;
            let end = rows.partition_point(|row| *row < group.first_row + group.rows);
            let mut left = &rows[rows.partition_point(|row| *row < group.first_row)..end];
            let fail = |why: String| fault(source, group, column.position, &why);
            let (mut reader, mut first) = (ColumnReader::open(source, group, column.position)?, group.first_row);
            while !left.is_empty() {
                let array = reader.next_array()?.ok_or_else(|| fail("it ends before the rows do".into()))?;
                let here;
                (here, left) = left.split_at(left.partition_point(|row| *row < first + array.len() as u64));
                let places: UInt32Array = here.iter().map(|row| (row - first) as u32).collect();
                first += array.len() as u64;
                let taken: ArrayRef = take(&array, &places, None).map_err(|e| fail(e.to_string()))?;
                if column.sort.is_category() {
                    let shown = as_text(&taken).map_err(fail)?;
                    texts.extend(shown.as_string::<i64>().iter().map(|text| text.map(str::to_owned)));
                } else {
                    numbers.extend(column.array_numbers(&taken).map_err(fail)?);
                }
            }
        }
        Ok(if column.sort.is_category() { SampledColumn::of_texts(&texts) } else { SampledColumn::of_numbers(numbers) })
    }
}
