//! One pass over the columns that rules use: which part each row belongs to.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::condition::Compiled;
use super::operand::{OperandKind, kind, plain};
use super::{MAX_STRATA, NULL_STRATUM, REST};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, Order, RowGroup, Source, written_as};
use crate::text::ExactNumber;

/// The part of rows whose stratum is not among the known ones.
const UNKNOWN: u8 = u8::MAX;

/// The most distinct values to count when there are too many for strata.
const COUNTED: usize = 10_000;

/// How many rows a rule took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCount {
    /// The rule.
    pub name: String,
    /// Rows that it took: those for which it is the first rule that matches.
    pub rows: u64,
    /// Rows that also match it, but were taken by an earlier rule.
    pub taken_before: u64,
}

/// Rows that are clustered together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stratum {
    /// The value of the column; None: null, or there is no column.
    pub value: Option<String>,
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// The part of every row: a rule, a stratum, or none that is known. One byte a row; nothing where all rows are one
/// part.
#[derive(Debug)]
pub struct Membership {
    /// By row group, in order; empty where all rows are one part.
    parts: Vec<Vec<u8>>,
    /// In the order of the file.
    pub rules: Vec<RuleCount>,
    /// In the order of their values.
    pub strata: Vec<Stratum>,
    /// Rows whose stratum is unknown.
    pub unknown: u64,
}

impl Membership {
    /// All `rows` as one part.
    pub(super) fn whole(rows: u64) -> Self {
        let all = Stratum { value: None, name: REST.into(), rows };
        Membership { parts: Vec::new(), rules: Vec::new(), strata: vec![all], unknown: 0 }
    }

    /// Whether all rows are one part.
    pub(crate) fn is_whole(&self) -> bool {
        self.rules.is_empty() && self.parts.is_empty()
    }

    /// All rows.
    pub(crate) fn rows(&self) -> u64 {
        let taken: u64 = self.rules.iter().map(|rule| rule.rows).sum();
        taken + self.strata.iter().map(|stratum| stratum.rows).sum::<u64>() + self.unknown
    }

    /// The rows of a stratum, as a source of their own.
    pub(crate) fn view<'a>(&self, source: &'a Source, stratum: usize) -> Cow<'a, Source> {
        if self.parts.is_empty() {
            return Cow::Borrowed(source);
        }
        let part = (self.rules.len() + stratum) as u8;
        let bits = |parts: &Vec<u8>| BooleanBuffer::collect_bool(parts.len(), |i| parts[i] == part);
        Cow::Owned(source.select(self.parts.iter().map(bits)))
    }

    /// The part of every row, in order: rules from 0, then strata; None: unknown.
    pub fn parts(&self) -> impl Iterator<Item = Option<usize>> {
        self.parts.iter().flatten().map(|&part| (part != UNKNOWN).then_some(usize::from(part)))
    }

    /// Bytes of memory for the membership of `rows` rows and the bits of one view.
    pub(crate) fn bytes(rows: u64) -> u64 {
        rows + rows / 8
    }
}

/// Assigns all rows to parts. `known` are the strata of a model; without it, each value of the column is a stratum.
///
/// # Errors
/// Columns that cannot be decoded, numbers that exceed what can be calculated exactly, or too many strata.
pub(super) fn divide(
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

/// A row group whose strata are numbered in order of appearance.
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
            // Too many strata are refused after all have been counted.
            let stratum = self.strata.number(value).filter(|n| *n < MAX_STRATA);
            parts[row] = stratum.map_or(UNKNOWN, |n| (first_stratum + n) as u8);
        }
        Ok(())
    }
}

impl Compiled {
    /// Where the condition of each rule is true in a row group, whatever the other rules say.
    ///
    /// # Errors
    /// Columns that cannot be decoded, or numbers that exceed what can be calculated exactly.
    pub(crate) fn matches(&self, source: &Source, group: RowGroup) -> Result<Vec<BooleanBuffer>> {
        let rows = group.rows as usize;
        let mut found: Vec<_> = self.rules.iter().map(|_| BooleanBufferBuilder::new(rows)).collect();
        let (mut columns, mut seen) = (RuleColumns::open(source, self, group)?, 0);
        while seen < group.rows {
            let (arrays, _, rows) = columns.next()?;
            for ((name, condition), bits) in self.rules.iter().zip(&mut found) {
                let matched = condition.evaluate(&arrays, rows).map_err(|e| too_large(name, &e))?;
                bits.append_buffer(&certain(&matched));
            }
            seen += rows as u64;
        }
        Ok(found.into_iter().map(|mut bits| bits.finish()).collect())
    }
}

