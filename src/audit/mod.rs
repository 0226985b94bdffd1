//! The distribution of protected attributes over segments, for a bank's auditors. Input: protected columns in row order
//! and the labels. Output: an [`AuditReport`] with shares if there are few values, and quartiles if there are many.
//!
//! One pass, in step with the labels; memory holds a batch and a bounded number of counts. Each column is counted by
//! one thread in row order, so the result does not depend on threads. Deliberately absent: any judgement of fairness.

mod numbers;
mod report;
mod shares;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use rayon::prelude::*;

pub use report::{
    Attribute, AuditCounts, AuditReport, Number, NumbersReport, Ratio, ShareLine, SharesReport, Summary, VALUES_TOLD,
};

use self::numbers::NumbersBySegment;
use self::shares::Shares;
use crate::error::{Error, Result};
use crate::input::{ColumnStream, Source, ValueKind, as_f64};
use crate::roles::Protected;

/// An audit in progress.
pub struct Audit<'a> {
    rows: Vec<u64>,
    columns: Vec<AuditedColumn<'a>>,
    left_out: Vec<(String, String)>,
}

struct AuditedColumn<'a> {
    name: String,
    protected: Protected,
    kind: ValueKind,
    values: ColumnStream<'a>,
    counts: Counts,
}

enum Counts {
    Numbers(NumbersBySegment),
    Shares(Shares),
}

impl<'a> Audit<'a> {
    /// An audit of `protected` columns over `k` segments, starting at the first row.
    pub fn new(source: &'a Source, protected: &[Protected], k: usize) -> Self {
        let mut audit = Audit { rows: vec![0; k], columns: Vec::new(), left_out: Vec::new() };
        // In addition to the ids.
        let side_by_side = 1 + protected.len();
        for &protected in protected {
            let column = &source.columns()[protected.column];
            let kind = ValueKind::of(&column.data_type);
            let counts = match kind {
                ValueKind::Number | ValueKind::Date => Counts::Numbers(NumbersBySegment::new(k)),
                ValueKind::Boolean | ValueKind::Text => Counts::Shares(Shares::new(k)),
                _ => {
                    let why = format!("values of type {} are not counted", column.data_type);
                    audit.left_out.push((column.name.clone(), why));
                    continue;
                }
            };
            let values = ColumnStream::new(source, protected.column, side_by_side);
            audit.columns.push(AuditedColumn { name: column.name.clone(), protected, kind, values, counts });
        }
        audit
    }

    /// Counts the next rows; `labels` are their segments.
    ///
    /// # Errors
    /// A column that cannot be decoded.
    pub fn push(&mut self, labels: &[u32]) -> Result<()> {
        labels.iter().for_each(|&label| self.rows[label as usize] += 1);
        self.columns.par_iter_mut().with_max_len(1).try_for_each(|column| column.push(labels))
    }

    /// The report; `labels_blake3` is the hash of the labels, which identifies the run it belongs to.
    pub fn finish(self, labels_blake3: &str) -> AuditReport {
        let attribute = |column: AuditedColumn<'_>| Attribute {
            column: column.name,
            attribute: column.protected.attribute,
            is_feature: column.protected.is_feature,
            found: match column.counts {
                Counts::Numbers(numbers) => numbers.report(column.kind == ValueKind::Date),
                Counts::Shares(shares) => AuditCounts::Shares(shares.report()),
            },
        };
        AuditReport {
            rows: self.rows.iter().sum(),
            segments: self.rows,
            labels_blake3: labels_blake3.to_owned(),
            attributes: self.columns.into_iter().map(attribute).collect(),
            left_out: self.left_out,
        }
    }
}

impl AuditedColumn<'_> {
    fn push(&mut self, labels: &[u32]) -> Result<()> {
        let mut rest = labels;
        while !rest.is_empty() {
            let array = self.values.next(rest.len())?;
            let (now, later) = rest.split_at(array.len());
            self.count(&array, now).map_err(|why| {
                Error::input(format!("column {:?}, a protected attribute, cannot be counted: {why}", self.name))
            })?;
            rest = later;
        }
        Ok(())
    }

    fn count(&mut self, array: &ArrayRef, labels: &[u32]) -> std::result::Result<(), String> {
        match &mut self.counts {
            Counts::Numbers(numbers) => {
                let mut values = Vec::with_capacity(array.len());
                as_f64(array, &mut values)?;
                numbers.push(&values, labels);
            }
            Counts::Shares(shares) if self.kind == ValueKind::Boolean => {
                let mut values = Vec::with_capacity(array.len());
                as_f64(array, &mut values)?;
                let text = |v: &f64| (!v.is_nan()).then_some(if *v == 0.0 { "false" } else { "true" });
                shares.push(values.iter().map(text), labels);
            }
            Counts::Shares(shares) => {
                let text = cast(array, &DataType::LargeUtf8).map_err(|e| e.to_string())?;
                shares.push(text.as_string::<i64>().iter(), labels);
            }
        }
        Ok(())
    }
}
