//! The tags and stages of the rows of a row group, and the batches of the output.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch, StringArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::book::TagBook;
use super::counts::{SegmentCounts, TagCounts, pairs};
use super::earlier::{EarlierTags, HeldTag};
use super::request::TagFormat;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{ColumnReader, RowGroup, Source};
use crate::rules::Conditions;

/// What customers without a label are in.
const NO_SEGMENT: &str = "(none)";
/// The most labels of segments.
const MOST_SEGMENTS: usize = 4096;
/// Tags that are counted by segment.
const BY_SEGMENT: usize = 64;

/// What rows are tagged by.
pub(super) struct Tagging<'a> {
    pub(super) book: &'a TagBook,
    pub(super) conditions: &'a Conditions,
    pub(super) source: &'a Source,
    /// The column of segments.
    pub(super) label: Option<usize>,
}

/// The tags and stages of some rows.
pub(super) struct TaggedRows {
    first: u64,
    pub(super) rows: usize,
    /// By tag; null: unknown.
    tags: Vec<BooleanArray>,
    /// What their customers had, ordered by row, then by tag.
    held: Vec<HeldTag>,
    /// By row: the number of the stage; null: none.
    stages: UInt32Array,
    pub(super) counts: TagCounts,
}

impl TaggedRows {
    /// Tags the rows of a row group; `earlier` are the tags that their customers had.
    pub(super) fn of(tagging: &Tagging<'_>, group: RowGroup, earlier: Option<&EarlierTags>) -> Result<Self> {
        let Tagging { book, conditions, source, label } = *tagging;
        let rows = group.rows as usize;
        let mut tags = conditions.evaluate(source, group)?;
        let rules = tags.split_off(book.tags.len());
        let (stages, of_stages) = first_true(&rules, rows);
        let have: Vec<BooleanBuffer> = tags.iter().map(certain).collect();
        let held = earlier.map(|earlier| earlier.of(group).to_vec()).unwrap_or_default();
        let counts = TagCounts {
            tags: have.iter().zip(&tags).map(|(have, tag)| [bits(have), tag.null_count() as u64]).collect(),
            stages: of_stages,
            overlaps: pairs(tags.len()).map(|(a, b)| bits(&(&have[a] & &have[b]))).collect(),
            moves: earlier.map(|_| moves(&held, &have, group)).unwrap_or_default(),
            segments: label
                .map(|label| by_segment((source, group, label), &have, &tags))
                .transpose()?
                .unwrap_or_default(),
        };
        Ok(TaggedRows { first: group.first_row, rows, tags, held, stages, counts })
    }

    /// The rows of the output. A tag that is unknown is null.
    pub(super) fn batch(self, ids: &ArrayRef, layout: &TagLayout) -> Result<RecordBatch> {
        let made = match layout.format {
            TagFormat::Columns => self.columns(ids, layout),
            TagFormat::Long => self.long(ids, layout),
        };
        made.map_err(|e| Error::Internal(format!("putting the table of tags together: {e}")))
    }

    fn columns(self, ids: &ArrayRef, layout: &TagLayout) -> Result<RecordBatch, ArrowError> {
        let mut arrays = vec![ids.clone()];
        if let Some(names) = &layout.stages {
            arrays.push(take(names, &self.stages, None)?);
        }
        arrays.extend(self.tags.into_iter().map(|tag| Arc::new(tag) as ArrayRef));
        RecordBatch::try_new(layout.schema.clone(), arrays)
    }

    fn long(self, ids: &ArrayRef, layout: &TagLayout) -> Result<RecordBatch, ArrowError> {
        let have: Vec<BooleanBuffer> = self.tags.iter().map(certain).collect();
        let (mut rows, mut tags, mut since) = (Vec::new(), Vec::new(), Vec::new());
        let mut held = self.held.iter().peekable();
        for row in 0..self.rows {
            for (tag, _) in have.iter().enumerate().filter(|(_, have)| have.value(row)) {
                let at = (self.first + row as u64, tag as u32);
                while held.next_if(|held| (held.row, held.tag) < at).is_some() {}
                let earlier = held.peek().filter(|held| (held.row, held.tag) == at);
                rows.push(row as u32);
                tags.push(tag as u32);
                since.push(earlier.map_or(layout.day, |held| held.since));
            }
        }
        let since = Date32Array::from(since);
        let ids = take(ids, &UInt32Array::from(rows), None)?;
        let tags = take(&layout.tags, &UInt32Array::from(tags), None)?;
        RecordBatch::try_new(layout.schema.clone(), vec![ids, tags, Arc::new(since)])
    }
}

