//! Runs surveys of any type over the rows of a source.

use arrow::array::{Array, ArrayRef};
use rayon::prelude::*;

use super::{Labelled, Segment, Survey};
use crate::error::Result;
use crate::input::{ColumnStream, Source};

/// A survey with its type erased, for the writer of labels.
pub(crate) trait Ride: Send {
    /// Starts over at the first row.
    fn start(&mut self);

    /// Adds the next rows, which have these segments.
    fn see(&mut self, segments: &[Segment]) -> Result<()>;
}

/// A survey and the columns that it reads.
pub(crate) struct Riding<'a, S: Survey> {
    survey: S,
    source: &'a Source,
    streams: Vec<ColumnStream<'a>>,
    seen: S::Seen,
}

impl<'a, S: Survey> Riding<'a, S> {
    /// Reads nothing until it starts.
    pub(crate) fn new(survey: S, source: &'a Source) -> Self {
        let seen = survey.nothing();
        Riding { survey, source, streams: Vec::new(), seen }
    }

    /// The survey and its counts.
    pub(crate) fn finish(self) -> (S, S::Seen) {
        (self.survey, self.seen)
    }

    /// The next rows that all columns have available, at most `rows`.
    fn next(&mut self, rows: usize) -> Result<(usize, Vec<ArrayRef>)> {
        let taken = self.streams.par_iter_mut().with_max_len(1).map(|stream| stream.next(rows));
        let mut arrays: Vec<ArrayRef> = taken.collect::<Result<_>>()?;
        let here = arrays.iter().map(|array| array.len()).min().unwrap_or(rows);
        for (array, stream) in arrays.iter_mut().zip(&mut self.streams) {
            if array.len() > here {
                stream.put_back(array.slice(here, array.len() - here));
                *array = array.slice(0, here);
            }
        }
        Ok((here, arrays))
    }
}

impl<S: Survey> Ride for Riding<'_, S> {
    fn start(&mut self) {
        let columns = self.survey.columns();
        // The ids are read at the same time.
        let side_by_side = 1 + columns.len();
        self.streams = columns.into_iter().map(|c| ColumnStream::new(self.source, c, side_by_side)).collect();
        self.seen = self.survey.nothing();
    }

    fn see(&mut self, segments: &[Segment]) -> Result<()> {
        let mut rest = segments;
        while !rest.is_empty() {
            let (rows, columns) = self.next(rest.len())?;
            let (now, later) = rest.split_at(rows);
            self.survey.see(&Labelled { segments: now, columns: &columns }, &mut self.seen)?;
            rest = later;
        }
        Ok(())
    }
}

/// The surveys of one pass.
#[derive(Default)]
pub(crate) struct Riders<'r>(Vec<&'r mut dyn Ride>);

impl<'r> Riders<'r> {
    /// Adds a survey.
    pub(crate) fn push(&mut self, survey: &'r mut dyn Ride) {
        self.0.push(survey);
    }
}

impl Ride for Riders<'_> {
    fn start(&mut self) {
        self.0.iter_mut().for_each(|ride| ride.start());
    }

    fn see(&mut self, segments: &[Segment]) -> Result<()> {
        self.0.iter_mut().try_for_each(|ride| ride.see(segments))
    }
}
