//! `migration.parquet`: every customer whose segment changed, whether behaviour or definition changed it, and the
//! features that did.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::base::BaseVersion;
use super::context::MOVERS;
use super::matching::MatchedMonth;
use super::opened::MonthlyJob;
use super::stage::StagedMonth;
use crate::error::{Error, Result};
use crate::input::IdStream;
use crate::job::{Gain, GridRows, RowSegments, TOP};
use crate::migration::MemberPlace;
use crate::model::{Model, PartModel};
use crate::output::{Publication, TableWriter};

/// Why a segment changed. `change`: the old model cannot tell.
const CAUSES: [&str; 3] = ["behaviour", "definition", "change"];
const BEHAVIOUR: usize = 0;
const DEFINITION: usize = 1;
const UNKNOWN: usize = 2;

/// Rows of the input whose movers are explained at a time.
const BATCH: u64 = 1 << 20;

/// A change of one customer.
struct CustomerChange {
    row: u64,
    cause: usize,
    /// Ids; None: no segment.
    from: Option<u64>,
    to: Option<u64>,
    /// The numbers of both segments in the model that tells them apart; None: no model does.
    within: Option<(u32, u32)>,
    gain: Option<(Gain, usize)>,
}

/// The ids of segments by number, and which continue which.
struct SegmentIds {
    before: Vec<u64>,
    now: Vec<u64>,
    successors: Vec<Option<u32>>,
}

/// The table of movers.
pub(super) struct Movers<'a> {
    pub(super) job: &'a MonthlyJob<'a>,
    pub(super) staged: &'a StagedMonth,
    pub(super) matched: &'a MatchedMonth,
    pub(super) base: &'a BaseVersion,
}

impl Movers<'_> {
    /// Writes the table: the id; `cause`; `from` and `to` as `segment_id`, null for no segment; `gain`, by how much the
    /// segment moved to is nearer, in squared grid steps, null where no model has both segments in one part; and the
    /// features that contribute most to the gain, with what they contribute, and `contribution_rest` of all others.
    /// Customers who came or left are not in it.
    pub(super) fn write(&self, id: usize, publication: &Publication) -> Result<()> {
        let labels = &self.staged.labels;
        let mut ids = IdStream::new(labels, id);
        let schema = schema(ids.field().as_ref().clone());
        let mut writer = TableWriter::new(publication.file(MOVERS)?, publication.shown(MOVERS), schema.clone())?;
        let names = self.names();
        // An old model that cannot label the month explains nobody, and may need columns that are gone.
        let old = self.matched.by_old.is_some().then_some(&self.base.model);
        let models: Vec<&Model> = old.into_iter().chain([&self.staged.model]).collect();
        let place = (&self.job.opened.fit.resources, self.staged.output.as_path());
        let rows = GridRows::new(self.job.opened.source.hashed_apart(), &models, place, self.job.watch().quiet())?;
        let segments = SegmentIds {
            before: self.base.identities.ids(),
            now: self.matched.identities.ids(),
            successors: self.matched.identities.successors(&self.base.identities),
        };
        let mut next = 0;
        while next < rows.groups().len() {
            self.job.watch().check()?;
            let groups = rows.batch(next, BATCH);
            next = groups.end;
            let of_batch = rows.rows(&groups);
            let first = of_batch.start;
            let own: ArrayRef = ids.take((of_batch.end - first) as usize)?;
            let mut changes: Vec<CustomerChange> = of_batch.flat_map(|row| self.changes(&segments, row)).collect();
            self.explain(&rows, &groups, &mut changes)?;
            if !changes.is_empty() {
                writer.push(table(&schema, &own, first, &changes, &names)?)?;
            }
        }
        rows.vet_unchanged()?;
        writer.finish().map(drop)
    }

    /// The changes of the customer in a row: none, one or two.
    fn changes(&self, ids: &SegmentIds, row: u64) -> impl Iterator<Item = CustomerChange> + use<> {
        let was = |place: MemberPlace| place.segment().map(|s| ids.before[s as usize]);
        let is = |place: MemberPlace| place.segment().map(|s| ids.now[s as usize]);
        let before = self.matched.before.as_ref().map(|codes| codes.get(row)).filter(|place| place.is_present());
        let now = self.matched.now.get(row);
        // Whoever came did not move.
        let has_come = self.matched.before.is_some() && before.is_none();
        let step = |cause, from, to, within| {
            (from != to).then_some(CustomerChange { row, cause, from, to, within, gain: None })
        };
        let [one, two] = match &self.matched.by_old {
            // A stratum that the old model does not know tells nothing about behaviour.
            Some(by_old) if by_old.get(row).segment().is_none() && now.segment().is_some() => {
                [before.and_then(|before| step(UNKNOWN, was(before), is(now), None)), None]
            }
            Some(by_old) => {
                let by_old = by_old.get(row);
                let id = was(by_old);
                let behaviour =
                    before.and_then(|before| step(BEHAVIOUR, was(before), id, before.segment().zip(by_old.segment())));
                let successor = by_old.segment().and_then(|old| ids.successors[old as usize]);
                let definition = step(DEFINITION, id, is(now), successor.zip(now.segment()));
                [behaviour, definition.filter(|_| !has_come)]
            }
            None => [before.and_then(|before| step(UNKNOWN, was(before), is(now), None)), None],
        };
        one.into_iter().chain(two)
    }

    /// Adds the gains, grid by grid: parts of the old and the new model with one preparation share a reading.
    fn explain(&self, rows: &GridRows, groups: &Range<usize>, changes: &mut [CustomerChange]) -> Result<()> {
        let old = self.base.model.parts.iter().map(|part| (BEHAVIOUR, part));
        let new = self.staged.model.parts.iter().map(|part| (DEFINITION, part));
        let parts: Vec<(usize, &PartModel)> = old.chain(new).collect();
        let mut done = vec![false; parts.len()];
        for first in 0..parts.len() {
            let preparation = &parts[first].1.preparation;
            let shares = |at: &usize| !done[*at] && parts[*at].1.preparation == *preparation;
            let sets: Vec<usize> = (first..parts.len()).filter(shares).collect();
            let (mut at, mut wanted) = (Vec::new(), Vec::new());
            for (i, change) in changes.iter().enumerate() {
                let found = sets.iter().enumerate().find_map(|(set, &part)| {
                    let (cause, model) = parts[part];
                    let (from, to) = within(model, change).filter(|_| change.cause == cause)?;
                    Some((part, RowSegments { row: change.row, set, from, to }))
                });
                if let Some((part, row)) = found {
                    at.push((i, part));
                    wanted.push(row);
                }
            }
            let centroids =
                sets.iter().map(|&part| parts[part].1.fitted.of_kmeans("a monthly run").and_then(|of| of.grid()));
            let centroids = centroids.collect::<Result<Vec<_>>>()?;
            let gains = rows.gains(preparation, &centroids, groups, &wanted, self.job.watch())?;
            at.into_iter().zip(gains).for_each(|((i, part), gain)| changes[i].gain = Some((gain, part)));
            sets.into_iter().for_each(|part| done[part] = true);
        }
        Ok(())
    }

    /// The names of features or components, by part: those of the old model, then those of the new one.
    fn names(&self) -> Vec<Vec<String>> {
        let parts = self.base.model.parts.iter().chain(&self.staged.model.parts);
        let names = parts.map(|part| match &part.preparation.projection {
            None => part.feature_names_in_.clone(),
            Some(_) => (1..=part.preparation.grid_dim()).map(|i| format!("component {i}")).collect(),
        });
        names.collect()
    }
}

