//! The table of an earlier version.

use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int64Type};

use super::super::context::{TENURE, damaged};
use crate::error::{Error, Result};
use crate::input::{ColumnStream, Source};
use crate::output::IDENTITY_COLUMN;
use crate::text::parse_date;

pub(super) const FROM: &str = "valid_from";
pub(super) const TO: &str = "valid_to";

/// The key of the days in the footer.
pub(super) const DAYS: &str = "hyades.days";

/// A row of the table: the number of the segment's id, its first day and, unless it is open, the day it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Interval {
    pub(super) segment_id: i64,
    pub(super) from: i32,
    pub(super) to: Option<i32>,
}

/// The table of a version.
pub(super) struct KnownTenure {
    pub(super) source: Source,
    /// The days of which runs were, in order.
    pub(super) days: Vec<i32>,
}

impl KnownTenure {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let source = Source::open(&[path.to_path_buf()])?;
        // Folders such as bank=north above the history are no columns of it.
        let columns = source.columns().iter().filter(|column| !column.is_partition);
        let names: Vec<&str> = columns.skip(1).map(|column| column.name.as_str()).collect();
        if names != [IDENTITY_COLUMN, FROM, TO] {
            return Err(damaged(path, &format!("its columns are {names:?}")));
        }
        let days = source.fact(DAYS).map(|days| days.split(',').map(parse_date).collect::<Option<Vec<f64>>>());
        let days = days.flatten().ok_or_else(|| damaged(path, &format!("its footer has no {DAYS}")))?;
        Ok(KnownTenure { days: days.into_iter().map(|day| day as i32).collect(), source })
    }

    /// The intervals of the next `n` rows of these streams.
    pub(super) fn intervals(streams: &mut [ColumnStream<'_>; 3], n: usize) -> Result<Vec<Interval>> {
        let [segments, from, to] = streams;
        let (segments, from, to) = (segments.take(n)?, from.take(n)?, to.take(n)?);
        let unfit = || Error::input(format!("{TENURE} of the base version has columns of other types"));
        let segments = segments.as_primitive_opt::<Int64Type>().ok_or_else(unfit)?;
        let from = from.as_primitive_opt::<Date32Type>().ok_or_else(unfit)?;
        let to = to.as_primitive_opt::<Date32Type>().ok_or_else(unfit)?;
        let interval = |i: usize| Interval {
            segment_id: segments.value(i),
            from: from.value(i),
            to: to.is_valid(i).then(|| to.value(i)),
        };
        Ok((0..n).map(interval).collect())
    }

    /// The columns of segment, beginning and end, from the first row.
    pub(super) fn streams(&self) -> [ColumnStream<'_>; 3] {
        [1, 2, 3].map(|column| ColumnStream::new(&self.source, column, 4))
    }
}
