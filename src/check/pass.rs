//! The single pass: waves of row groups across threads, and within a row group all columns batch by batch.
//!
//! Memory holds one batch of every column for each active row group, and the counts of one wave: it grows with the
//! columns and the threads, not with the rows (except 16 bytes per row when looking for duplicate rows). Row groups are
//! merged in file order regardless of when they finish, so the result does not depend on the threads.

use rayon::prelude::*;

use super::across::{Centred, MOST_COLUMNS, Pairs};
use super::class::Class;
use super::piece::Piece;
use super::profile::{ColumnLimits, ColumnShape, Profile};
use super::rows::{ROW_BYTES, RowSums};
use super::sample::{ROWS, RowSample};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::{BATCH_ROWS, ColumnReader, Order, RowGroup, Source, fault};
use crate::simd::Dispatch;

/// The result of the pass.
pub(super) struct PassOutcome {
    pub(super) profiles: Vec<Profile>,
    /// Correlations of the columns in `paired`, by position there; None if there are too many columns.
    pub(super) pairs: Option<Pairs>,
    /// The number columns, as positions in the input.
    pub(super) paired: Vec<usize>,
    /// A hash of each row, in any order; None if they need too much memory.
    pub(super) rows: Option<Vec<u128>>,
}

/// The parameters for reading a row group.
struct PassPlan<'a> {
    source: &'a Source,
    shapes: Vec<ColumnShape>,
    paired: Vec<usize>,
    pairs: bool,
    /// The column to ignore when rows are compared; None: rows are not compared.
    rows_without: Option<Option<usize>>,
    limits: &'a [ColumnLimits],
    sample: RowSample,
    simd: Dispatch,
    watch: Watch<'a>,
}

/// The counts of one row group, or of all row groups up to one.
struct PassPart {
    profiles: Vec<Profile>,
    pairs: Pairs,
    rows: Vec<u128>,
}

/// Reads the whole input. `id` is ignored when rows are compared, which happens if their hashes fit into half of
/// `memory` bytes. `limits` are counted for the expectations of each column.
///
/// # Errors
/// A column chunk that cannot be decoded; [`Error::Interrupted`](crate::Error::Interrupted).
pub(super) fn pass(
    source: &Source,
    id: Option<usize>,
    limits: &[ColumnLimits],
    memory: u64,
    watch: Watch<'_>,
) -> Result<PassOutcome> {
    let shapes: Vec<ColumnShape> = source.columns().iter().map(ColumnShape::of).collect();
    let paired: Vec<usize> = (0..shapes.len()).filter(|&c| shapes[c].class == Class::Number).collect();
    let compared = source.rows().saturating_mul(ROW_BYTES) <= memory / 2;
    let plan = PassPlan {
        source,
        pairs: paired.len() <= MOST_COLUMNS,
        paired,
        rows_without: compared.then_some(id),
        limits,
        sample: RowSample::of(source.rows(), ROWS),
        simd: Dispatch::default(),
        watch,
        shapes,
    };
    let mut total = plan.part(0);
    if compared {
        total.rows.reserve_exact(source.rows() as usize);
    }
    watch.stage(Stage::Check, source.rows(), "rows", || {
        let all: Vec<usize> = (0..source.columns().len()).collect();
        let _ahead = source.ahead(source.row_groups(), &all, Order::Together(rayon::current_num_threads()));
        // Two row groups per thread: few enough to hold, and enough that a slow one does not leave the others idle.
        for wave in source.row_groups().chunks(2 * rayon::current_num_threads()) {
            let parts: Vec<PassPart> =
                wave.par_iter().with_max_len(1).map(|&group| plan.read(group)).collect::<Result<_>>()?;
            parts.into_iter().for_each(|part| total.merge(part));
        }
        Ok(())
    })?;
    let PassPart { profiles, pairs, rows } = total;
    Ok(PassOutcome {
        profiles,
        pairs: plan.pairs.then_some(pairs),
        paired: plan.paired,
        rows: compared.then_some(rows),
    })
}

