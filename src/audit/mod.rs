//! What a bank's auditors ask of segments: how a protected attribute is distributed across them. A survey of the
//! protected columns; an [`AuditReport`] leaves: shares where values are few, quartiles where they are many.
//!
//! Memory holds a batch and the counts, whose number is bounded. Each column is counted by one thread in row order, so
//! threads do not show. Absent on purpose: any judgement of what is fair.

mod carriers;
mod chains;
mod disparity;
mod flows;
mod moves;
mod network;
mod numbers;
mod report;
mod shares;
mod withhold;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use carriers::Carrier;
pub use disparity::{Disparity, SelectionRate};
pub use report::{Attribute, AuditCounts, AuditReport, Number, NumbersReport, Ratio, ShareLine, SharesReport, Summary};

use self::carriers::DrawnBeside;
pub(crate) use self::flows::withhold_between;
pub(crate) use self::moves::withhold_moves;
use self::numbers::NumbersBySegment;
pub(crate) use self::withhold::{follow, withheld, withhold_also, withhold_beside};
use crate::error::{Error, Result};
use crate::input::{Source, ValueKind, as_f64};
use crate::numeric::Partial;
use crate::numeric::partial::other_shape;
use crate::roles::{Protected, Roles};
use crate::survey::{Labelled, Survey, TextCounts};

/// The protected columns of a source, and how each is counted.
pub(crate) struct Audit {
    segments: usize,
    columns: Vec<AuditedColumn>,
    /// Features that are numbers: position and name.
    features: Vec<(usize, String)>,
    /// Rows of the source.
    rows: u64,
    left_out: Vec<(String, String)>,
}

struct AuditedColumn {
    name: String,
    protected: Protected,
    kind: ValueKind,
}

/// What is known of some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Audited {
    /// Rows by segment.
    rows: Vec<u64>,
    columns: Vec<Counts>,
    drawn: DrawnBeside,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Counts {
    Numbers(NumbersBySegment),
    Shares(TextCounts),
}

impl Audit {
    /// An audit of protected columns, and of the features that carry them, over so many segments. Rows without a
    /// segment count to the last.
    pub(crate) fn new(source: &Source, roles: &Roles, segments: usize) -> Self {
        let is_number = |i: &usize| ValueKind::of(&source.columns()[*i].data_type).is_numeric();
        let protected = |i: &usize| roles.protected.iter().any(|p| p.column == *i);
        let features = roles.features.iter().copied().filter(|i| is_number(i) && !protected(i));
        let features = features.map(|i| (i, source.columns()[i].name.clone())).collect();
        let mut audit = Audit { segments, columns: Vec::new(), features, rows: source.rows(), left_out: Vec::new() };
        for protected in roles.protected.iter().cloned() {
            let column = &source.columns()[protected.column];
            let kind = ValueKind::of(&column.data_type);
            if kind.is_numeric() || kind == ValueKind::Text {
                audit.columns.push(AuditedColumn { name: column.name.clone(), protected, kind });
            } else {
                let why = format!("values of type {} are not counted", column.data_type);
                audit.left_out.push((column.name.clone(), why));
            }
        }
        audit
    }

    /// The report, without figures of fewer than `small_cells` customers; `labels_blake3` is the hash of the labels,
    /// which ties it to the run that it belongs to.
    pub(crate) fn report(self, seen: Audited, labels_blake3: &str, small_cells: u64) -> AuditReport {
        let names: Vec<String> = self.features.into_iter().map(|(_, name)| name).collect();
        let attribute = |(at, (column, counts)): (usize, (AuditedColumn, Counts))| {
            let found = match counts {
                Counts::Numbers(numbers) => numbers.report(column.kind == ValueKind::Date, small_cells),
                Counts::Shares(shares) => shares::report(shares, small_cells),
            };
            Attribute {
                column: column.name,
                attribute: column.protected.attribute.into_owned(),
                is_feature: column.protected.is_feature,
                cramers_v: found.cramers_v,
                eta_squared: found.eta_squared,
                disparities: found.disparities,
                carried_by: seen.drawn.carriers(at, &names),
                found: found.counts,
            }
        };
        AuditReport {
            rows: seen.rows.iter().sum(),
            small_cells,
            segments: seen.rows,
            labels_blake3: labels_blake3.to_owned(),
            attributes: self.columns.into_iter().zip(seen.columns).enumerate().map(attribute).collect(),
            left_out: self.left_out,
        }
    }
}

