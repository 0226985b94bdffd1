//! Assigns every row to its part, in one pass over the columns that rules use.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::condition::Compiled;
use super::operand::{OperandKind, kind, plain};
use super::{MAX_STRATA, NULL_STRATUM, REST};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, Order, RowGroup, Source};

/// The part of rows whose stratum is unknown.
const UNKNOWN: u8 = u8::MAX;

/// The most distinct values to count when there are too many for strata.
const COUNTED: usize = 10_000;

/// The rows of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCount {
    /// The rule.
    pub name: String,
    /// Rows that it took: the first rule that matches them.
    pub rows: u64,
    /// Rows that it also matches, but an earlier rule took.
    pub taken_before: u64,
}

/// Rows that are clustered together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stratum {
    /// The value of the column; None: null, or no column.
    pub value: Option<String>,
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// The part of every row: a rule, a stratum, or unknown. One byte per row.
#[derive(Debug)]
pub struct Membership {
    /// By row group, in order.
    parts: Vec<Vec<u8>>,
    /// In the order of the file.
    pub rules: Vec<RuleCount>,
    /// In the order of their values.
    pub strata: Vec<Stratum>,
    /// Rows whose stratum is unknown.
    pub unknown: u64,
}

impl Membership {
    /// The rows of a stratum, as a separate source.
    pub(crate) fn view(&self, source: &Source, stratum: usize) -> Source {
        let part = (self.rules.len() + stratum) as u8;
        let bits = |parts: &Vec<u8>| BooleanBuffer::collect_bool(parts.len(), |i| parts[i] == part);
        source.select(self.parts.iter().map(bits))
    }

    /// The part of every row, in order: rules from 0, then strata; None: unknown.
    pub fn parts(&self) -> impl Iterator<Item = Option<usize>> {
        self.parts.iter().flatten().map(|&part| (part != UNKNOWN).then_some(usize::from(part)))
    }

    /// Bytes of memory for the division of this many rows, including the bits of one view.
    pub(crate) fn bytes(rows: u64) -> u64 {
        rows + rows / 8
    }
}

/// Divides all rows. `known` are the strata of a model; without it, every value of the column is a stratum.
///
/// # Errors
/// Columns that cannot be decoded, numbers beyond exact calculation, or too many strata.
pub fn divide(
    source: &Source,
    rules: &Compiled,
    known: Option<&[Option<String>]>,
    watch: Watch<'_>,
) -> Result<Membership> {
    watch.stage(Stage::Rules, source.rows(), "rows", || {
        let within = rules.within.filter(|column| !rules.columns.contains(column));
        let columns: Vec<usize> = rules.columns.iter().copied().chain(within).collect();
        let _ahead = source.ahead(source.row_groups(), &columns, Order::Together(rayon::current_num_threads()));
        let groups: Vec<Divided> = source
            .row_groups()
            .par_iter()
            .with_max_len(1)
            .map(|&group| {
                watch.check()?;
                let divided = Divided::of(source, rules, known, group)?;
                watch.advance(Stage::Rules, group.rows);
                Ok(divided)
            })
            .collect::<Result<_>>()?;
        let values = match known {
            Some(known) => known.to_vec(),
            None => values(source, rules, &groups)?,
        };
        Ok(gather(rules, values, groups))
    })
}

/// A row group whose strata are numbered by first occurrence.
struct Divided {
    parts: Vec<u8>,
    rules: Vec<RuleCount>,
    strata: Numbering,
}

/// Values and their numbers.
#[derive(Default)]
struct Numbering {
    numbers: HashMap<Option<String>, usize>,
    /// Whether new values get numbers too.
    open: bool,
    last: Option<(Option<String>, Option<usize>)>,
}

impl Numbering {
    fn number(&mut self, value: Option<&str>) -> Option<usize> {
        if let Some((last, number)) = &self.last
            && last.as_deref() == value
        {
            return *number;
        }
        let value = value.map(str::to_owned);
        let next = self.numbers.len();
        let number = match self.numbers.get(&value) {
            Some(number) => Some(*number),
            None if self.open && next < COUNTED => {
                self.numbers.insert(value.clone(), next);
                Some(next)
            }
            None => None,
        };
        self.last = Some((value, number));
        number
    }
}

