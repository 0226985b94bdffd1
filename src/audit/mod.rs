//! What a bank's auditors ask of segments: how each protected attribute is distributed over them. Takes the protected
//! columns in row order together with the labels, and makes an [`AuditReport`]: shares where there are few values,
//! quartiles where there are many.
//!
//! One pass, in step with the labels; memory holds one batch and a bounded number of counts. Each column is counted by
//! one thread in row order, so the number of threads does not change the result. Deliberately absent: any judgement of
//! what is fair.

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

/// Counts protected columns row by row.
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
    /// An audit of `protected` columns over `k` segments, from the first row on.
    pub fn new(source: &'a Source, protected: &[Protected], k: usize) -> Self {
        let mut audit = Audit { rows: vec![0; k], columns: Vec::new(), left_out: Vec::new() };
        // One more for the ids.
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

    /// Counts the next rows, whose segments these are.
    ///
    /// # Errors
    /// A column that cannot be decoded.
    pub fn push(&mut self, labels: &[u32]) -> Result<()> {
        labels.iter().for_each(|&label| self.rows[label as usize] += 1);
        self.columns.par_iter_mut().with_max_len(1).try_for_each(|column| column.push(labels))
    }

    /// What was found; `labels_blake3`, the hash of the labels, identifies the run that it belongs to.
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
                Error::input(format!("cannot count the protected attribute {:?}: {why}", self.name))
                    .of_columns([&self.name])
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
