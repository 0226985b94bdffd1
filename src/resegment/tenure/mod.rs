//! `history.parquet`: which customer was in which segment, from when to when, over all versions: a slowly changing
//! dimension of the second type.
//!
//! The table says what the last run of each day says, whatever the order of the runs: a run of a day decides where
//! customers were from that day until the next day that the table knows. So the same day again replaces what was said
//! of it, and a backfill leaves later days as they are. The days stand in the footer, since nothing may begin or end on
//! one of them.

mod cohorts;
mod known;
mod standing;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{cast_with_options, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::cohorts::CohortCounts;
pub use self::cohorts::{Cohort, Cohorts};
use self::known::{DAYS, FROM, Interval, KnownTenure, TO};
use self::standing::{LabelledDay, Standing, Window};
use super::base::BaseVersion;
use super::context::{COHORTS, TENURE};
use super::matching::MatchedMonth;
use super::opened::MonthlyJob;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{EXACT_CAST, IdStream, Source};
use crate::output::{IDENTITY_COLUMN, OUTPUT_GROUP_ROWS, Publication, TableWriter};
use crate::text::day;

/// Writes the table of a month, which follows from that of the base version, and `cohorts.json`.
pub(super) fn write(
    job: &MonthlyJob<'_>,
    (labels, id): (&Source, usize),
    matched: &MatchedMonth,
    base: Option<&BaseVersion>,
    publication: &Publication,
) -> Result<()> {
    let path = base.map(|base| base.folder.join(TENURE)).filter(|path| path.is_file());
    let earlier = path.map(|path| KnownTenure::open(&path)).transpose()?;
    let month = LabelledDay {
        labels,
        id,
        // Otherwise the month was refused.
        ids_are_unique: !job.opened.fit.columns.keeps_duplicates(),
        now: &matched.now,
        segment_ids: matched.identities.segments.iter().map(|identity| identity.segment_id as i64).collect(),
        day: job.opened.month.days(),
    };
    let to = (publication.file(TENURE)?, publication.shown(TENURE));
    let cohorts = month.write(earlier.as_ref(), to, job.memory() / 2, job.watch())?;
    publication.text(COHORTS, &cohorts.cohorts(job.opened.fit.output.small_cells()).to_json()?)
}

/// The table of the base version, for a month of which nobody knows whose rows are whose.
pub(super) fn keep(base: &BaseVersion, publication: &Publication) -> Result<()> {
    for name in [TENURE, COHORTS] {
        let path = base.folder.join(name);
        if path.is_file() {
            let mut from = File::open(&path).map_err(|e| Error::io("read", &path, &e))?;
            let mut to = publication.file(name)?;
            std::io::copy(&mut from, &mut to).map_err(|e| Error::io("write", &publication.shown(name), &e))?;
        }
    }
    Ok(())
}

/// What the table is, and its columns besides the id.
pub(super) fn own_columns() -> (&'static str, Vec<String>) {
    (TENURE, [IDENTITY_COLUMN, FROM, TO].map(str::to_owned).to_vec())
}

impl LabelledDay<'_> {
    /// Writes the table with this day in it, and counts who joined when and stayed.
    fn write(
        &self,
        known: Option<&KnownTenure>,
        (file, shown): (File, PathBuf),
        memory: u64,
        watch: Watch<'_>,
    ) -> Result<CohortCounts> {
        let mut days: Vec<i32> = known.map_or_else(Vec::new, |known| known.days.clone());
        days.push(self.day);
        days.sort_unstable();
        days.dedup();
        let next = days.iter().copied().find(|&day| day > self.day);
        let standing = Standing::of(known, self, Window { from: self.day, until: next }, memory, watch)?;
        let mut table = TenureWriter::new(self, (file, shown), CohortCounts::of_days(&days))?;
        if let Some(known) = known {
            self.carry_on(known, &standing, &mut table, watch)?;
        }
        self.begin(&standing, &mut table, watch)?;
        let days: Vec<String> = days.into_iter().map(|at| day(f64::from(at))).collect();
        table.writer.describe(DAYS, days.join(","));
        table.writer.finish()?;
        Ok(table.cohorts)
    }

