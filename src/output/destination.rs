//! The destination of the labels: the table directly if all rows are one part; otherwise, or if a column depends on
//! other rows, scratch files, which are merged in input order once all parts are labelled.

use std::path::PathBuf;

use super::parts::UnsealedLabels;
use super::scratch::{Kept, LabelScratch};
use super::segments::SegmentTable;
use super::weave::{SegmentNames, weave};
use super::writer::{LabelSummary, Output, WrittenLabels};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::rules::Membership;
use crate::survey::Ride;

/// Creates an empty table of all rows. Each call starts over.
pub(crate) type NewTable<'a> = Box<dyn FnMut() -> Result<SegmentTable<'a>> + 'a>;

/// Collects the labels of all parts into one table.
pub(crate) struct Destination<'a> {
    membership: &'a Membership,
    names: SegmentNames,
    /// Whether labels go to the table as they come.
    is_direct: bool,
    table: NewTable<'a>,
    surveys: &'a mut (dyn Ride + 'a),
    /// The folder for scratch files.
    folder: PathBuf,
    kept: Vec<Kept>,
    whole: Option<UnsealedLabels>,
}

impl<'a> Destination<'a> {
    /// A destination for the parts of `membership`, whose segments have these `names`.
    pub(crate) fn new(
        membership: &'a Membership,
        names: SegmentNames,
        table: NewTable<'a>,
        surveys: &'a mut (dyn Ride + 'a),
        folder: PathBuf,
    ) -> Self {
        let is_direct = membership.is_whole();
        Destination { membership, names, is_direct, table, surveys, folder, kept: Vec::new(), whole: None }
    }

    /// The same, where it is told how unusual rows are, if that is `wanted`: labels wait until all are known.
    pub(crate) fn telling_anomaly(mut self, wanted: bool) -> Self {
        self.is_direct &= !wanted;
        self
    }

    /// The output of a label pass over the next part. Another pass over the same part starts over.
    pub(crate) fn open(&mut self) -> Result<Output<'_>> {
        if !self.is_direct {
            return Ok(Output::Scratch(LabelScratch::new(&self.folder)?));
        }
        self.surveys.start();
        Ok(Output::Table(Box::new((self.table)()?), self.surveys))
    }

    /// Keeps the labels of a part until all parts are labelled.
    pub(crate) fn keep(&mut self, labels: WrittenLabels) {
        match labels {
            WrittenLabels::All(table) => self.whole = Some(table),
            WrittenLabels::Part(kept) => self.kept.push(kept),
        }
    }

    /// Completes the table, except for the footers of its files. Also returns the hash of all labels as little-endian
    /// i32, -1 for rows without a segment. `parts` are the summaries of the parts, in order.
    pub(crate) fn finish(self, parts: &[&LabelSummary], watch: Watch<'_>) -> Result<(String, UnsealedLabels)> {
        let Destination { membership, names, is_direct, mut table, surveys, kept, whole, .. } = self;
        match (parts, whole) {
            ([summary], Some(table)) if is_direct => Ok((summary.labels_blake3.clone(), table)),
            _ if kept.len() != parts.len() => Err(Error::Internal("the labels of a part are missing".into())),
            _ => watch.stage(Stage::Write, membership.rows(), "rows", || {
                surveys.start();
                weave(membership, kept, &names, table()?, surveys, watch)
            }),
        }
    }
}
