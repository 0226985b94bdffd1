//! One pass over all customers: what those of each arm and group did.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use rayon::prelude::*;

use super::columns::{numbers, position};
use super::events::CustomerEvents;
use super::request::EvaluateRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, Order, RowGroup, Source, as_f64, fault, written_as};
use crate::numeric::ExactFloats;
use crate::text::thousands;

/// Combinations of arm and groups.
const MOST_CELLS: usize = 10_000;

/// The columns of an evaluation.
#[derive(Debug)]
pub(super) struct OutcomeColumns {
    arm: usize,
    /// Columns that tell cells apart.
    by: Vec<usize>,
    /// The columns of outcomes, conversions first; of events, the customers' ids.
    outcomes: Vec<usize>,
    conversions: usize,
    money: usize,
}

impl OutcomeColumns {
    /// The columns of a request, where `by` tells cells apart, and events are found by the column of ids, if there are
    /// any.
    pub(super) fn find(
        request: &EvaluateRequest,
        by: &[String],
        source: &Source,
        events: Option<usize>,
    ) -> Result<Self> {
        let arm = request.arm.as_deref().unwrap_or_default();
        let outcomes = match events {
            Some(id) => vec![id],
            None => {
                [numbers(source, &request.conversion, "--conversion")?, numbers(source, &request.money, "--money")?]
                    .concat()
            }
        };
        Ok(OutcomeColumns {
            arm: position(source, arm, "--arm")?,
            by: by.iter().map(|name| position(source, name, "--by")).collect::<Result<_>>()?,
            outcomes,
            conversions: request.conversion.len(),
            money: request.money.len(),
        })
    }

    /// All of them: groups, the arm, outcomes.
    pub(super) fn all(&self) -> Vec<usize> {
        [self.by.as_slice(), &[self.arm], &self.outcomes].concat()
    }
}

/// A sum of money and of its squares.
#[derive(Debug, Clone, Default)]
pub(super) struct MoneySum {
    pub(super) sum: ExactFloats,
    pub(super) squares: ExactFloats,
}

/// What the customers of a cell did.
#[derive(Debug, Clone, Default)]
pub(super) struct CellTally {
    pub(super) customers: u64,
    /// By column of conversions.
    pub(super) conversions: Vec<u64>,
    /// By column of money.
    pub(super) money: Vec<MoneySum>,
}

impl CellTally {
    fn new(columns: &OutcomeColumns) -> Self {
        let (conversions, money) = (columns.conversions, columns.money);
        CellTally { customers: 0, conversions: vec![0; conversions], money: vec![MoneySum::default(); money] }
    }

    /// Adds other customers with the same outcomes.
    pub(super) fn add(&mut self, other: &CellTally) {
        self.conversions.resize(other.conversions.len(), 0);
        self.money.resize_with(other.money.len(), MoneySum::default);
        self.customers += other.customers;
        self.conversions.iter_mut().zip(&other.conversions).for_each(|(sum, n)| *sum += n);
        for (sum, money) in self.money.iter_mut().zip(&other.money) {
            sum.sum.join(&money.sum);
            sum.squares.join(&money.squares);
        }
    }
}

/// The values of the groups, null for a missing one, and the arm.
pub(super) type CellKey = (Vec<Option<String>>, String);
pub(super) type Cells = BTreeMap<CellKey, CellTally>;

/// Counts all rows.
///
/// # Errors
/// A customer without an arm; a conversion other than 0 and 1; an outcome that is missing in a column of the input
/// itself (a customer without a row in a joined table has none: 0); too many combinations of groups.
pub(super) fn tally(
    source: &Source,
    columns: &OutcomeColumns,
    events: Option<&CustomerEvents>,
    watch: Watch<'_>,
) -> Result<Cells> {
    let all = columns.all();
    let _ahead = source.ahead(source.row_groups(), &all, Order::InTurn(rayon::current_num_threads()));
    watch.stage(Stage::Customers, source.rows(), "rows", || {
        let tally = |&group: &RowGroup| {
            watch.check()?;
            let cells = GroupTally { source, columns, events, group }.run()?;
            watch.advance(Stage::Customers, group.rows);
            Ok(cells)
        };
        let mut cells = Cells::new();
        // In waves, so that the cells of few row groups are held at a time.
        for wave in source.row_groups().chunks(2 * rayon::current_num_threads()) {
            for part in wave.par_iter().with_max_len(1).map(tally).collect::<Vec<Result<Cells>>>() {
                for (key, tally) in part? {
                    cells.entry(key).or_default().add(&tally);
                }
                vet_number(cells.len())?;
            }
        }
        Ok(cells)
    })
}

fn vet_number(cells: usize) -> Result<()> {
    if cells <= MOST_CELLS {
        return Ok(());
    }
    let text = format!(
        "--arm and --by make more than {} combinations; name columns of few values",
        thousands(MOST_CELLS as u64)
    );
    Err(Error::input(text).of_option("--by"))
}

/// The pass over one row group.
struct GroupTally<'a> {
    source: &'a Source,
    columns: &'a OutcomeColumns,
    events: Option<&'a CustomerEvents>,
    group: RowGroup,
}