    /// Copies the rows of the table before, as they stand now.
    fn carry_on(
        &self,
        known: &KnownTenure,
        standing: &Standing,
        table: &mut TenureWriter,
        watch: Watch<'_>,
    ) -> Result<()> {
        let mut streams = known.streams();
        let mut ids = IdStream::new(&known.source, 0);
        let (mut first, rows) = (0, known.source.rows());
        while first < rows {
            watch.check()?;
            let n = (rows - first).min(OUTPUT_GROUP_ROWS as u64) as usize;
            let own = ids.take(n)?;
            let intervals = KnownTenure::intervals(&mut streams, n)?;
            let stand = |(i, interval): (usize, &Interval)| {
                standing.of_row(first + i as u64, *interval).into_iter().flatten().map(move |now| (i as u32, now))
            };
            table.push(&own, intervals.iter().enumerate().flat_map(stand))?;
            first += n as u64;
        }
        Ok(())
    }

    /// Adds rows for customers who are not where a row before has them.
    fn begin(&self, standing: &Standing, table: &mut TenureWriter, watch: Watch<'_>) -> Result<()> {
        let mut ids = IdStream::new(self.labels, self.id);
        let (mut first, rows) = (0, self.labels.rows());
        while first < rows {
            watch.check()?;
            let n = (rows - first).min(OUTPUT_GROUP_ROWS as u64) as usize;
            let own = ids.take(n)?;
            let begins = |i: usize| {
                let segment = self.now.get(first + i as u64).segment().filter(|_| standing.begins(first + i as u64))?;
                let (segment_id, to) = (self.segment_ids[segment as usize], standing.window().until);
                Some((i as u32, Interval { segment_id, from: self.day, to }))
            };
            table.push(&own, (0..n).filter_map(begins))?;
            first += n as u64;
        }
        Ok(())
    }
}

/// The table while it is written.
struct TenureWriter {
    schema: SchemaRef,
    writer: TableWriter,
    cohorts: CohortCounts,
}

impl TenureWriter {
    fn new(month: &LabelledDay<'_>, (file, shown): (File, PathBuf), cohorts: CohortCounts) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![
            IdStream::new(month.labels, month.id).field().clone(),
            Field::new(IDENTITY_COLUMN, DataType::Int64, false),
            Field::new(FROM, DataType::Date32, false),
            Field::new(TO, DataType::Date32, true),
        ]));
        let writer = TableWriter::new(file, shown, schema.clone())?;
        Ok(TenureWriter { schema, writer, cohorts })
    }

    /// Writes rows; each has the place of its id in `ids`.
    fn push(&mut self, ids: &ArrayRef, rows: impl Iterator<Item = (u32, Interval)>) -> Result<()> {
        let fail = |e: arrow::error::ArrowError| Error::Internal(format!("the table of tenure: {e}"));
        let (at, rows): (Vec<u32>, Vec<Interval>) = rows.unzip();
        if rows.is_empty() {
            return Ok(());
        }
        self.cohorts.add(&rows);
        let ids = take(ids, &UInt32Array::from(at), None).map_err(fail)?;
        let (was, is) = (ids.data_type(), self.schema.field(0).data_type());
        let ids = cast_with_options(&ids, is, &EXACT_CAST).map_err(|e| {
            let text = format!("the ids of the earlier version are {was}, those of now {is}: {e}; store them alike");
            Error::input(text).of_columns([self.schema.field(0).name()])
        })?;
        let columns: Vec<ArrayRef> = vec![
            ids,
            Arc::new(rows.iter().map(|row| Some(row.segment_id)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.from)).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|row| row.to).collect::<Date32Array>()),
        ];
        self.writer.push(RecordBatch::try_new(self.schema.clone(), columns).map_err(fail)?)
    }
}
