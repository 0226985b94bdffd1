//! Ids: passed through unchanged, and checked for nulls and duplicates before any work.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::column::{ColumnReader, as_f64};
use super::id_keys::{id_bytes, id_keys, id_type, whole_ids};
use super::pseudonym::Pseudonym;
use super::source::{Order, RowGroup, Source};
use super::stream::ColumnStream;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::numeric::GOLDEN;

/// Faults found in the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(crate) struct IdFindings {
    /// Rows without an id.
    pub nulls: u64,
    /// Rows that repeat an id, whatever the order of the rows.
    pub duplicates: u64,
}

/// Most bytes of keys held at a time when ids are compared.
pub(super) const KEY_BYTES: u64 = 512 << 20;

/// Counts nulls and duplicates in the id column. Ascending ids take one pass and no memory; others are compared by
/// sorting their keys, in as many rounds as fit `memory` bytes.
pub(crate) fn check_ids(source: &Source, column: usize, memory: u64, watch: Watch<'_>) -> Result<IdFindings> {
    watch.stage(Stage::Ids, source.rows(), "rows", || {
        if is_integer(&id_type(&source.columns()[column].data_type)) {
            count(source, column, memory, watch, (whole_ids, integer_keys))
        } else {
            count(source, column, memory, watch, (whole_ids, hashed_keys))
        }
    })
}

/// Counts rows that repeat a value, as [`check_ids`] does, of columns whose values need not be whole numbers. Null and
/// NaN repeat nothing.
pub(crate) fn count_repeated(source: &Source, column: usize, memory: u64, watch: Watch<'_>) -> Result<u64> {
    let data_type = &source.columns()[column].data_type;
    let found = watch.stage(Stage::Ids, source.rows(), "rows", || {
        if is_integer(data_type) || data_type.is_floating() {
            count(source, column, memory, watch, (bits_of_floats, integer_keys))
        } else {
            count(source, column, memory, watch, (bits_of_floats, hashed_keys))
        }
    });
    Ok(found?.duplicates)
}

/// Makes values comparable, before they become keys. The number is that of the first row, for messages.
type Prepare = fn(&ArrayRef, u64) -> Result<ArrayRef, ArrowError>;

fn count<K: Ord + Copy + Send + Sync>(
    source: &Source,
    column: usize,
    memory: u64,
    watch: Watch<'_>,
    (prepare, keys): (Prepare, ToKeys<K>),
) -> Result<IdFindings> {
    let announced = || source.ahead(source.row_groups(), &[column], Order::InTurn(rayon::current_num_threads()));
    let ahead = announced();
    let looks: Vec<Look<K>> = source
        .row_groups()
        .par_iter()
        .with_max_len(1)
        .map(|&group| {
            let look = look(source, group, column, (prepare, keys))?;
            watch.check()?;
            watch.advance(Stage::Ids, group.rows);
            Ok(look)
        })
        .collect::<Result<_>>()?;
    drop(ahead);
    let nulls = looks.iter().map(|l| l.nulls).sum();
    let ascending = looks.iter().all(|l| l.ascending)
        && looks.iter().filter_map(|l| l.range).collect::<Vec<_>>().windows(2).all(|w| w[0].1 < w[1].0);
    if ascending {
        return Ok(IdFindings { nulls, duplicates: 0 });
    }
    // The parts and their concatenation.
    let bytes = source.rows() * size_of::<K>() as u64 * 2;
    let rounds = bytes.div_ceil(memory.clamp(1 << 20, KEY_BYTES)).max(1);
    let mut duplicates = 0;
    for round in 0..rounds {
        watch.check()?;
        let _ahead = announced();
        let parts: Vec<Vec<K>> = source
            .row_groups()
            .par_iter()
            .with_max_len(1)
            .map(|&group| {
                let mut mine = Vec::new();
                each_array(source, group, column, prepare, |array| {
                    let found = keys(array)?;
                    let picked = found.keys.iter().zip(&found.spread).filter(|(_, s)| u64::from(**s) % rounds == round);
                    mine.extend(picked.map(|(k, _)| *k));
                    Ok(())
                })?;
                Ok(mine)
            })
            .collect::<Result<_>>()?;
        let mut all = parts.concat();
        drop(parts);
        all.par_sort_unstable();
        duplicates += all.par_windows(2).filter(|w| w[0] == w[1]).count() as u64;
    }
    Ok(IdFindings { nulls, duplicates })
}

/// What one pass over a row group finds.
struct Look<K> {
    nulls: u64,
    ascending: bool,
    range: Option<(K, K)>,
}

fn look<K: Ord + Copy>(
    source: &Source,
    group: RowGroup,
    column: usize,
    (prepare, keys): (Prepare, ToKeys<K>),
) -> Result<Look<K>> {
    let mut look = Look { nulls: 0, ascending: true, range: None };
    each_array(source, group, column, prepare, |array| {
        look.nulls += array.logical_null_count() as u64;
        for key in keys(array)?.keys {
            look.ascending &= look.range.is_none_or(|(_, last)| last < key);
            look.range = Some((look.range.map_or(key, |(first, _)| first), key));
        }
        Ok(())
    })?;
    Ok(look)
}

/// Works on the prepared values of a row group, batch by batch.
pub(super) fn each_array(
    source: &Source,
    group: RowGroup,
    column: usize,
    prepare: Prepare,
    mut work: impl FnMut(&ArrayRef) -> Result<(), ArrowError>,
) -> Result<()> {
    let mut reader = ColumnReader::open(source, group, column)?;
    let mut row = group.first_row;
    while let Some(array) = reader.next_array()? {
        let done = prepare(&array, row).and_then(|values| work(&values));
        done.map_err(|e| unreadable(&source.columns()[column].name, &e))?;
        row += array.len() as u64;
    }
    Ok(())
}

