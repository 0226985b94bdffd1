//! Measures, hashes and writes labelled rows, one row group at a time.

use super::OUTPUT_GROUP_ROWS;
use super::distances::DistanceCounts;
use super::measure::{LabelSums, MeasuredRows, WaitingRows};
use super::parts::UnsealedLabels;
use super::scratch::{Kept, LabelScratch};
use super::segments::SegmentTable;
use crate::backend::{Labels, RowPosterior};
use crate::drift::KeyedCounts;
use crate::error::Result;
use crate::simd::Dispatch;
use crate::survey::{Ride, Segment};

/// Measures labelled rows as they arrive, and passes them on in groups.
pub(crate) struct LabelWriter<'a> {
    output: Output<'a>,
    weights: Option<&'a [u32]>,
    /// By micro-segment, its segment, if labels are those of micro-segments.
    segment_of: Option<&'a [u32]>,
    has_posteriors: bool,
    step: f64,
    next_row: u64,
    margin: bool,
    simd: Dispatch,
    waiting: WaitingRows,
    sums: LabelSums,
    /// None: they are not counted.
    squared: Option<DistanceCounts>,
    hasher: blake3::Hasher,
}

/// Where measured rows go.
pub(crate) enum Output<'a> {
    /// To the table of all rows, and to the surveys of the same pass.
    Table(Box<SegmentTable<'a>>, &'a mut (dyn Ride + 'a)),
    /// To a file for one stratum's rows.
    Scratch(LabelScratch),
}

/// Labels after a pass.
pub(crate) enum WrittenLabels {
    /// Those of all rows, which lack only the footers of their files.
    All(UnsealedLabels),
    /// Those of a stratum.
    Part(Kept),
}

/// Summary of the written labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSummary {
    /// Rows by segment.
    pub counts: Vec<u64>,
    /// Mean distance by segment, in scaled units; 0 for an empty segment.
    pub mean_distance: Vec<f64>,
    /// Exact weighted sum of squared distances, in squared grid steps.
    pub inertia: u128,
    /// The unit of distances that are whole numbers, in scaled units: a step of the grid.
    pub unit: f64,
    /// Squared distances, in squared grid steps: how many rows have which.
    pub squared: KeyedCounts,
    /// blake3 of the labels as little-endian i32 in row order.
    pub labels_blake3: String,
}

impl<'a> LabelWriter<'a> {
    /// A writer for `k` segments. `weights` are the rows' integer weights, if they have any; `step` is the grid's.
    pub(crate) fn new(output: Output<'a>, weights: Option<&'a [u32]>, k: usize, step: f64, margin: bool) -> Self {
        LabelWriter {
            output,
            weights,
            segment_of: None,
            has_posteriors: false,
            step,
            next_row: 0,
            margin,
            simd: Dispatch::default(),
            waiting: WaitingRows::default(),
            sums: LabelSums::empty(k),
            squared: Some(DistanceCounts::new()),
            hasher: blake3::Hasher::new(),
        }
    }

    /// The same, counting distances only if they are wanted.
    pub(crate) fn counting_distances(mut self, wanted: bool) -> Self {
        self.squared = self.squared.filter(|_| wanted);
        self
    }

    /// The same, for labels that are micro-segments: `segment_of` has the segment of each.
    pub(crate) fn of_micro(mut self, segment_of: Option<&'a [u32]>) -> Self {
        self.segment_of = segment_of;
        self
    }

    /// The same, for labels that have posteriors, or have none.
    pub(crate) fn with_posteriors(mut self, has_posteriors: bool) -> Self {
        self.has_posteriors = has_posteriors;
        self
    }

    /// Appends labels, which must directly follow the previous ones.
    pub(crate) fn push(&mut self, labels: &Labels) -> Result<()> {
        self.push_with(labels, &[])
    }

    /// The same, with the rows' posteriors, if they have any.
    pub(crate) fn push_with(&mut self, labels: &Labels, posteriors: &[RowPosterior]) -> Result<()> {
        let mut from = 0;
        while from < labels.labels.len() {
            let to = labels.labels.len().min(from + OUTPUT_GROUP_ROWS - self.waiting.len());
            let new = &labels.labels[from..to];
            match self.segment_of {
                None => self.waiting.labels.extend_from_slice(new),
                Some(segment_of) => {
                    self.waiting.labels.extend(new.iter().map(|&micro| segment_of[micro as usize]));
                    self.waiting.micro.extend_from_slice(new);
                }
            }
            if self.has_posteriors {
                self.waiting.posteriors.extend_from_slice(&posteriors[from..to]);
            }
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

    /// Passes on the waiting rows as a row group: measured and hashed while ids are decoded.
    fn flush(&mut self) -> Result<()> {
        let waiting = &self.waiting;
        let (rows, first_row) = (waiting.len(), self.next_row);
        if rows == 0 {
            return Ok(());
        }
        self.next_row += rows as u64;
        let weights = self.weights.map(|w| &w[first_row as usize..][..rows]);
        let (step, margin, simd) = (self.step, self.margin, self.simd);
        let (has_micro, has_posteriors) = (self.segment_of.is_some(), self.has_posteriors);
        let (sums, hasher, squared) = (&mut self.sums, &mut self.hasher, &mut self.squared);
        let segments: Vec<Segment> = waiting.labels.iter().map(|&label| Segment::new(label)).collect();
        let mut measure = || {
            let count = || squared.iter_mut().for_each(|squared| squared.add(&waiting.distance2));
            let measured = || rayon::join(|| waiting.measure(weights, step, sums, simd), count).0;
            let (distances, ()) = rayon::join(measured, || hash(&segments, hasher));
            let micro = has_micro.then(|| waiting.micro.clone());
            let posteriors = has_posteriors.then(|| waiting.posteriors.clone());
            MeasuredRows { distances, margins: margin.then(|| waiting.margins(step)), micro, posteriors }
        };
        match &mut self.output {
            Output::Table(table, surveys) => {
                let (own, measured) = rayon::join(|| table.take_own(rows), measure);
                let own = own?;
                let (written, seen) = rayon::join(|| table.write(own, &segments, measured), || surveys.see(&segments));
                written.and(seen)?;
            }
            Output::Scratch(scratch) => {
                let measured = measure();
                scratch.write(&segments, &measured)?;
            }
        }
        self.waiting.clear();
        Ok(())
    }

    /// Passes on the remaining rows. Also returns the table, or the labels kept for it.
    pub(crate) fn finish(mut self) -> Result<(LabelSummary, WrittenLabels)> {
        self.flush()?;
        let kept = match self.output {
            Output::Table(table, _) => WrittenLabels::All(table.finish()?),
            Output::Scratch(scratch) => WrittenLabels::Part(scratch.finish()?),
        };
        let mean_distance = self.sums.mean_distances(self.step);
        let LabelSums { counts, inertia, .. } = self.sums;
        let labels_blake3 = self.hasher.finalize().to_hex().to_string();
        let squared = self.squared.unwrap_or_else(DistanceCounts::new).finish();
        Ok((LabelSummary { counts, mean_distance, inertia, unit: self.step, squared, labels_blake3 }, kept))
    }
}

/// Hashes segments as little-endian i32, -1 for rows without one.
pub(super) fn hash(segments: &[Segment], hasher: &mut blake3::Hasher) {
    let mut bytes = [0; 4096];
    for block in segments.chunks(1024) {
        for (out, one) in bytes.chunks_exact_mut(4).zip(block) {
            out.copy_from_slice(&one.code().to_le_bytes());
        }
        hasher.update(&bytes[..block.len() * 4]);
    }
}