impl Divided {
    fn of(source: &Source, rules: &Compiled, known: Option<&[Option<String>]>, group: RowGroup) -> Result<Self> {
        let numbers = known.unwrap_or_default().iter().cloned().enumerate().map(|(i, value)| (value, i)).collect();
        let strata = Numbering { numbers, open: known.is_none(), last: None };
        let count = |(name, _): &(String, _)| RuleCount { name: name.clone(), rows: 0, taken_before: 0 };
        let counts = rules.rules.iter().map(count).collect();
        let mut divided = Divided { parts: Vec::with_capacity(group.rows as usize), rules: counts, strata };
        let mut columns = RuleColumns::open(source, rules, group)?;
        while (divided.parts.len() as u64) < group.rows {
            let (arrays, within, rows) = columns.next()?;
            divided.batch(rules, &arrays, within.as_ref(), rows)?;
        }
        Ok(divided)
    }

    fn batch(
        &mut self,
        rules: &Compiled,
        arrays: &[ArrayRef],
        within: Option<&StringArray>,
        rows: usize,
    ) -> Result<()> {
        let first_stratum = rules.rules.len();
        let start = self.parts.len();
        self.parts.resize(start + rows, UNKNOWN);
        let parts = &mut self.parts[start..];
        let mut free = BooleanBuffer::new_set(rows);
        for (i, ((name, condition), count)) in rules.rules.iter().zip(&mut self.rules).enumerate() {
            let matched = condition.evaluate(arrays, rows).map_err(|e| too_large(name, &e))?;
            let matched = certain(&matched);
            let taken = &matched & &free;
            taken.set_indices().for_each(|row| parts[row] = i as u8);
            let n = taken.count_set_bits() as u64;
            count.rows += n;
            count.taken_before += matched.count_set_bits() as u64 - n;
            free = &free & &!&matched;
        }
        for row in free.set_indices() {
            let value = within.and_then(|values| values.is_valid(row).then(|| values.value(row)));
            // Too many strata are rejected once all are counted.
            let stratum = self.strata.number(value).filter(|n| *n < MAX_STRATA);
            parts[row] = stratum.map_or(UNKNOWN, |n| (first_stratum + n) as u8);
        }
        Ok(())
    }
}

/// Where a condition is true.
fn certain(matched: &BooleanArray) -> BooleanBuffer {
    match matched.nulls() {
        Some(nulls) => matched.values() & nulls.inner(),
        None => matched.values().clone(),
    }
}

fn too_large(rule: &str, e: &ArrowError) -> Error {
    Error::input(format!("rule {rule:?}: a number is too large to calculate with exactly, beyond 38 digits ({e})"))
}

/// The columns of a row group, read batch by batch.
struct RuleColumns<'a> {
    source: &'a Source,
    group: RowGroup,
    readers: Vec<(ColumnReader<'a>, usize)>,
    within: Option<Within<'a>>,
    left: u64,
}

/// The column of the strata as text: from a folder's name, or decoded.
enum Within<'a> {
    Folder(Option<String>),
    Column(ColumnReader<'a>, usize),
}

impl<'a> RuleColumns<'a> {
    fn open(source: &'a Source, rules: &Compiled, group: RowGroup) -> Result<Self> {
        let open = |&column: &usize| Ok((ColumnReader::open(source, group, column)?, column));
        let within = rules.within.map(|column| match &source.columns()[column] {
            folder if folder.is_partition => {
                Ok(Within::Folder(source.files()[group.file].partition(&folder.name).map(str::to_owned)))
            }
            _ => open(&column).map(|(reader, column)| Within::Column(reader, column)),
        });
        let readers = rules.columns.iter().map(open).collect::<Result<_>>()?;
        Ok(RuleColumns { source, group, readers, within: within.transpose()?, left: group.rows })
    }

