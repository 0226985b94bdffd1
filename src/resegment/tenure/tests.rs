use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use arrow::array::{AsArray, Int32Array, StringArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::migration::LabelTable;

/// Where customers were, by day.
type Days = BTreeMap<i32, BTreeMap<i64, u32>>;
/// id, segment_id, from, to.
type Row = (i64, i64, i32, Option<i32>);

/// The rows that the days say, the last run of each.
fn expected(days: &Days) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    let mut open: BTreeMap<i64, (u32, i32)> = BTreeMap::new();
    for (day, places) in days {
        open.retain(|id, (segment, from)| {
            let stays = places.get(id) == Some(segment);
            if !stays {
                rows.insert((*id, i64::from(*segment) + 1, *from, Some(*day)));
            }
            stays
        });
        for (id, segment) in places {
            open.entry(*id).or_insert((*segment, *day));
        }
    }
    rows.extend(open.into_iter().map(|(id, (segment, from))| (id, i64::from(segment) + 1, from, None)));
    rows
}

/// Cohorts, customer by customer.
fn joined(days: &Days) -> BTreeMap<(u64, String), (Option<u64>, Vec<Option<u64>>)> {
    let all: Vec<(&i32, &BTreeMap<i64, u32>)> = days.iter().collect();
    let mut found = BTreeMap::new();
    for (at, (first, places)) in all.iter().enumerate() {
        for (id, segment) in places.iter() {
            let is_in = |at: usize| all[at].1.get(id) == Some(segment);
            if at > 0 && is_in(at - 1) {
                continue;
            }
            let name = (u64::from(*segment) + 1, day(f64::from(**first)));
            let (customers, staying) = found.entry(name).or_insert((Some(0), vec![Some(0); all.len() - at - 1]));
            *customers = customers.map(|n| n + 1);
            let later = (at + 1..all.len()).zip(staying).take_while(|(later, _)| is_in(*later));
            later.for_each(|(_, count)| *count = count.map(|n| n + 1));
        }
    }
    found
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn labels(&self, rows: &[(Option<i64>, Option<u32>)], text: bool) -> Source {
        let ids = rows.iter().map(|(id, _)| *id);
        let ids: ArrayRef = match text {
            true => Arc::new(ids.map(|id| id.map(|id| id.to_string())).collect::<StringArray>()),
            false => Arc::new(ids.collect::<Int64Array>()),
        };
        let segments: ArrayRef = Arc::new(rows.iter().map(|(_, s)| s.map(|s| s as i32)).collect::<Int32Array>());
        let columns = [("who", ids, true), ("segment", segments, true)];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let path = self.0.path().join("labels.parquet");
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        Source::open(&[path]).unwrap()
    }

    fn table(&self, number: usize) -> PathBuf {
        self.0.path().join(format!("table-{number}.parquet"))
    }

    /// Writes table `number` from the one before.
    fn month(&self, number: usize, day: i32, labels: &Source, memory: u64) -> (CohortCounts, KnownTenure) {
        let known = (number > 0).then(|| KnownTenure::open(&self.table(number - 1)).unwrap());
        let now = LabelTable::new(labels, "who").unwrap().places(3, Watch::none()).unwrap();
        let ids = read(&labels.files()[0].path).column(0).clone();
        let ids = arrow::compute::cast(&ids, &DataType::Utf8).unwrap();
        let different: BTreeSet<Option<&str>> = ids.as_string::<i32>().iter().collect();
        let ids_are_unique = different.len() == ids.len() && !different.contains(&None);
        let month = LabelledDay { labels, id: 0, ids_are_unique, now: &now, segment_ids: vec![1, 2, 3], day };
        let to = (File::create(self.table(number)).unwrap(), self.table(number));
        let cohorts = month.write(known.as_ref(), to, memory, Watch::none()).unwrap();
        (cohorts, KnownTenure::open(&self.table(number)).unwrap())
    }
}