impl Audit {
    /// Looks at rows that are drawn from the next ones.
    fn draw(&self, attributes: &[ArrayRef], features: &[ArrayRef], seen: &mut Audited) -> Result<()> {
        let first: u64 = seen.rows.iter().sum();
        let kinds: Vec<ValueKind> = self.columns.iter().map(|column| column.kind).collect();
        seen.drawn.look(first, (&kinds, attributes), features).map_err(|why| {
            Error::input(format!("protected attributes and features cannot be compared: {why}"))
                .of_columns(self.columns.iter().map(|column| &column.name))
        })
    }
}

impl Survey for Audit {
    type Seen = Audited;

    fn columns(&self) -> Vec<usize> {
        let features = self.features.iter().map(|(column, _)| *column);
        self.columns.iter().map(|c| c.protected.column).chain(features).collect()
    }

    fn nothing(&self) -> Audited {
        let k = self.segments;
        let counts = |column: &AuditedColumn| match column.kind {
            ValueKind::Number | ValueKind::Date => Counts::Numbers(NumbersBySegment::new(k)),
            _ => Counts::Shares(shares::no_texts(k)),
        };
        let columns = self.columns.iter().map(counts).collect();
        Audited { rows: vec![0; k], columns, drawn: DrawnBeside::new(self.rows) }
    }

    fn see(&self, rows: &Labelled<'_>, seen: &mut Audited) -> Result<()> {
        let (attributes, features) = rows.columns.split_at(self.columns.len());
        self.draw(attributes, features, seen)?;
        let last = seen.rows.len().saturating_sub(1) as u32;
        let segments: Vec<u32> = rows.segments.iter().map(|segment| segment.number_or(last)).collect();
        segments.iter().for_each(|&segment| seen.rows[segment as usize] += 1);
        let columns = self.columns.par_iter().zip(attributes).zip(&mut seen.columns).with_max_len(1);
        columns.try_for_each(|((column, array), counts)| {
            count(column.kind, array, &segments, counts).map_err(|why| {
                Error::input(format!("column {:?}, a protected attribute, cannot be counted: {why}", column.name))
                    .of_columns([&column.name])
            })
        })
    }
}

impl Partial for Audited {
    const NAME: &'static str = "audit";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.rows.len(), self.columns.len()) != (other.rows.len(), other.columns.len()) {
            return Err(other_shape::<Self>());
        }
        self.rows.iter_mut().zip(&other.rows).for_each(|(a, b)| *a += b);
        self.drawn.merge(&other.drawn)?;
        self.columns.iter_mut().zip(&other.columns).try_for_each(|pair| match pair {
            (Counts::Numbers(a), Counts::Numbers(b)) => a.merge(b),
            (Counts::Shares(a), Counts::Shares(b)) => a.merge(b),
            _ => Err(other_shape::<Self>()),
        })
    }
}

fn count(kind: ValueKind, array: &ArrayRef, segments: &[u32], counts: &mut Counts) -> std::result::Result<(), String> {
    match counts {
        Counts::Numbers(numbers) => {
            let mut values = Vec::with_capacity(array.len());
            as_f64(array, &mut values)?;
            numbers.push(&values, segments);
        }
        Counts::Shares(shares) if kind == ValueKind::Boolean => {
            let mut values = Vec::with_capacity(array.len());
            as_f64(array, &mut values)?;
            let text = |v: &f64| (!v.is_nan()).then_some(if *v == 0.0 { "false" } else { "true" });
            shares.push(values.iter().map(text), segments);
        }
        Counts::Shares(shares) => {
            let text = cast(array, &DataType::LargeUtf8).map_err(|e| e.to_string())?;
            shares.push(text.as_string::<i64>().iter(), segments);
        }
    }
    Ok(())
}