/// A column being read in a row group.
struct ColumnPass<'a> {
    at: usize,
    shape: ColumnShape,
    /// None if the file does not have the column.
    reader: Option<ColumnReader<'a>>,
    profile: Profile,
    piece: Piece,
    centred: Option<Centred>,
}

impl PassPlan<'_> {
    fn part(&self, rows: usize) -> PassPart {
        PassPart {
            profiles: self.shapes.iter().map(|&shape| Profile::new(shape)).collect(),
            pairs: Pairs::new(if self.pairs { self.paired.len() } else { 0 }),
            rows: Vec::with_capacity(rows),
        }
    }

    fn read(&self, group: RowGroup) -> Result<PassPart> {
        let mut part = self.part(if self.rows_without.is_some() { group.rows as usize } else { 0 });
        let mut columns: Vec<ColumnPass<'_>> = std::mem::take(&mut part.profiles)
            .into_par_iter()
            .enumerate()
            .map(|(at, profile)| self.open(group, at, profile))
            .collect::<Result<_>>()?;
        let mut sums = RowSums::default();
        let mut done = 0;
        while done < group.rows {
            self.watch.check()?;
            let rows = (group.rows - done).min(BATCH_ROWS as u64) as usize;
            let picked = self.sample.positions(group.first_row + done, rows);
            columns.par_iter_mut().with_max_len(1).try_for_each(|column| self.advance(column, group, rows, &picked))?;
            if self.pairs {
                let centred: Vec<Centred> = columns.iter_mut().filter_map(|c| c.centred.take()).collect();
                part.pairs.push(&centred, self.simd);
            }
            if let Some(left_out) = self.rows_without {
                sums.start(rows);
                let compared = columns.iter().filter(|c| Some(c.at) != left_out);
                compared.for_each(|c| sums.add(c.at, &c.piece, self.simd));
                sums.finish(&mut part.rows);
            }
            done += rows as u64;
            self.watch.advance(Stage::Check, rows as u64);
        }
        part.profiles = columns.into_iter().map(|c| c.profile).collect();
        Ok(part)
    }

    fn open(&self, group: RowGroup, at: usize, profile: Profile) -> Result<ColumnPass<'_>> {
        let there = self.source.has(group, at);
        let reader = there.then(|| ColumnReader::open(self.source, group, at)).transpose()?;
        Ok(ColumnPass { at, shape: self.shapes[at], reader, profile, piece: Piece::default(), centred: None })
    }

    /// Reads and counts the next `rows` of a column.
    fn advance(&self, column: &mut ColumnPass<'_>, group: RowGroup, rows: usize, picked: &[u32]) -> Result<()> {
        let ColumnPass { at, shape, reader, profile, piece, centred } = column;
        let wrong = |why: &str| fault(self.source, group, *at, why);
        if let Some(reader) = reader {
            let array = reader.next_array()?.ok_or_else(|| wrong("it ends before the row group"))?;
            if array.len() != rows {
                return Err(wrong(&format!("it has a batch of {} rows where {rows} are due", array.len())));
            }
            if shape.take(&array, piece).map_err(|why| wrong(&why))? {
                profile.push(piece, picked, &self.limits[*at], self.simd);
            } else {
                profile.mistyped += rows as u64;
            }
        } else {
            piece.absent(rows);
            profile.absent += rows as u64;
        }
        if self.pairs && shape.class == Class::Number {
            *centred = Some(Centred::of(&piece.values, piece.gaps, self.simd));
        }
        Ok(())
    }
}

impl PassPart {
    fn merge(&mut self, later: PassPart) {
        for (mine, theirs) in self.profiles.iter_mut().zip(later.profiles) {
            mine.merge(theirs);
        }
        self.pairs.merge(&later.pairs);
        self.rows.extend_from_slice(&later.rows);
    }
}