/// The numbers of both segments within a part, if they are in it.
fn within(part: &PartModel, change: &CustomerChange) -> Option<(usize, usize)> {
    let segments = part.fitted.segments();
    let number = |segment: u32| (segment as usize).checked_sub(part.first_segment).filter(|&n| n < segments);
    let (from, to) = change.within?;
    Some((number(from)?, number(to)?))
}

fn schema(id: Field) -> SchemaRef {
    let text = |index: DataType| DataType::Dictionary(Box::new(index), Box::new(DataType::Utf8));
    let mut fields = vec![
        id,
        Field::new("cause", text(DataType::Int8), false),
        Field::new("from", DataType::Int64, true),
        Field::new("to", DataType::Int64, true),
        Field::new("gain", DataType::Int64, true),
    ];
    for i in 1..=TOP {
        fields.push(Field::new(format!("feature_{i}"), text(DataType::Int32), true));
        fields.push(Field::new(format!("contribution_{i}"), DataType::Int64, true));
    }
    fields.push(Field::new("contribution_rest", DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

/// What the table is, and its columns besides the id.
pub(super) fn own_columns() -> (&'static str, Vec<String>) {
    let schema = schema(Field::new("id", DataType::Int64, true));
    (MOVERS, schema.fields().iter().skip(1).map(|field| field.name().clone()).collect())
}

/// The rows of some changes. `own` are the ids of the rows from `first` on; `names` those of the features of each part.
fn table(
    schema: &SchemaRef,
    own: &ArrayRef,
    first: u64,
    changes: &[CustomerChange],
    names: &[Vec<String>],
) -> Result<RecordBatch> {
    let fail = |e: arrow::error::ArrowError| Error::Internal(format!("the table of movers: {e}"));
    let at = UInt32Array::from_iter_values(changes.iter().map(|change| (change.row - first) as u32));
    let causes = Int8Array::from_iter_values(changes.iter().map(|change| change.cause as i8));
    let causes = DictionaryArray::try_new(causes, Arc::new(StringArray::from(CAUSES.to_vec()))).map_err(fail)?;
    let id = |id: Option<u64>| id.map(|id| id as i64);
    let gain = |change: &CustomerChange| change.gain.as_ref().map(|(gain, _)| gain.all);
    let mut columns: Vec<ArrayRef> = vec![
        take(own, &at, None).map_err(fail)?,
        Arc::new(causes),
        Arc::new(changes.iter().map(|change| id(change.from)).collect::<Int64Array>()),
        Arc::new(changes.iter().map(|change| id(change.to)).collect::<Int64Array>()),
        Arc::new(changes.iter().map(gain).collect::<Int64Array>()),
    ];
    let starts: Vec<usize> = names
        .iter()
        .scan(0, |next, names| {
            *next += names.len();
            Some(*next - names.len())
        })
        .collect();
    let all: Arc<StringArray> = Arc::new(names.iter().flatten().map(|name| Some(name.as_str())).collect());
    for i in 0..TOP {
        let top = |change: &CustomerChange| {
            let (gain, part) = change.gain.as_ref()?;
            gain.top.get(i).map(|&(feature, contribution)| (starts[*part] + feature, contribution))
        };
        let keys: Int32Array = changes.iter().map(|change| top(change).map(|(name, _)| name as i32)).collect();
        columns.push(Arc::new(DictionaryArray::try_new(keys, all.clone()).map_err(fail)?));
        columns.push(Arc::new(changes.iter().map(|change| top(change).map(|(_, part)| part)).collect::<Int64Array>()));
    }
    let rest = |change: &CustomerChange| change.gain.as_ref().map(|(gain, _)| gain.rest);
    columns.push(Arc::new(changes.iter().map(rest).collect::<Int64Array>()));
    RecordBatch::try_new(schema.clone(), columns).map_err(fail)
}