    /// The next rows: the columns of conditions, and the column of the strata.
    fn next(&mut self) -> Result<(Vec<ArrayRef>, Option<StringArray>, usize)> {
        let (source, group) = (self.source, self.group);
        let fault =
            |column: usize, e: &dyn std::fmt::Display| crate::input::fault(source, group, column, &e.to_string());
        let ended = |column: usize| fault(column, &"it ends before the rows do");
        let mut arrays = Vec::with_capacity(self.readers.len());
        for (reader, column) in &mut self.readers {
            let array = reader.next_array()?.ok_or_else(|| ended(*column))?;
            arrays.push((plain(&array).map_err(|e| fault(*column, &e))?, *column));
        }
        let decoded = match &mut self.within {
            Some(Within::Column(reader, column)) => {
                let array = reader.next_array()?.ok_or_else(|| ended(*column))?;
                Some((cast(&array, &DataType::Utf8).map_err(|e| fault(*column, &e))?, *column))
            }
            _ => None,
        };
        let rows = arrays.iter().chain(&decoded).map(|(array, _)| array.len()).next();
        let rows = rows.unwrap_or_else(|| self.left.min(crate::input::BATCH_ROWS as u64) as usize);
        if let Some((_, column)) = arrays.iter().chain(&decoded).find(|(array, _)| array.len() != rows) {
            return Err(fault(*column, &"it has another number of rows than other columns"));
        }
        self.left = self.left.checked_sub(rows as u64).ok_or_else(|| {
            let column = arrays.iter().chain(&decoded).map(|(_, column)| *column).next().unwrap_or(0);
            fault(column, &"it has more rows than the footer promises")
        })?;
        let within = match (&self.within, decoded) {
            (Some(Within::Folder(value)), _) => Some((0..rows).map(|_| value.as_deref()).collect()),
            (_, decoded) => decoded.map(|(array, _)| array.as_string::<i32>().clone()),
        };
        Ok((arrays.into_iter().map(|(array, _)| array).collect(), within, rows))
    }
}

/// The values of all row groups, in order.
fn values(source: &Source, rules: &Compiled, groups: &[Divided]) -> Result<Vec<Option<String>>> {
    let Some(within) = rules.within else { return Ok(vec![None]) };
    let column = &source.columns()[within];
    let mut all: Vec<&Option<String>> = groups.iter().flat_map(|g| g.strata.numbers.keys()).collect();
    all.sort_unstable();
    all.dedup();
    if all.len() > MAX_STRATA {
        let n = if all.len() < COUNTED { all.len().to_string() } else { format!("{COUNTED} or more") };
        return Err(Error::input(format!(
            "strata: {:?} has {n} different values, and at most {MAX_STRATA} strata are possible; name a column such as a tier",
            column.name
        )));
    }
    if all.iter().any(|value| value.as_deref() == Some(NULL_STRATUM)) {
        return Err(Error::input(format!(
            "strata: {:?} has the text {NULL_STRATUM:?}, the name of rows without a value; make those null or name them otherwise",
            column.name
        )));
    }
    // Nulls last, numbers by value.
    let is_number = kind(&column.data_type).0 == OperandKind::Number;
    let number = |value: &str| value.parse::<f64>().unwrap_or(f64::INFINITY);
    let order = |value: &Option<String>| value.as_deref().filter(|_| is_number).map_or(0.0, number);
    all.sort_by(|a, b| a.is_none().cmp(&b.is_none()).then(order(a).total_cmp(&order(b))).then(a.cmp(b)));
    Ok(all.into_iter().cloned().collect())
}

/// All row groups with a common numbering of the strata.
fn gather(rules: &Compiled, values: Vec<Option<String>>, groups: Vec<Divided>) -> Membership {
    let count = |(name, _): &(String, _)| RuleCount { name: name.clone(), rows: 0, taken_before: 0 };
    let mut counts: Vec<RuleCount> = rules.rules.iter().map(count).collect();
    let first = counts.len();
    let mut rows = [0u64; 256];
    let parts = groups
        .into_iter()
        .map(|group| {
            for (total, here) in counts.iter_mut().zip(&group.rules) {
                total.rows += here.rows;
                total.taken_before += here.taken_before;
            }
            let mut renumbered: [u8; 256] = std::array::from_fn(|part| part as u8);
            for (value, number) in &group.strata.numbers {
                if let Some(at) = values.iter().position(|v| v == value).filter(|_| *number < MAX_STRATA) {
                    renumbered[first + number] = (first + at) as u8;
                }
            }
            let mut parts = group.parts;
            for part in &mut parts {
                *part = renumbered[usize::from(*part)];
                rows[usize::from(*part)] += 1;
            }
            parts
        })
        .collect();
    let name = |value: &Option<String>| match (value, rules.within) {
        (_, None) => REST.to_owned(),
        (Some(value), _) => value.clone(),
        (None, _) => NULL_STRATUM.to_owned(),
    };
    let strata = values
        .into_iter()
        .enumerate()
        .map(|(i, value)| Stratum { name: name(&value), rows: rows[first + i], value })
        .collect();
    Membership { parts, rules: counts, strata, unknown: rows[usize::from(UNKNOWN)] }
}