fn rows(known: &KnownTenure) -> Vec<Row> {
    let n = known.source.rows() as usize;
    if n == 0 {
        return Vec::new();
    }
    let ids = IdStream::new(&known.source, 0).take(n).unwrap();
    let ids = arrow::compute::cast(&ids, &DataType::Int64).unwrap();
    let intervals = KnownTenure::intervals(&mut known.streams(), n).unwrap();
    let ids = ids.as_primitive::<Int64Type>();
    intervals.iter().enumerate().map(|(i, row)| (ids.value(i), row.segment_id, row.from, row.to)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Customers come, leave, return and move; days repeat and come out of order; rows repeat ids, or have none.
    #[test]
    fn the_table_says_what_all_days_say(
        months in prop::collection::vec(
            (0i32..6, prop::collection::vec((prop::option::weighted(0.95, 0i64..12), prop::option::weighted(0.9, 0u32..3)), 1..14)),
            1..9,
        ),
        text: bool,
        memory in prop::sample::select(vec![0u64, 1 << 30]),
    ) {
        let folder = Folder(tempfile::tempdir().unwrap());
        let mut days = Days::new();
        for (number, (day, labels)) in months.iter().enumerate() {
            let source = folder.labels(labels, text);
            let mut members = BTreeMap::new();
            labels.iter().for_each(|(id, s)| {
                if let Some(id) = id {
                    members.entry(*id).or_insert(*s);
                }
            });
            days.insert(*day, members.into_iter().filter_map(|(id, segment)| Some((id, segment?))).collect());
            let (cohorts, known) = folder.month(number, *day, &source, memory);
            let found = rows(&known);
            let distinct: BTreeSet<Row> = found.iter().copied().collect();
            prop_assert_eq!(&distinct, &expected(&days), "after month {}", number);
            prop_assert_eq!(distinct.len(), found.len());
            let known_days: Vec<i32> = days.keys().copied().collect();
            prop_assert_eq!(&known.days, &known_days);
            let all = cohorts.cohorts(0).cohorts.into_iter();
            let all = all.map(|of| ((of.segment_id, of.joined.clone()), (of.customers, of.staying)));
            prop_assert_eq!(all.collect::<BTreeMap<_, _>>(), joined(&days));
        }
    }
}

#[test]
fn a_day_corrected_and_corrected_back() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let (a, b) = ([(Some(7), Some(0))], [(Some(7), Some(1))]);
    for (number, (day, labels)) in [(10, a), (40, a), (70, a), (40, b), (40, a)].into_iter().enumerate() {
        let source = folder.labels(&labels, false);
        let (_, known) = folder.month(number, day, &source, 1 << 30);
        let expected = match number {
            3 => vec![(7, 1, 10, Some(40)), (7, 1, 70, None), (7, 2, 40, Some(70))],
            _ => vec![(7, 1, 10, None)],
        };
        let mut found = rows(&known);
        found.sort_unstable();
        assert_eq!(found, expected, "run {number}");
    }
    let facts = KnownTenure::open(&folder.table(4)).unwrap();
    assert_eq!(facts.source.fact(DAYS), Some("1970-01-11,1970-02-10,1970-03-12"));
}

#[test]
fn what_is_no_such_table() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let labels = folder.labels(&[(Some(7), Some(0))], false);
    let path = labels.files()[0].path.clone();
    let refused = |path: &std::path::Path| KnownTenure::open(path).err().unwrap().to_string();
    let why = "hyades history verify names what was changed";
    assert_eq!(refused(&path), format!("{}: its columns are [\"segment\"]; {why}", path.display()));
    let (_, known) = folder.month(0, 10, &labels, 0);
    let path = known.source.files()[0].path.clone();
    let table = read(&path);
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, table.schema(), None).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    assert_eq!(refused(&path), format!("{}: its footer has no hyades.days; {why}", path.display()));
}

fn read(path: &std::path::Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    RecordBatch::try_new(Arc::new(Schema::new(batch.schema().fields().clone())), batch.columns().to_vec()).unwrap()
}