/// The error for ids that cannot be converted.
pub(super) fn unreadable(column: &str, why: &ArrowError) -> Error {
    let why = match why {
        ArrowError::ComputeError(text) => text.clone(),
        other => other.to_string(),
    };
    Error::input(format!("cannot read the ids in column {column:?}: {why}")).of_columns([column])
}

/// The keys of the non-null ids, and for each a number that assigns it to a round.
struct IdKeys<K> {
    keys: Vec<K>,
    spread: Vec<u32>,
}

type ToKeys<K> = fn(&ArrayRef) -> Result<IdKeys<K>, ArrowError>;

/// Floating point as the integers of its bits: equal numbers are equal, NaN is null. Other values are unchanged.
fn bits_of_floats(array: &ArrayRef, _: u64) -> Result<ArrayRef, ArrowError> {
    if !array.data_type().is_floating() {
        return Ok(array.clone());
    }
    let mut values = Vec::with_capacity(array.len());
    as_f64(array, &mut values).map_err(ArrowError::ComputeError)?;
    let bits = values.iter().map(|v| (!v.is_nan()).then_some((v + 0.0).to_bits() as i64));
    Ok(Arc::new(bits.collect::<Int64Array>()))
}

fn is_integer(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

fn integer_keys(array: &ArrayRef) -> Result<IdKeys<u64>, ArrowError> {
    // Any injective map to u64 that keeps the order.
    let keys: Vec<u64> = if *array.data_type() == DataType::UInt64 {
        array.as_primitive::<UInt64Type>().iter().flatten().collect()
    } else {
        let wide = cast(array, &DataType::Int64)?;
        wide.as_primitive::<Int64Type>().iter().flatten().map(|v| (v as u64) ^ (1 << 63)).collect()
    };
    let spread = keys.iter().map(|k| (k.wrapping_mul(GOLDEN) >> 32) as u32).collect();
    Ok(IdKeys { keys, spread })
}

fn hashed_keys(array: &ArrayRef) -> Result<IdKeys<u128>, ArrowError> {
    let keys: Vec<u128> = id_keys(array)?.into_iter().flatten().collect();
    let spread = keys.iter().map(|k| *k as u32).collect();
    Ok(IdKeys { keys, spread })
}

/// The rows whose id is `wanted`, as text, in order; with a key, also those whose pseudonym it is.
///
/// # Errors
/// Ids that cannot be read.
pub(crate) fn rows_with_id(
    source: &Source,
    column: usize,
    wanted: &str,
    pseudonym: Option<&Pseudonym>,
    watch: Watch<'_>,
) -> Result<Vec<u64>> {
    let groups = source.row_groups().par_iter().with_max_len(1).map(|&group| {
        watch.check()?;
        let (mut row, mut rows) = (group.first_row, Vec::new());
        each_array(source, group, column, whole_ids, |array| {
            let ids = id_bytes(array)?;
            let pseudonyms = pseudonym.map(|pseudonym| pseudonym.of(array)).transpose()?;
            let pseudonyms = pseudonyms.as_ref().map(|array| array.as_string::<i32>());
            for (at, id) in ids.as_binary::<i64>().iter().enumerate() {
                let is_pseudonym = |all: &arrow::array::StringArray| all.is_valid(at) && all.value(at) == wanted;
                if id == Some(wanted.as_bytes()) || pseudonyms.is_some_and(is_pseudonym) {
                    rows.push(row + at as u64);
                }
            }
            row += array.len() as u64;
            Ok(())
        })?;
        Ok(rows)
    });
    Ok(groups.collect::<Result<Vec<Vec<u64>>>>()?.concat())
}

/// The ids in row order, in pieces of any length.
pub(crate) struct IdStream<'a> {
    values: ColumnStream<'a>,
    /// The number of the next row.
    row: u64,
    field: Field,
    pseudonym: Option<&'a Pseudonym>,
}

impl<'a> IdStream<'a> {
    /// The ids of all rows, from the first.
    pub(crate) fn new(source: &'a Source, column: usize) -> Self {
        let description = &source.columns()[column];
        let field = Field::new(&description.name, id_type(&description.data_type), true);
        // Possibly together with an audited column.
        IdStream { values: ColumnStream::new(source, column, 2), row: 0, field, pseudonym: None }
    }

    /// Pseudonyms in place of the ids, if there is a key.
    pub(crate) fn with_pseudonym(self, pseudonym: Option<&'a Pseudonym>) -> Self {
        let field = match pseudonym {
            Some(_) => Field::new(self.field.name(), DataType::Utf8, true),
            None => self.field,
        };
        IdStream { field, pseudonym, ..self }
    }

    /// The id column's name and type.
    pub(crate) fn field(&self) -> &Field {
        &self.field
    }

    /// Whether they are pseudonyms, which neither repeat nor compress.
    pub(crate) fn is_pseudonym(&self) -> bool {
        self.pseudonym.is_some()
    }

    /// The next `rows` ids.
    pub(crate) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let mut pieces: Vec<ArrayRef> = Vec::new();
        let mut have = 0;
        while have < rows {
            let piece = self.values.next(rows - have)?;
            have += piece.len();
            pieces.push(piece);
        }
        let parts: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        let ids = arrow::compute::concat(&parts).and_then(|ids| whole_ids(&ids, self.row));
        self.row += rows as u64;
        let shown = match self.pseudonym {
            Some(pseudonym) => ids.and_then(|ids| pseudonym.of(&ids)),
            None => ids,
        };
        shown.map_err(|e| unreadable(self.field.name(), &e))
    }
}
