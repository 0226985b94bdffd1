//! The earlier segment of every customer of now, found by id.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use super::codes::{MemberPlace, RowCodes};
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{ColumnReader, KeyRound, KeyedRow, Source, is_whole_id, keyed_rows};
use crate::output::IDENTITY_COLUMN;

/// A table of labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelTable<'a> {
    pub(crate) source: &'a Source,
    /// The column of ids.
    pub(crate) id: usize,
    /// The column of segment numbers, or of identities.
    pub(crate) segment: usize,
    /// The identity of each segment, by number, where the column has those.
    pub(crate) identities: Option<&'a [u64]>,
}

/// Where customers were.
#[derive(Debug)]
pub(crate) struct EarlierPlaces {
    /// By row of now; absent: a new customer; nobody: no customer.
    pub(crate) places: RowCodes,
    /// Customers who are not in the data of now, by where they were.
    pub(crate) departed: BTreeMap<MemberPlace, u64>,
    /// Customers in both.
    pub(crate) stayed: u64,
    /// Rows of the earlier table that are no customers: without an id, or with that of a row before.
    pub(crate) nobody_before: u64,
    /// Those of now.
    pub(crate) nobody_now: u64,
}

impl<'a> LabelTable<'a> {
    /// The table of a version, whose ids are in the column `id`.
    ///
    /// # Errors
    /// It lacks one of the columns.
    pub(crate) fn new(source: &'a Source, id: &str) -> Result<Self> {
        let find = |name: &str| {
            let missing = || Error::input(format!("the labels lack the column {name:?}")).of_columns([name]);
            source.position(name).ok_or_else(missing)
        };
        Ok(LabelTable { source, id: find(id)?, segment: find("segment")?, identities: None })
    }

    /// The same, where customers are in the segments whose identities their rows have; `identities` are those of the
    /// segments by number.
    ///
    /// # Errors
    /// It lacks the column of identities.
    pub(crate) fn of_identities(self, identities: &'a [u64]) -> Result<Self> {
        let missing = || Error::input(format!("the labels lack the column {IDENTITY_COLUMN:?}"));
        let segment = self.source.position(IDENTITY_COLUMN).ok_or_else(missing)?;
        Ok(LabelTable { segment, identities: Some(identities), ..self })
    }

    /// The number of a segment; None: there is none of this number or identity.
    fn number(&self, value: i64) -> Option<u32> {
        match self.identities {
            None => u32::try_from(value).ok(),
            Some(identities) => {
                let at = identities.iter().position(|identity| i64::try_from(*identity) == Ok(value))?;
                u32::try_from(at).ok()
            }
        }
    }

    /// Whether ids are compared as whole numbers; otherwise as text.
    fn has_whole_ids(&self) -> bool {
        is_whole_id(&self.source.columns()[self.id].data_type)
    }

    /// The place of every row.
    pub(crate) fn places(&self, segments: usize, watch: Watch<'_>) -> Result<RowCodes> {
        let mut codes = RowCodes::new(self.source.rows(), segments);
        for &group in self.source.row_groups() {
            watch.check()?;
            let mut reader = ColumnReader::open(self.source, group, self.segment)?;
            let mut row = group.first_row;
            while let Some(array) = reader.next_array()? {
                // The name of a folder, where labels are divided by segment.
                let values = cast(&array, &DataType::Int64);
                let values = values.map_err(|e| Error::input(format!("the column of segments: {e}")))?;
                let values = values.as_primitive::<Int64Type>();
                let mut last = (0, None);
                for i in 0..values.len() {
                    let value = values.is_valid(i).then(|| values.value(i));
                    let place = match value {
                        None => MemberPlace::NO_SEGMENT,
                        Some(value) if last.1 == Some(value) => MemberPlace::of(Some(last.0)),
                        Some(value) => {
                            let number = self.number(value).filter(|&number| (number as usize) < segments);
                            let lacking = "the labels name a segment that their model lacks";
                            let number = number.ok_or_else(|| Error::input(format!("{lacking} (row {row})")))?;
                            last = (number, Some(value));
                            MemberPlace::of(Some(number))
                        }
                    };
                    codes.set(row, place);
                    row += 1;
                }
            }
        }
        Ok(codes)
    }
}

/// Looks up the customers of `now` in `before`, whose model has so many `segments`. Of rows that repeat an id, the
/// first is the customer, in both tables. Ids are compared by sorting their keys, in as many rounds as fit `memory`
/// bytes.
///
/// # Errors
/// Ids of different kinds, or tables that cannot be read.
pub(crate) fn earlier_places(
    before: LabelTable<'_>,
    now: LabelTable<'_>,
    segments: usize,
    memory: u64,
    watch: Watch<'_>,
) -> Result<EarlierPlaces> {
    if before.has_whole_ids() != now.has_whole_ids() {
        let kind = |table: LabelTable<'_>| table.source.columns()[table.id].data_type.to_string();
        return Err(Error::input(format!(
            "the ids of the earlier version are {}, those of now {}; store them alike",
            kind(before),
            kind(now)
        )));
    }
    let earlier = before.places(segments, watch)?;
    let rows = before.source.rows() + now.source.rows();
    let mut found = EarlierPlaces {
        places: RowCodes::of_nobody(now.source.rows(), segments),
        departed: BTreeMap::new(),
        stayed: 0,
        nobody_before: before.source.rows(),
        nobody_now: now.source.rows(),
    };
    for round in KeyRound::all(rows, memory) {
        let old = customers(keyed_rows(before.source, before.id, round, |_| true, watch)?);
        let new = customers(keyed_rows(now.source, now.id, round, |_| true, watch)?);
        found.merge_round(&old, &new, &earlier);
    }
    Ok(found)
}

