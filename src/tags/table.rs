//! The tags and stages of the rows of a row group, and the batches of the output.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Date32Array, RecordBatch, StringArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::book::TagBook;
use super::report::{TagCounts, pairs};
use super::request::TagFormat;
use crate::error::{Error, Result};
use crate::input::{RowGroup, Source};
use crate::rules::Conditions;

/// The tags and stages of some rows.
pub(super) struct TaggedRows {
    pub(super) rows: usize,
    /// By tag; null: unknown.
    tags: Vec<BooleanArray>,
    /// By row: the number of the stage; null: none.
    stages: UInt32Array,
    pub(super) counts: TagCounts,
}

impl TaggedRows {
    pub(super) fn of(book: &TagBook, conditions: &Conditions, source: &Source, group: RowGroup) -> Result<Self> {
        let rows = group.rows as usize;
        let mut tags = conditions.evaluate(source, group)?;
        let rules = tags.split_off(book.tags.len());
        let (stages, of_stages) = first_true(&rules, rows);
        let have: Vec<BooleanBuffer> = tags.iter().map(certain).collect();
        let counts = TagCounts {
            tags: have.iter().zip(&tags).map(|(have, tag)| [bits(have), tag.null_count() as u64]).collect(),
            stages: of_stages,
            overlaps: pairs(tags.len()).map(|(a, b)| bits(&(&have[a] & &have[b]))).collect(),
        };
        Ok(TaggedRows { rows, tags, stages, counts })
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
        let (mut rows, mut tags) = (Vec::new(), Vec::new());
        for row in 0..self.rows {
            for (tag, _) in have.iter().enumerate().filter(|(_, have)| have.value(row)) {
                rows.push(row as u32);
                tags.push(tag as u32);
            }
        }
        let since = Date32Array::from(vec![layout.day; rows.len()]);
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