/// Where a condition is true.
fn certain(matched: &BooleanArray) -> BooleanBuffer {
    match matched.nulls() {
        Some(nulls) => matched.values() & nulls.inner(),
        None => matched.values().clone(),
    }
}

pub(super) fn too_large(rule: &str, e: &ArrowError) -> Error {
    Error::input(format!("rule {rule:?}: a number exceeds the 38 digits of exact calculation ({e})"))
}

/// The columns of a row group, read batch by batch.
pub(super) struct RuleColumns<'a> {
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
    pub(super) fn open(source: &'a Source, rules: &Compiled, group: RowGroup) -> Result<Self> {
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

    /// The next rows: the columns of conditions, and that of the strata.
    pub(super) fn next(&mut self) -> Result<(Vec<ArrayRef>, Option<StringArray>, usize)> {
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
                Some((written_as(&array, &DataType::Utf8).map_err(|e| fault(*column, &e))?, *column))
            }
            _ => None,
        };
        let rows = arrays.iter().chain(&decoded).map(|(array, _)| array.len()).next();
        let rows = rows.unwrap_or_else(|| self.left.min(crate::input::BATCH_ROWS as u64) as usize);
        if let Some((_, column)) = arrays.iter().chain(&decoded).find(|(array, _)| array.len() != rows) {
            return Err(fault(*column, &"its number of rows differs from that of other columns"));
        }
        self.left = self.left.checked_sub(rows as u64).ok_or_else(|| {
            let column = arrays.iter().chain(&decoded).map(|(_, column)| *column).next().unwrap_or(0);
            fault(column, &"it has more rows than the footer states")
        })?;
        let within = match (&self.within, decoded) {
            (Some(Within::Folder(value)), _) => Some((0..rows).map(|_| value.as_deref()).collect()),
            (_, decoded) => decoded.map(|(array, _)| array.as_string::<i32>().clone()),
        };
        Ok((arrays.into_iter().map(|(array, _)| array).collect(), within, rows))
    }
}

/// The values of the strata over all row groups, in order.
fn values(source: &Source, rules: &Compiled, groups: &[Divided]) -> Result<Vec<Option<String>>> {
    let Some(within) = rules.within else { return Ok(vec![None]) };
    let column = &source.columns()[within];
    let mut all: Vec<&Option<String>> = groups.iter().flat_map(|g| g.strata.numbers.keys()).collect();
    all.sort_unstable();
    all.dedup();
    if all.len() > MAX_STRATA {
        let n = if all.len() < COUNTED { all.len().to_string() } else { format!("{COUNTED} or more") };
        return Err(Error::input(format!(
            "strata: {:?} has {n} distinct values, but at most {MAX_STRATA} strata are supported; choose a column such as a tier",
            column.name
        ))
        .of_columns([&column.name])
        .of_kind(ErrorKind::Values));
    }
    if all.iter().any(|value| value.as_deref() == Some(NULL_STRATUM)) {
        return Err(Error::input(format!(
            "strata: {:?} contains the text {NULL_STRATUM:?}, which names rows without a value; replace it by null or another \
             text",
            column.name
        ))
        .of_columns([&column.name])
        .of_kind(ErrorKind::Values));
    }
    // Nulls last, numbers in numeric order.
    let is_number = kind(&column.data_type).0 == OperandKind::Number;
    all.sort_by(|a, b| match (a, b) {
        (Some(a), Some(b)) if is_number => by_number(a, b).then(a.cmp(b)),
        _ => a.is_none().cmp(&b.is_none()).then(a.cmp(b)),
    });
    Ok(all.into_iter().cloned().collect())
}

/// The order of numbers that are written as text, also where f64 cannot tell them apart.
fn by_number(a: &str, b: &str) -> Ordering {
    let nearest = |text: &str| text.parse::<f64>().unwrap_or(f64::INFINITY);
    let digits = |text: &str| ExactNumber::parse(text).map(|exact| (exact.scale, exact.digits));
    nearest(a).total_cmp(&nearest(b)).then_with(|| digits(a).cmp(&digits(b)))
}

/// Renumbers the strata of all row groups consistently.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strata_of_numbers_are_in_the_order_of_the_numbers() {
        let mut values = ["10000000000000000", "9999999999999999", "2", "10", "-9007199254740992", "-9007199254740993"];
        values.sort_by(|a, b| by_number(a, b));
        let expected = ["-9007199254740993", "-9007199254740992", "2", "10", "9999999999999999", "10000000000000000"];
        assert_eq!(values, expected);
    }
}