/// The first row of each key.
pub(crate) fn customers(mut rows: Vec<KeyedRow>) -> Vec<KeyedRow> {
    rows.dedup_by_key(|row| row.key());
    rows
}

impl EarlierPlaces {
    /// Adds the customers of one round; both are ordered by key.
    fn merge_round(&mut self, old: &[KeyedRow], new: &[KeyedRow], earlier: &RowCodes) {
        self.nobody_before -= old.len() as u64;
        self.nobody_now -= new.len() as u64;
        new.iter().for_each(|row| self.places.set(row.row, MemberPlace::ABSENT));
        let mut new = new.iter().peekable();
        for row in old {
            let place = earlier.get(row.row);
            while new.next_if(|other| other.key() < row.key()).is_some() {}
            match new.next_if(|other| other.key() == row.key()) {
                Some(other) => {
                    self.places.set(other.row, place);
                    self.stayed += 1;
                }
                None => *self.departed.entry(place).or_default() += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use proptest::prelude::*;

    use super::*;

    fn table(folder: &std::path::Path, name: &str, ids: ArrayRef, segments: &[Option<i32>]) -> Source {
        let segments: ArrayRef = Arc::new(Int32Array::from(segments.to_vec()));
        let batch =
            RecordBatch::try_from_iter_with_nullable([("who", ids, true), ("segment", segments, true)]).unwrap();
        let path = folder.join(name);
        let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        Source::open(&[path]).unwrap()
    }

    fn found(before: &Source, now: &Source, memory: u64) -> EarlierPlaces {
        let (before, now) = (LabelTable::new(before, "who").unwrap(), LabelTable::new(now, "who").unwrap());
        earlier_places(before, now, 9, memory, Watch::none()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn places_are_those_of_a_lookup(
            before in prop::collection::hash_map(-50i64..50, prop::option::of(0i32..9), 1..60),
            now in prop::collection::vec(prop::option::of(-50i64..50), 1..60),
            text: bool,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let ids = |ids: Vec<Option<i64>>| -> ArrayRef {
                if text {
                    Arc::new(ids.into_iter().map(|id| id.map(|id| format!("c{id}"))).collect::<StringArray>())
                } else {
                    Arc::new(Int64Array::from(ids))
                }
            };
            let (keys, segments): (Vec<Option<i64>>, Vec<Option<i32>>) =
                before.iter().map(|(id, segment)| (Some(*id), *segment)).unzip();
            let old = table(folder.path(), "before.parquet", ids(keys), &segments);
            let new = table(folder.path(), "now.parquet", ids(now.clone()), &vec![Some(0); now.len()]);
            let here = found(&old, &new, 1 << 30);
            let place = |id: &Option<i64>| match id.and_then(|id| before.get(&id)) {
                None => MemberPlace::ABSENT,
                Some(segment) => MemberPlace::of(segment.map(|s| s as u32)),
            };
            let is_nobody = |row: usize| now[row].is_none() || now[..row].contains(&now[row]);
            for (row, id) in now.iter().enumerate() {
                let expected = if is_nobody(row) { MemberPlace::NOBODY } else { place(id) };
                prop_assert_eq!(here.places.get(row as u64), expected, "{:?}", id);
            }
            prop_assert_eq!(here.nobody_now, (0..now.len()).filter(|&row| is_nobody(row)).count() as u64);
            let mut left: HashMap<MemberPlace, u64> = HashMap::new();
            for (id, segment) in before.iter().filter(|(id, _)| !now.contains(&Some(**id))) {
                let _ = id;
                *left.entry(MemberPlace::of(segment.map(|s| s as u32))).or_default() += 1;
            }
            prop_assert_eq!(here.departed.into_iter().collect::<HashMap<_, _>>(), left);
        }
    }

    #[test]
    fn rounds_change_nothing_and_repeated_ids_count_once() {
        let folder = tempfile::tempdir().unwrap();
        let n = 60_000;
        let ids = |step: i64| -> ArrayRef { Arc::new((0..n).map(|i| i * step % n).collect::<Int64Array>()) };
        let segments: Vec<Option<i32>> = (0..n as i32).map(|i| Some(i % 9)).collect();
        let before = table(folder.path(), "before.parquet", ids(7), &segments);
        let now = table(folder.path(), "now.parquet", ids(11), &segments);
        // 2 x 120,000 rows of 24 bytes take several rounds of the least memory.
        let (one, many) = (found(&before, &now, 1 << 30), found(&before, &now, 0));
        assert_eq!((one.stayed, many.stayed, one.nobody_before, one.nobody_now), (60_000, 60_000, 0, 0));
        assert!((0..n as u64).all(|row| one.places.get(row) == many.places.get(row)));
        let twice = table(folder.path(), "twice.parquet", Arc::new(Int64Array::from(vec![5, 5])), &[Some(3), Some(4)]);
        let here = found(&twice, &now, 1 << 20);
        assert_eq!((here.nobody_before, here.stayed), (1, 1));
        let words: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let words = table(folder.path(), "words.parquet", words, &[None]);
        let (before, now) = (LabelTable::new(&words, "who").unwrap(), LabelTable::new(&now, "who").unwrap());
        let refused = earlier_places(before, now, 9, 0, Watch::none()).unwrap_err().to_string();
        assert_eq!(refused, "the ids of the earlier version are Utf8, those of now Int64; store them alike");
    }
}
