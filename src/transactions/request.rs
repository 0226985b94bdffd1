//! The user's request, by column names; and the same resolved against the columns of the input.

use std::path::PathBuf;
use std::str::FromStr;

use arrow::datatypes::DataType;

use super::amount::AmountColumn;
use super::moment::TimestampUnit;
use crate::error::{Error, Result};
use crate::input::{Access, Source, SourceColumn, agreed, is_whole_id};
use crate::job::Resources;
use crate::text::did_you_mean;

/// Which transactions are returns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Returns {
    /// Those with a negative amount.
    #[default]
    Negative,
    /// Those for which this column is true, or an integer other than 0; null means not a return. Their amounts are
    /// subtracted, whatever their sign. A negative amount without the mark is then a purchase that lowers the sums.
    Column(String),
}

impl FromStr for Returns {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            None if text == "negative" => Ok(Returns::Negative),
            Some(("column", name)) if !name.is_empty() => Ok(Returns::Column(name.to_owned())),
            _ => Err(Error::usage(format!("{text:?} is not a valid value for --returns; use negative or column=NAME"))
                .of_option("--returns")),
        }
    }
}

/// Selects the rows with one value of a column: `currency=EUR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// Its value, as text.
    pub value: String,
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((column, value)) if !column.is_empty() && !value.is_empty() => {
                Ok(Filter { column: column.to_owned(), value: value.to_owned() })
            }
            _ => Err(Error::usage(format!("{text:?} is not a filter; write COLUMN=VALUE, such as currency=EUR"))
                .of_option("--currency")),
        }
    }
}

/// What to compute from transactions. [`RfmRequest::new`] sets the defaults.
#[derive(Debug, Clone)]
pub struct RfmRequest {
    /// Files, folders and patterns with transactions.
    pub inputs: Vec<PathBuf>,
    /// How they are opened. Default: as unencrypted files.
    pub access: Access,
    /// The column that identifies the customer: integers, or text of any length.
    pub customer: String,
    /// The column of dates or timestamps.
    pub time: String,
    /// The column of amounts, or two columns to multiply: `quantity*price`.
    pub amount: String,
    /// The column that identifies the transaction of a row: integers, text or dates. Default: each row is a
    /// transaction.
    pub transaction: Option<String>,
    /// The date as of which customers are described, exclusive. Default: the day after the newest time in the data.
    pub reference: Option<String>,
    /// Only transactions within this many days before the reference date. Default: all.
    pub window: Option<u32>,
    /// Which transactions are returns. Default: those with a negative amount.
    pub returns: Returns,
    /// Use only transactions with this value of a column. Default: all.
    pub currency: Option<Filter>,
    /// The column of categories to count and sum by. Default: none.
    pub category: Option<String>,
    /// How many of the most common categories get their own columns, 1 to 1000. Default 10.
    pub top: usize,
    /// Days in each of two windows to compare. Default: none.
    pub trend: Option<u32>,
    /// Whether to refuse an input with transactions that lack a time, an amount or a transaction's name. Default: they
    /// are left out and counted.
    pub refuse_incomplete: bool,
    /// Threads, memory, the folder for a scratch file.
    pub resources: Resources,
    /// The file to write.
    pub out: PathBuf,
}

impl RfmRequest {
    /// The required parts, and defaults for the rest.
    pub fn new(
        inputs: Vec<PathBuf>,
        customer: impl Into<String>,
        time: impl Into<String>,
        amount: impl Into<String>,
        out: impl Into<PathBuf>,
    ) -> Self {
        RfmRequest {
            inputs,
            access: Access::default(),
            customer: customer.into(),
            time: time.into(),
            amount: amount.into(),
            transaction: None,
            reference: None,
            window: None,
            returns: Returns::Negative,
            currency: None,
            category: None,
            top: 10,
            trend: None,
            refuse_incomplete: false,
            resources: Resources::default(),
            out: out.into(),
        }
    }

