//! How many row groups are tagged at a time, so that they fit the memory.

use super::book::TagBook;
use crate::error::{Error, ErrorKind, Result};
use crate::input::Source;
use crate::job::{DECODER, FIXED, MIB};
use crate::output::OUTPUT_GROUP_ROWS;
use crate::profile::EXACT_ROWS;

/// What a run holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TagPlan {
    /// Row groups at a time.
    pub(super) at_a_time: usize,
    /// Bytes for the tags of an earlier run.
    pub(super) earlier: u64,
}

impl TagPlan {
    /// The plan of tagging `source`, whose conditions read so many `columns`, in `budget` bytes.
    ///
    /// # Errors
    /// Too little memory for one row group.
    pub(super) fn new(source: &Source, book: &TagBook, columns: usize, budget: u64) -> Result<Self> {
        let conditions = (book.tags.len() + book.stages.len()) as u64;
        let rows = source.row_groups().iter().map(|group| group.rows).max().unwrap_or(0);
        // Two bits for each condition, in batches, together, and where it is true; values of a column, or rows of tags.
        let group = columns as u64 * DECODER + rows * (24 + conditions * 3 / 4);
        let output = source.rows().min(OUTPUT_GROUP_ROWS as u64) * (48 + conditions);
        let common = FIXED + output + 16 * source.rows().min(EXACT_ROWS);
        let smallest = common + group + MIB;
        if budget < smallest {
            let (needed, limit) = (smallest.div_ceil(MIB), budget / MIB);
            return Err(Error::environment(format!(
                "row groups of {rows} rows and {conditions} conditions need at least {needed} MiB of memory, but the \
                 limit is {limit} MiB; raise --memory to {needed}MiB or more, or write the input in smaller row groups"
            ))
            .of_kind(ErrorKind::Memory)
            .of_option("--memory"));
        }
        let earlier = ((budget - smallest) / 4).max(MIB);
        let most = (budget - common - earlier) / group.max(1);
        Ok(TagPlan { at_a_time: (most.max(1) as usize).min(rayon::current_num_threads()), earlier })
    }
}
