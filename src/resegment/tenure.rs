//! `history.parquet`: which customer was in which segment, from when to when, over all versions: a slowly changing
//! dimension of the second type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Date32Type, Field, Int64Type, Schema, SchemaRef};

use super::base::BaseVersion;
use super::context::{MonthlyJob, TENURE, damaged};
use super::matching::MatchedMonth;
use crate::error::{Error, Result};
use crate::input::{ColumnStream, IdStream, Source};
use crate::migration::{LabelTable, MemberPlace, RowCodes, earlier_places};
use crate::output::{IDENTITY_COLUMN, OUTPUT_GROUP_ROWS, Publication, TableWriter};

const FROM: &str = "valid_from";
const TO: &str = "valid_to";

/// Writes the table: the rows of the base version's, some of which end now, and then those that begin now.
pub(super) fn write(
    job: &MonthlyJob<'_>,
    (labels, id): (&Source, usize),
    matched: &MatchedMonth,
    base: Option<&BaseVersion>,
    publication: &Publication,
) -> Result<()> {
    let name = &labels.columns()[id].name;
    let ids = IdStream::new(labels, id);
    let schema = Arc::new(Schema::new(vec![
        ids.field().clone(),
        Field::new(IDENTITY_COLUMN, DataType::Int64, false),
        Field::new(FROM, DataType::Date32, false),
        Field::new(TO, DataType::Date32, true),
    ]));
    let mut writer = TableWriter::new(publication.file(TENURE)?, publication.shown(TENURE), schema.clone())?;
    let earlier = base.map(|base| base.folder.join(TENURE)).filter(|path| path.is_file());
    if let Some(path) = earlier {
        let source = Source::open(&[path])?;
        let table = EarlierTenure::new(&source, name, labels, matched, job)?;
        table.copy(&schema, &mut writer, job)?;
    }
    begin(job, ids, (matched, base), &schema, &mut writer)?;
    writer.finish().map(drop)
}

/// The table of the base version.
struct EarlierTenure<'a> {
    source: &'a Source,
    /// The columns of id, segment, beginning and end.
    columns: [usize; 4],
    /// Where each row's customer is now.
    now: RowCodes,
    matched: &'a MatchedMonth,
}

impl<'a> EarlierTenure<'a> {
    fn new(
        source: &'a Source,
        id: &str,
        labels: &Source,
        matched: &'a MatchedMonth,
        job: &MonthlyJob<'_>,
    ) -> Result<Self> {
        let path = source.files().first().map(|file| file.path.clone()).unwrap_or_default();
        let find =
            |name: &str| source.position(name).ok_or_else(|| damaged(&path, &format!("it lacks the column {name:?}")));
        let columns = [find(id)?, find(IDENTITY_COLUMN)?, find(FROM)?, find(TO)?];
        let here = LabelTable::new(labels, id)?;
        let rows = LabelTable { source, id: columns[0], segment: columns[1] };
        let segments = matched.identities.segments.len();
        let now = earlier_places(here, rows, segments, job.memory() / 2, job.watch())?.places;
        Ok(EarlierTenure { source, columns, now, matched })
    }

    /// Copies all rows; those that are open end now, unless the customer is still in the segment. One that began on
    /// the same day and ends is dropped: it never was.
    fn copy(&self, schema: &SchemaRef, writer: &mut TableWriter, job: &MonthlyJob<'_>) -> Result<()> {
        let today = job.month.days();
        let mut streams = self.columns.map(|column| ColumnStream::new(self.source, column, 4));
        let (mut first, rows) = (0, self.source.rows());
        while first < rows {
            job.watch().check()?;
            let n = (rows - first).min(OUTPUT_GROUP_ROWS as u64) as usize;
            let [ids, segments, from, to] = &mut streams;
            let (ids, segments, from, to) = (ids.take(n)?, segments.take(n)?, from.take(n)?, to.take(n)?);
            let unfit = || Error::input(format!("{TENURE} of the base version has columns of other types"));
            let numbers = segments.as_primitive_opt::<Int64Type>().ok_or_else(unfit)?;
            let begins = from.as_primitive_opt::<Date32Type>().ok_or_else(unfit)?;
            let until = to.as_primitive_opt::<Date32Type>().ok_or_else(unfit)?;
            let stays = |i: usize| self.identity(self.now.get(first + i as u64)) == Some(numbers.value(i));
            let is_open = |i: usize| until.is_null(i);
            let end = |i: usize| match is_open(i) {
                true => (!stays(i)).then_some(today),
                false => Some(until.value(i)),
            };
            let ends: Date32Array = (0..n).map(end).collect();
            let kept: BooleanArray =
                (0..n).map(|i| Some(!(is_open(i) && !stays(i) && begins.value(i) >= today))).collect();
            push(schema, vec![ids, segments.clone(), from.clone(), Arc::new(ends)], &kept, writer)?;
            first += n as u64;
        }
        Ok(())
    }

    fn identity(&self, place: MemberPlace) -> Option<i64> {
        let segments = &self.matched.identities.segments;
        place.segment().map(|segment| segments[segment as usize].segment_id as i64)
    }
}

/// Adds rows for customers who are in another segment than in the base version, or were in none.
fn begin(
    job: &MonthlyJob<'_>,
    mut ids: IdStream<'_>,
    (matched, base): (&MatchedMonth, Option<&BaseVersion>),
    schema: &SchemaRef,
    writer: &mut TableWriter,
) -> Result<()> {
    let is = |row: u64| matched.now.get(row).segment().map(|s| matched.identities.segments[s as usize].segment_id);
    let was = |row: u64| {
        let place = matched.before.as_ref()?.get(row).segment()?;
        base.map(|base| base.identities.segments[place as usize].segment_id)
    };
    let (mut first, rows) = (0, matched.now.rows());
    while first < rows {
        job.watch().check()?;
        let n = (rows - first).min(OUTPUT_GROUP_ROWS as u64) as usize;
        let own = ids.take(n)?;
        let at = |i: usize| first + i as u64;
        let begins: BooleanArray =
            (0..n).map(|i| Some(own.is_valid(i) && is(at(i)).is_some() && was(at(i)) != is(at(i)))).collect();
        let segments: Int64Array = (0..n).map(|i| Some(is(at(i)).unwrap_or(0) as i64)).collect();
        let from: ArrayRef = Arc::new(Date32Array::from_value(job.month.days(), n));
        let to: ArrayRef = Arc::new(Date32Array::new_null(n));
        push(schema, vec![own, Arc::new(segments), from, to], &begins, writer)?;
        first += n as u64;
    }
    Ok(())
}

fn push(schema: &SchemaRef, columns: Vec<ArrayRef>, kept: &BooleanArray, writer: &mut TableWriter) -> Result<()> {
    let fail = |e: arrow::error::ArrowError| Error::Internal(format!("the table of tenure: {e}"));
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast_to = |(column, field): (ArrayRef, &Arc<Field>)| cast_with_options(&column, field.data_type(), &options);
    let columns: Vec<ArrayRef> =
        columns.into_iter().zip(schema.fields()).map(cast_to).collect::<Result<_, _>>().map_err(fail)?;
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(fail)?;
    let kept = filter_record_batch(&batch, kept).map_err(fail)?;
    if kept.num_rows() > 0 { writer.push(kept) } else { Ok(()) }
}
