//! One batch of a unit's columns, decoded, and the raw values of its features.

use crate::error::Result;
use crate::input::{BATCH_ROWS, ColumnReader, RowGroup, Source, fault};
use crate::prepare::design::{DecodeUnit, Raw};

/// The raw values of a unit's columns in one batch.
pub(crate) struct Batch {
    /// By column. Nulls and sentinels are NaN.
    values: Vec<Vec<f64>>,
    /// By column.
    nulls: Vec<u64>,
    /// By column.
    sentinels: Vec<u64>,
}

impl Batch {
    /// The first batch of a unit in a row group.
    pub(crate) fn first(source: &Source, group: RowGroup, unit: &DecodeUnit) -> Result<Self> {
        let open = |&column: &usize| ColumnReader::open(source, group, column);
        let mut readers = unit.columns.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut batch = Batch::new(unit.columns.len());
        batch.read(&mut readers, &unit.sentinels)?;
        batch.same_length(source, group, unit.columns[0])?;
        Ok(batch)
    }

    pub(super) fn new(columns: usize) -> Self {
        let values = (0..columns).map(|_| Vec::with_capacity(BATCH_ROWS)).collect();
        Batch { values, nulls: vec![0; columns], sentinels: vec![0; columns] }
    }

    /// The next batch of all columns; false after the last.
    pub(super) fn read(&mut self, readers: &mut [ColumnReader<'_>], sentinels: &[Vec<f64>]) -> Result<bool> {
        let mut more = true;
        for (c, reader) in readers.iter_mut().enumerate() {
            let values = &mut self.values[c];
            values.clear();
            (self.nulls[c], self.sentinels[c]) = (0, 0);
            more &= reader.next_values(values, &mut self.nulls[c])?;
            if !sentinels[c].is_empty() {
                for v in values.iter_mut().filter(|v| sentinels[c].contains(v)) {
                    *v = f64::NAN;
                    self.sentinels[c] += 1;
                }
            }
        }
        Ok(more)
    }

    /// The rows of the batch.
    pub(super) fn rows(&self) -> usize {
        self.values[0].len()
    }

    /// Fails if the columns have different numbers of rows.
    pub(super) fn same_length(&self, source: &Source, group: RowGroup, column: usize) -> Result<()> {
        let rows = self.values[0].len();
        if self.values.iter().all(|v| v.len() == rows) {
            return Ok(());
        }
        Err(fault(source, group, column, "its columns have different lengths"))
    }

    /// The raw values of a feature. Derived ones are computed into `buffer`.
    pub(crate) fn raw<'a>(&'a self, raw: Raw, buffer: &'a mut Vec<f64>) -> &'a [f64] {
        let two = |a: usize, b: usize| self.values[a].iter().zip(&self.values[b]);
        buffer.clear();
        match raw {
            Raw::Value(c) => return &self.values[c],
            Raw::Age(c, at) => buffer.extend(self.values[c].iter().map(|v| at - v)),
            Raw::Ratio(a, b) => buffer.extend(two(a, b).map(|(a, b)| a / b)),
            Raw::Difference(a, b) => buffer.extend(two(a, b).map(|(a, b)| a - b)),
            Raw::IsMissing(c) => {
                buffer.extend(self.values[c].iter().map(|v| f64::from(u8::from(!v.is_finite()))));
            }
            Raw::Code | Raw::Reserved => {}
        }
        buffer
    }

    /// Nulls and sentinels among the raw values of a feature. A derived value that lacks an operand counts as null.
    pub(super) fn gaps(&self, raw: Raw) -> (u64, u64) {
        match raw {
            Raw::Value(c) | Raw::Age(c, _) => (self.nulls[c], self.sentinels[c]),
            Raw::Ratio(a, b) | Raw::Difference(a, b) => {
                let pairs = self.values[a].iter().zip(&self.values[b]);
                (pairs.filter(|(a, b)| a.is_nan() || b.is_nan()).count() as u64, 0)
            }
            _ => (0, 0),
        }
    }
}
