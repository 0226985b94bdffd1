//! `migration.parquet`: every customer whose segment changed, and whether behaviour or definition changed it.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int8Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};

use super::base::BaseVersion;
use super::context::MOVERS;
use super::matching::MatchedMonth;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{IdStream, Source};
use crate::migration::MemberPlace;
use crate::output::{OUTPUT_GROUP_ROWS, Publication, TableWriter};

/// Why a segment changed. `change`: the old model cannot tell.
const CAUSES: [&str; 3] = ["behaviour", "definition", "change"];

/// A change of one customer: the row, the cause, and the ids from and to.
struct CustomerChange {
    row: u32,
    cause: i8,
    from: Option<u64>,
    to: Option<u64>,
}

/// Writes the table: `id`, `cause`, `from` and `to` as `segment_id`, null for no segment. Customers who came or left
/// are not in it.
pub(super) fn write(
    labels: &Source,
    id: usize,
    matched: &MatchedMonth,
    base: &BaseVersion,
    publication: &Publication,
    watch: Watch<'_>,
) -> Result<()> {
    let mut ids = IdStream::new(labels, id);
    let cause = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let schema = Arc::new(Schema::new(vec![
        ids.field().clone(),
        Field::new("cause", cause, false),
        Field::new("from", DataType::Int64, true),
        Field::new("to", DataType::Int64, true),
    ]));
    let mut writer = TableWriter::new(publication.file(MOVERS)?, publication.shown(MOVERS), schema.clone())?;
    let causes = Arc::new(StringArray::from(CAUSES.to_vec()));
    let fail = |e: arrow::error::ArrowError| Error::Internal(format!("the table of movers: {e}"));
    let (mut first, rows) = (0, labels.rows());
    while first < rows {
        watch.check()?;
        let n = (rows - first).min(OUTPUT_GROUP_ROWS as u64) as usize;
        let own: ArrayRef = ids.take(n)?;
        let changes: Vec<CustomerChange> =
            (0..n as u32).flat_map(|row| changes(first + u64::from(row), row, matched, base)).collect();
        first += n as u64;
        if changes.is_empty() {
            continue;
        }
        let at = UInt32Array::from_iter_values(changes.iter().map(|change| change.row));
        let keys = Int8Array::from_iter_values(changes.iter().map(|change| change.cause));
        let number = |id: Option<u64>| id.map(|id| id as i64);
        let columns: Vec<ArrayRef> = vec![
            take(&own, &at, None).map_err(fail)?,
            Arc::new(DictionaryArray::try_new(keys, causes.clone()).map_err(fail)?),
            Arc::new(changes.iter().map(|change| number(change.from)).collect::<Int64Array>()),
            Arc::new(changes.iter().map(|change| number(change.to)).collect::<Int64Array>()),
        ];
        writer.push(RecordBatch::try_new(schema.clone(), columns).map_err(fail)?)?;
    }
    writer.finish().map(drop)
}

/// The changes of the customer in row `at`: none, one or two.
fn changes(at: u64, row: u32, matched: &MatchedMonth, base: &BaseVersion) -> impl Iterator<Item = CustomerChange> {
    let was = |place: MemberPlace| place.segment().map(|segment| base.identities.segments[segment as usize].segment_id);
    let is =
        |place: MemberPlace| place.segment().map(|segment| matched.identities.segments[segment as usize].segment_id);
    let before = matched.before.as_ref().map(|codes| codes.get(at)).filter(|place| place.is_present());
    let now = is(matched.now.get(at));
    let step = |cause, from, to| (from != to).then_some(CustomerChange { row, cause, from, to });
    let [one, two] = match &matched.by_old {
        Some(by_old) => {
            let by_old = was(by_old.get(at));
            [before.and_then(|before| step(0, was(before), by_old)), step(1, by_old, now)]
        }
        None => [before.and_then(|before| step(2, was(before), now)), None],
    };
    one.into_iter().chain(two)
}
