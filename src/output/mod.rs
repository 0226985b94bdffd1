//! Labels to Parquet: the id as it was, the segment, the distance; rows in input order.
//!
//! The labels of a whole table go to it at once. Those of strata, which come one stratum after the other, are kept in scratch
//! files until all are there, and are then woven together.

mod measure;
mod publish;
mod row_groups;
mod scratch;
mod segments;
mod table;
mod weave;

use std::path::Path;

use parquet::errors::ParquetError;

use self::measure::{DistanceSums, WaitingRows};
pub use self::publish::publish_text;
pub(crate) use self::publish::{PartedTable, Publication};
pub(crate) use self::scratch::{Kept, LabelScratch};
pub(crate) use self::segments::NAME_COLUMN;
pub use self::segments::SegmentTable;
pub(crate) use self::table::TableWriter;
pub(crate) use self::weave::{SegmentNames, weave};
use crate::backend::Labels;
use crate::error::{Error, Result};

/// Rows in a row group of the output, whatever the input's are.
pub const OUTPUT_GROUP_ROWS: usize = 1 << 18;

/// Measures labelled rows as they come, and hands them on in groups.
pub struct LabelWriter<'a> {
    output: Output<'a>,
    weights: Option<&'a [u32]>,
    step: f64,
    next_row: u64,
    margin: bool,
    waiting: WaitingRows,
    sums: DistanceSums,
    hasher: blake3::Hasher,
}

/// Where measured rows go.
pub enum Output<'a> {
    /// To the table of all rows.
    Table(Box<SegmentTable<'a>>),
    /// To a file for one stratum's rows.
    Scratch(LabelScratch),
}

/// Rows whose distances were measured.
#[derive(Debug, Default)]
pub(crate) struct MeasuredRows {
    pub(crate) labels: Vec<u32>,
    pub(crate) distances: Vec<f32>,
    pub(crate) margins: Option<Vec<f32>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSummary {
    /// Rows by segment.
    pub counts: Vec<u64>,
    /// Mean distance by segment, in scaled units; 0 for an empty segment.
    pub mean_distance: Vec<f64>,
    /// Exact weighted sum of squared distances, in squared grid steps.
    pub inertia: u128,
    /// blake3 of the labels as little-endian i32 in row order.
    pub labels_blake3: String,
}

impl<'a> LabelWriter<'a> {
    /// A writer for `k` segments. `weights` are the rows' integer weights, if they have any; `step` is the grid's.
    pub fn new(output: Output<'a>, weights: Option<&'a [u32]>, k: usize, step: f64, margin: bool) -> Self {
        LabelWriter {
            output,
            weights,
            step,
            next_row: 0,
            margin,
            waiting: WaitingRows::default(),
            sums: DistanceSums::empty(k),
            hasher: blake3::Hasher::new(),
        }
    }

    /// Appends labels; they must follow the ones before.
    pub fn push(&mut self, labels: &Labels) -> Result<()> {
        let mut from = 0;
        while from < labels.labels.len() {
            let to = labels.labels.len().min(from + OUTPUT_GROUP_ROWS - self.waiting.len());
            self.waiting.labels.extend_from_slice(&labels.labels[from..to]);
            self.waiting.distance2.extend_from_slice(&labels.distance2[from..to]);
            if let (true, Some(second2)) = (self.margin, &labels.second2) {
                self.waiting.second2.extend_from_slice(&second2[from..to]);
            }
            if self.waiting.len() == OUTPUT_GROUP_ROWS {
                self.flush()?;
            }
            from = to;
        }
        Ok(())
    }

    /// Hands on what waits as a row group: measured and hashed while ids are decoded.
    fn flush(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let (rows, first_row) = (waiting.len(), self.next_row);
        if rows == 0 {
            return Ok(());
        }
        self.next_row += rows as u64;
        let weights = self.weights.map(|w| &w[first_row as usize..][..rows]);
        let (step, margin, sums, hasher) = (self.step, self.margin, &mut self.sums, &mut self.hasher);
        let measure = || {
            let (distances, ()) =
                rayon::join(|| waiting.measure(weights, step, sums), || hash(&waiting.labels, |&l| l as i32, hasher));
            let margins = margin.then(|| waiting.margins(step));
            MeasuredRows { labels: waiting.labels, distances, margins }
        };
        match &mut self.output {
            Output::Table(table) => {
                let (ids, measured) = rayon::join(|| table.take_ids(rows), measure);
                table.write(ids?, measured)
            }
            Output::Scratch(scratch) => scratch.write(&measure()),
        }
    }

    /// Hands on the rest; a table is then complete, not yet synced.
    pub fn finish(self) -> Result<LabelSummary> {
        Ok(self.finish_into()?.0)
    }

    /// The same, and what was kept for later.
    pub(crate) fn finish_into(mut self) -> Result<(LabelSummary, Option<Kept>)> {
        self.flush()?;
        let kept = match self.output {
            Output::Table(table) => {
                table.finish()?;
                None
            }
            Output::Scratch(scratch) => Some(scratch.finish()?),
        };
        let DistanceSums { counts, distances, inertia } = self.sums;
        let mean_distance = distances.iter().zip(&counts).map(|(sum, &n)| sum / n.max(1) as f64).collect();
        let labels_blake3 = self.hasher.finalize().to_hex().to_string();
        Ok((LabelSummary { counts, mean_distance, inertia, labels_blake3 }, kept))
    }
}

/// Hashes labels as little-endian i32.
fn hash<T>(labels: &[T], label: impl Fn(&T) -> i32, hasher: &mut blake3::Hasher) {
    let mut bytes = [0; 4096];
    for block in labels.chunks(1024) {
        for (out, one) in bytes.chunks_exact_mut(4).zip(block) {
            out.copy_from_slice(&label(one).to_le_bytes());
        }
        hasher.update(&bytes[..block.len() * 4]);
    }
}

/// A fault while writing: the disk, most likely.
fn write_error(path: &Path, e: &ParquetError) -> Error {
    let io = match e {
        ParquetError::External(inner) => inner.downcast_ref::<std::io::Error>(),
        _ => None,
    };
    match io {
        Some(io) => Error::io("write", path, io),
        None => Error::environment(format!("cannot write {}: {e}", path.display())),
    }
}