impl GroupTally<'_> {
    fn run(&self) -> Result<Cells> {
        let all = self.columns.all();
        let keys = self.columns.by.len() + 1;
        let open = |&column: &usize| ColumnReader::open(self.source, self.group, column);
        let mut readers = all.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut cells = Cells::new();
        let mut row = self.group.first_row;
        loop {
            let arrays = readers.iter_mut().map(ColumnReader::next_array).collect::<Result<Vec<_>>>()?;
            let Some(arrays) = arrays.into_iter().collect::<Option<Vec<ArrayRef>>>() else { return Ok(cells) };
            let rows = arrays[0].len();
            if arrays.iter().any(|array| array.len() != rows) {
                return Err(Error::Internal("columns of one row group came in different batches".into()));
            }
            let (codes, names) = self.codes(&arrays[..keys], row)?;
            let mut tallies = vec![CellTally::new(self.columns); names.len()];
            codes.iter().for_each(|&cell| tallies[cell].customers += 1);
            let outcomes = match self.events {
                Some(events) => events.of(&arrays[keys], row)?,
                None => self.outcomes(&arrays[keys..], row)?,
            };
            for (i, values) in outcomes.iter().enumerate() {
                let values = codes.iter().zip(values).filter(|(_, v)| **v != 0.0);
                match i.checked_sub(self.columns.conversions) {
                    None => values.for_each(|(&cell, _)| tallies[cell].conversions[i] += 1),
                    Some(i) => values.for_each(|(&cell, &v)| {
                        let money = &mut tallies[cell].money[i];
                        money.sum.add(v);
                        money.squares.add(v * v);
                    }),
                }
            }
            for (key, tally) in names.into_iter().zip(&tallies) {
                cells.entry(key).or_default().add(tally);
            }
            vet_number(cells.len())?;
            row += rows as u64;
        }
    }

    /// The cell of each row of a batch, and the cells by number.
    fn codes(&self, keys: &[ArrayRef], first: u64) -> Result<(Vec<usize>, Vec<CellKey>)> {
        let columns = [self.columns.by.as_slice(), &[self.columns.arm]].concat();
        let as_text = |(array, &column): (&ArrayRef, &usize)| {
            written_as(array, &DataType::Utf8).map_err(|e| fault(self.source, self.group, column, &e.to_string()))
        };
        let texts = keys.iter().zip(&columns).map(as_text).collect::<Result<Vec<ArrayRef>>>()?;
        let texts: Vec<_> = texts.iter().map(|array| array.as_string::<i32>()).collect();
        let value = |column: usize, row: usize| texts[column].is_valid(row).then(|| texts[column].value(row));
        let rows = keys[0].len();
        // One column after the other: (cell of the columns before, value) is a cell.
        let mut codes = vec![0; rows];
        let mut firsts: Vec<usize> = Vec::new();
        for column in 0..texts.len() {
            let mut known: HashMap<(usize, Option<&str>), usize> = HashMap::new();
            firsts.clear();
            for (row, code) in codes.iter_mut().enumerate() {
                *code = *known.entry((*code, value(column, row))).or_insert_with(|| {
                    firsts.push(row);
                    firsts.len() - 1
                });
            }
        }
        let arm = texts.len() - 1;
        let name = |&row: &usize| {
            let by = (0..arm).map(|column| value(column, row).map(str::to_owned)).collect();
            let arm = value(arm, row).ok_or_else(|| {
                let name = &self.source.columns()[self.columns.arm].name;
                let text = format!(
                    "{name:?} is null in row {}: every customer must be in an arm; leave out customers who are in none",
                    first + row as u64
                );
                Error::input(text).of_columns([name]).of_option("--arm")
            })?;
            Ok((by, arm.to_owned()))
        };
        let names = firsts.iter().map(name).collect::<Result<Vec<CellKey>>>()?;
        Ok((codes, names))
    }

    /// The outcomes of a batch, by column.
    fn outcomes(&self, arrays: &[ArrayRef], first: u64) -> Result<Vec<Vec<f64>>> {
        let columns = self.columns.outcomes.iter().zip(arrays).enumerate();
        let values = columns.map(|(i, (&column, array))| {
            let values = self.values(array, column, first)?;
            if i < self.columns.conversions {
                self.vet_conversion(&values, column, first)?;
            }
            Ok(values)
        });
        values.collect()
    }

    /// The outcomes of a batch in a column.
    fn values(&self, array: &ArrayRef, column: usize, first: u64) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(array.len());
        as_f64(array, &mut values).map_err(|why| fault(self.source, self.group, column, &why))?;
        let described = &self.source.columns()[column];
        if described.joined.is_some() {
            let nulls = array.logical_nulls();
            let rows = nulls.iter().flat_map(|nulls| (0..values.len()).filter(|&row| nulls.is_null(row)));
            let rows: Vec<usize> = rows.collect();
            rows.into_iter().for_each(|row| values[row] = 0.0);
        }
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(row) => {
                let what = if array.is_null(row) { "null".to_owned() } else { values[row].to_string() };
                let text = format!(
                    "{:?} is {what} in row {}; an outcome is a number, 0 where nothing happened",
                    described.name,
                    first + row as u64
                );
                Err(Error::input(text).of_kind(ErrorKind::Column).of_columns([&described.name]))
            }
        }
    }

    fn vet_conversion(&self, values: &[f64], column: usize, first: u64) -> Result<()> {
        let Some(row) = values.iter().position(|&v| v != 0.0 && v != 1.0) else { return Ok(()) };
        let name = &self.source.columns()[column].name;
        let text = format!(
            "{name:?} is {} in row {}; a conversion is 0 or 1: name amounts with --money",
            values[row],
            first + row as u64
        );
        Err(Error::input(text).of_kind(ErrorKind::Column).of_columns([name]).of_option("--conversion"))
    }
}