    /// Fails with [`Error::Usage`], naming every value that is out of range.
    pub(super) fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        if self.window == Some(0) {
            faults.push("--window 0: expected at least one day; omit it to use all transactions".to_owned());
        }
        if self.trend == Some(0) {
            faults.push("--trend 0: expected at least one day".to_owned());
        }
        if self.category.is_some() && !(1..=1000).contains(&self.top) {
            faults.push(format!("--top {}: expected 1 to 1000 categories", self.top));
        }
        if let (Some(window), Some(trend)) = (self.window, self.trend)
            && u64::from(window) < 2 * u64::from(trend)
        {
            faults.push(format!(
                "--window {window} is shorter than the two windows of --trend {trend}: expected at least {} days",
                2 * u64::from(trend)
            ));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::usage(faults.join("; "))) }
    }

    /// Finds the columns and checks their types.
    ///
    /// # Errors
    /// All names that do not exist, or all columns of an unsuitable type or on which the files disagree.
    pub(super) fn resolve(&self, source: &Source) -> Result<RfmColumns> {
        let factors = self.factors(source);
        let mut asked: Vec<&str> = vec![&self.customer, &self.time];
        asked.extend(&factors);
        asked.extend(self.transaction.as_deref());
        if let Returns::Column(name) = &self.returns {
            asked.push(name);
        }
        asked.extend(self.currency.as_ref().map(|filter| filter.column.as_str()));
        asked.extend(self.category.as_deref());
        all_exist(source, &asked)?;
        let position = |name: &str| source.position(name).unwrap_or_default();
        let columns = source.columns();
        let columns = RfmColumns {
            customer: position(&self.customer),
            time: position(&self.time),
            factors: factors.iter().map(|name| position(name)).collect(),
            transaction: self.transaction.as_deref().map(position),
            returns: match &self.returns {
                Returns::Negative => None,
                Returns::Column(name) => Some(position(name)),
            },
            currency: self.currency.as_ref().map(|filter| (position(&filter.column), filter.value.clone())),
            category: self.category.as_deref().map(position),
            text: is_text(&columns[position(&self.customer)].data_type),
            unit: TimestampUnit::of(&columns[position(&self.time)].data_type)
                .unwrap_or(TimestampUnit { ticks_a_day: 1 }),
            numbers: factors
                .iter()
                .filter_map(|name| AmountColumn::of(&columns[position(name)].data_type))
                .reduce(AmountColumn::times)
                .unwrap_or(AmountColumn::Float),
        };
        columns.check(source)?;
        Ok(columns)
    }

    /// The amount's column, or the two columns of a product. A column with the whole name takes precedence.
    fn factors<'a>(&'a self, source: &Source) -> Vec<&'a str> {
        match self.amount.split_once('*') {
            Some((one, two)) if source.position(&self.amount).is_none() => vec![one.trim(), two.trim()],
            _ => vec![&self.amount],
        }
    }
}

/// The columns in use: positions in a [`Source`], and the representation of their values.
#[derive(Debug, Clone)]
pub(super) struct RfmColumns {
    pub(super) customer: usize,
    pub(super) time: usize,
    pub(super) factors: Vec<usize>,
    pub(super) transaction: Option<usize>,
    pub(super) returns: Option<usize>,
    pub(super) currency: Option<(usize, String)>,
    pub(super) category: Option<usize>,
    /// Whether customers are identified by text.
    pub(super) text: bool,
    pub(super) unit: TimestampUnit,
    pub(super) numbers: AmountColumn,
}

impl RfmColumns {
    /// All columns in use, in reading order.
    pub(super) fn all(&self) -> Vec<usize> {
        let mut all = vec![self.customer, self.time];
        all.extend(&self.factors);
        all.extend(self.transaction);
        all.extend(self.returns);
        all.extend(self.currency.as_ref().map(|(column, _)| *column));
        all.extend(self.category);
        all
    }

    fn check(&self, source: &Source) -> Result<()> {
        let columns = source.columns();
        let (mut faults, mut refused) = (Vec::new(), Vec::new());
        let mut expect = |column: usize, role: &str, fits: bool, expected: &str| {
            let SourceColumn { name, data_type, is_partition, .. } = &columns[column];
            if *is_partition {
                faults.push(format!(
                    "{name:?} comes from a folder's name and cannot be {role}: choose a column of the files; to use only some \
                     folders, name them as inputs"
                ));
                refused.push(name);
            } else if !fits {
                faults.push(format!("{name:?} cannot be {role}: its type is {data_type}, expected {expected}"));
                refused.push(name);
            }
        };
        let kind = |column: usize| &columns[column].data_type;
        let whole_or_text = |column| is_whole_id(kind(column)) || is_text(kind(column));
        let named = |column| whole_or_text(column) || TimestampUnit::of(kind(column)).is_some();
        expect(self.customer, "the customer", whole_or_text(self.customer), "whole numbers or text");
        let is_time = TimestampUnit::of(&columns[self.time].data_type).is_some();
        expect(self.time, "the time", is_time, "a date or a timestamp; convert the column");
        for &factor in &self.factors {
            let expected = "whole numbers, decimals of up to 38 digits with a scale of 0 to 22, or floating point";
            expect(factor, "the amount", AmountColumn::of(kind(factor)).is_some(), expected);
        }
        if let Some(column) = self.transaction {
            expect(column, "the transaction", named(column), "whole numbers, text or dates");
        }
        if let Some(column) = self.returns {
            let fits = kind(column).is_integer() || *kind(column) == DataType::Boolean;
            expect(column, "the mark of returns", fits, "boolean or whole numbers");
        }
        let label = |column| named(column) || *kind(column) == DataType::Boolean;
        if let Some((column, _)) = self.currency {
            expect(column, "the currency", label(column), "text, whole numbers, dates or boolean");
        }
        if let Some(column) = self.category {
            expect(column, "the category", label(column), "text, whole numbers, dates or boolean");
        }
        if !faults.is_empty() {
            return Err(Error::input(faults.join("; ")).of_columns(refused));
        }
        agreed(self.all().into_iter().map(|i| &columns[i]), "columns in use", None)
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn all_exist(source: &Source, asked: &[&str]) -> Result<()> {
    let names = || source.columns().iter().map(|c| c.name.as_str());
    let mut missing: Vec<&str> = Vec::new();
    for name in asked.iter().filter(|name| source.position(name).is_none()) {
        if !missing.contains(name) {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = missing.iter().map(|name| format!("{name:?}{}", did_you_mean(name, names()))).collect();
    let list: Vec<&str> = names().collect();
    let text = format!("no column is named {}; the input has: {}", shown.join(", "), list.join(", "));
    Err(Error::usage(text).of_columns(missing))
}