/// The number of the first condition that is true, by row; how often each is, and none.
fn first_true(rules: &[BooleanArray], rows: usize) -> (UInt32Array, Vec<u64>) {
    let mut free = BooleanBuffer::new_set(rows);
    let mut numbers = vec![0u32; rows];
    let mut counts = Vec::with_capacity(rules.len() + 1);
    for (number, rule) in rules.iter().enumerate() {
        let matched = certain(rule);
        let taken = &matched & &free;
        taken.set_indices().for_each(|row| numbers[row] = number as u32);
        counts.push(bits(&taken));
        free = &free & &!&matched;
    }
    counts.push(bits(&free));
    (UInt32Array::new(numbers.into(), Some((!&free).into())), counts)
}

/// By tag: customers who had it and have it, and who had it and do not.
fn moves(held: &[HeldTag], have: &[BooleanBuffer], group: RowGroup) -> Vec<[u64; 2]> {
    let mut counts = vec![[0; 2]; have.len()];
    for held in held {
        let has = have[held.tag as usize].value((held.row - group.first_row) as usize);
        counts[held.tag as usize][usize::from(!has)] += 1;
    }
    counts
}

/// The first tags by label: those who have them, and of whom they are unknown.
fn by_segment(
    (source, group, label): (&Source, RowGroup, usize),
    have: &[BooleanBuffer],
    tags: &[BooleanArray],
) -> Result<BTreeMap<String, SegmentCounts>> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows: Vec<usize> = Vec::with_capacity(group.rows as usize);
    let mut reader = ColumnReader::open(source, group, label)?;
    while let Some(array) = reader.next_array()? {
        let name = &source.columns()[label].name;
        let unreadable = |e| Error::input(format!("{name:?}: {e}")).of_columns([name]);
        let texts = cast(&array, &DataType::Utf8).map_err(unreadable)?;
        for text in texts.as_string::<i32>() {
            let next = numbers.len();
            let text = text.unwrap_or(NO_SEGMENT);
            let known = numbers.get(text).copied();
            rows.push(known.unwrap_or_else(|| *numbers.entry(text.to_owned()).or_insert(next)));
        }
        vet_segments(numbers.len(), name)?;
    }
    let first = have.len().min(BY_SEGMENT);
    let mut counts = vec![SegmentCounts { customers: 0, tags: vec![[0; 2]; first] }; numbers.len()];
    rows.iter().for_each(|&segment| counts[segment].customers += 1);
    for (tag, (have, of)) in have.iter().zip(tags).take(first).enumerate() {
        have.set_indices().for_each(|row| counts[rows[row]].tags[tag][0] += 1);
        let unknown = of.nulls().map(|nulls| !nulls.inner());
        unknown.iter().flat_map(BooleanBuffer::set_indices).for_each(|row| counts[rows[row]].tags[tag][1] += 1);
    }
    Ok(numbers.into_iter().map(|(label, number)| (label, std::mem::take(&mut counts[number]))).collect())
}

/// Refuses a column of labels, `name`, with too many values.
pub(super) fn vet_segments(segments: usize, name: &str) -> Result<()> {
    if segments <= MOST_SEGMENTS {
        return Ok(());
    }
    let what = format!("{name:?} has more than {MOST_SEGMENTS} values; is it the column of segments?");
    Err(Error::input(what).of_columns([name]).of_kind(ErrorKind::Values).of_option("--label-column"))
}

/// Where a condition is true.
fn certain(of: &BooleanArray) -> BooleanBuffer {
    match of.nulls() {
        Some(nulls) => of.values() & nulls.inner(),
        None => of.values().clone(),
    }
}

fn bits(of: &BooleanBuffer) -> u64 {
    of.count_set_bits() as u64
}

/// The columns of the output.
pub(super) struct TagLayout {
    format: TagFormat,
    pub(super) schema: SchemaRef,
    tags: ArrayRef,
    /// None without stages.
    stages: Option<ArrayRef>,
    day: i32,
}

impl TagLayout {
    pub(super) fn new(format: TagFormat, id: &Field, book: &TagBook, day: Option<i64>) -> Self {
        let names = |codes: Vec<&str>| Arc::new(StringArray::from(codes)) as ArrayRef;
        let tags = names(book.tags.iter().map(|tag| tag.code.as_str()).collect());
        let stages = names(book.stages.iter().map(|stage| stage.code.as_str()).collect());
        let stages = Some(stages).filter(|stages| !stages.is_empty());
        let mut fields = vec![id.clone()];
        match format {
            TagFormat::Columns => {
                fields.extend(stages.iter().map(|_| Field::new("stage", DataType::Utf8, true)));
                fields.extend(book.tags.iter().map(|tag| Field::new(&tag.code, DataType::Boolean, true)));
            }
            TagFormat::Long => {
                fields.push(Field::new("tag", DataType::Utf8, false));
                fields.push(Field::new("since", DataType::Date32, false));
            }
        }
        let day = day.and_then(|day| i32::try_from(day).ok()).unwrap_or(0);
        TagLayout { format, schema: Arc::new(Schema::new(fields)), tags, stages, day }
    }
}
