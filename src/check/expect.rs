//! Expectations about an input, read from TOML, and their breaches.
//!
//! ```toml
//! [table]
//! row_count = [1000, 2000000]
//!
//! [columns.customer_id]
//! not_null = true
//! unique = true
//!
//! [columns.age_years]
//! range = [18, 120]
//! max_null_share = 0.02
//!
//! [columns.region]
//! allowed = ["north", "south"]
//!
//! [columns.snapshot]
//! newest_at_least = "2026-10-01"
//!
//! [columns.paid_at]
//! range = ["2026-10-01", "2026-10-31T18:00:00Z"]
//! ```
//!
//! A day as the end of a range includes the whole day. Times without an offset are UTC, as those of columns are. Bounds
//! and listed values are compared exactly, digit by digit, with whole numbers, decimals and timestamps.
//!
//! Missing means null, NaN, or a column that a file does not have; missing values break only `not_null` and
//! `max_null_share`. Infinities lie outside every range.

use std::borrow::Cow;
use std::path::Path;

use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::breach::Breach;
use super::class::Class;
use super::grain::Limit;
use super::piece::{key_of_number, key_of_text};
use super::profile::{ColumnLimits, ColumnShape, ColumnValues, Profile};
use super::value::Value;
use crate::error::Result;
use crate::input::Source;
use crate::text::{
    self, ExactNumber, NANOS_A_DAY, Phrase, TomlFaults, TomlText, date, integer, parse_date, parse_time, quoted, shown,
};

/// Digits of a second in the bounds of times.
const NANOS: u8 = 9;

const TABLE_KEYS: [&str; 1] = ["row_count"];
const COLUMN_KEYS: [&str; 6] = ["not_null", "unique", "range", "allowed", "max_null_share", "newest_at_least"];

/// Expectations of one column.
#[derive(Debug, Default)]
struct Expected {
    at: usize,
    not_null: bool,
    unique: bool,
    max_null_share: Option<f64>,
    newest: Option<Limit>,
    /// As it is shown.
    range: Option<(String, String)>,
    limits: ColumnLimits,
}

/// Expectations that were read and are valid for the input.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    row_count: Option<(u64, u64)>,
    columns: Vec<Expected>,
    /// Their number.
    pub(super) count: usize,
}

impl Expectations {
    /// Reads a file of expectations and validates it against an input.
    ///
    /// # Errors
    /// All faults of the file at once, each with line and column: malformed TOML, unknown keys and columns (with the
    /// nearest known name), and values that do not fit the column's type.
    pub(super) fn read(path: &Path, source: &Source) -> Result<Self> {
        let text = TomlText::read(path)?;
        let mut reader = ExpectationsReader { source, toml: TomlFaults::new(&text) };
        let table = reader.toml.table();
        let found = table.map(|table| reader.top(&table)).unwrap_or_default();
        reader.toml.finish(found)
    }

    /// The limits to count, by position of the column.
    pub(super) fn limits(&self, columns: usize) -> Vec<ColumnLimits> {
        let mut all = vec![ColumnLimits::default(); columns];
        self.columns.iter().for_each(|c| all[c.at] = c.limits.clone());
        all
    }

    /// The columns whose values must be unique.
    pub(super) fn unique(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().filter(|c| c.unique).map(|c| c.at)
    }

    /// All breaches. `repeated` returns how many rows of a column repeat an earlier value. Values of `personal` columns
    /// are never shown.
    pub(super) fn breaches(
        &self,
        source: &Source,
        profiles: &[Profile],
        personal: &[bool],
        repeated: impl Fn(usize) -> Option<u64>,
    ) -> Vec<Breach> {
        let mut found = Vec::new();
        if let Some((least, most)) = self.row_count
            && !(least..=most).contains(&source.rows())
        {
            let rows = source.rows();
            let text = Phrase::new(
                format!("{rows} rows, where {least} to {most} are expected"),
                format!("{rows} 行，预期 {least} 至 {most} 行"),
            );
            found.push(Breach { column: None, expectation: "row_count", rows: None, text });
        }
        for expected in &self.columns {
            let profile = &profiles[expected.at];
            let told = !personal[expected.at];
            let broken = [
                expected.null_breach(profile),
                expected.null_share_breach(profile, source.rows()),
                expected.unique_breach(repeated(expected.at)),
                expected.range_breach(profile),
                expected.list_breach(profile, told),
                expected.newest_breach(profile, told),
            ];
            let name = &source.columns()[expected.at].name;
            found.extend(broken.into_iter().flatten().map(|(expectation, rows, text)| Breach {
                column: Some(name.clone()),
                expectation,
                rows,
                text,
            }));
        }
        found
    }
}

/// Expectation, rows and text of a [`Breach`].
type Broken = (&'static str, Option<u64>, Phrase);

impl Expected {
    fn null_breach(&self, profile: &Profile) -> Option<Broken> {
        let missing = profile.missing();
        let text = || Phrase::new(format!("{missing} values are missing"), format!("{missing} 个值缺失"));
        (self.not_null && missing > 0).then(|| ("not_null", Some(missing), text()))
    }

    fn null_share_breach(&self, profile: &Profile, rows: u64) -> Option<Broken> {
        let missing = profile.missing();
        let share = missing as f64 / rows.max(1) as f64;
        let most = self.max_null_share.filter(|most| share > *most)?;
        let text = Phrase::new(
            format!("{share:.4} of the values are missing, where at most {most} may be"),
            format!("缺失率为 {share:.4}，上限为 {most}"),
        );
        Some(("max_null_share", Some(missing), text))
    }

    fn unique_breach(&self, repeated: Option<u64>) -> Option<Broken> {
        let rows = repeated.filter(|&n| self.unique && n > 0)?;
        let text = Phrase::new(
            format!("{rows} rows repeat a value of an earlier row"),
            format!("{rows} 行的取值与之前的行重复"),
        );
        Some(("unique", Some(rows), text))
    }

    fn range_breach(&self, profile: &Profile) -> Option<Broken> {
        let (low, high) = self.range.as_ref().filter(|_| profile.outside > 0)?;
        let n = profile.outside;
        let text =
            Phrase::new(format!("{n} values lie outside {low} to {high}"), format!("{n} 个值超出范围 {low} 至 {high}"));
        Some(("range", Some(n), text))
    }

    fn list_breach(&self, profile: &Profile, told: bool) -> Option<Broken> {
        if self.limits.allowed.is_none() || profile.unlisted == 0 {
            return None;
        }
        let n = profile.unlisted;
        let example = profile.example.as_ref().filter(|_| told).map(|e| quoted(e));
        let such = |before: &str| example.as_ref().map_or_else(String::new, |e| format!("{before}{e}"));
        let text = Phrase::new(
            format!("{n} values are not in the list{}", such(", such as ")),
            format!("{n} 个值不在列表中{}", such("，例如 ")),
        );
        Some(("allowed", Some(n), text))
    }

    fn newest_breach(&self, profile: &Profile, told: bool) -> Option<Broken> {
        let least = self.newest?;
        let ColumnValues::Numbers(numbers) = &profile.values else { return None };
        let newest = numbers.edges().high.first().map(|&(place, _)| place);
        if newest.is_some_and(|newest| newest >= numbers.grain.first(&least)) {
            return None;
        }
        let there = match newest {
            Some(newest) if told => {
                let newest = numbers.grain.value(newest, Class::Date);
                Phrase::new(format!("the newest is {newest}"), format!("最新日期为 {newest}"))
            }
            Some(_) => Phrase::new("the newest is older", "最新日期过早"),
            None => Phrase::new("there is none", "没有日期"),
        };
        let least = least.time();
        let text = Phrase::new(
            format!("{}, where {least} or later is expected", there.en),
            format!("{}，预期不早于 {least}", there.zh),
        );
        Some(("newest_at_least", None, text))
    }
}

/// Reads a file and collects its faults.
struct ExpectationsReader<'a> {
    source: &'a Source,
    toml: TomlFaults<'a>,
}

impl ExpectationsReader<'_> {
    fn top(&mut self, file: &DeTable<'_>) -> Expectations {
        let mut found = Expectations::default();
        for (key, value) in file {
            match key.get_ref().as_ref() {
                "table" => {
                    if let Some(table) = self.toml.subtable(key, value, "table") {
                        self.table(table, &mut found);
                    }
                }
                "columns" => {
                    for (name, choices) in self.toml.subtable(key, value, "columns").into_iter().flatten() {
                        self.column(name, choices.get_ref(), &mut found);
                    }
                }
                _ => self.toml.unknown_name(key, "section", &["table", "columns"]),
            }
        }
        found
    }

    fn table(&mut self, table: &DeTable<'_>, found: &mut Expectations) {
        for (key, value) in table {
            if key.get_ref() != "row_count" {
                self.toml.unknown_name(key, "expectation of the table", &TABLE_KEYS);
                continue;
            }
            found.count += 1;
            let whole = |v: &DeValue<'_>| number(v).map(|n| n.number).filter(|n| *n >= 0.0 && n.trunc() == *n);
            let pair = pair(value.get_ref(), whole, whole);
            match pair {
                Some((least, most)) if least <= most => found.row_count = Some((least as u64, most as u64)),
                _ => self.toml.fault(value.span().start, "row_count must be [least, most], whole numbers of rows"),
            }
        }
    }

    fn column(&mut self, key: &Spanned<Cow<'_, str>>, choices: &DeValue<'_>, found: &mut Expectations) {
        let name = key.get_ref();
        let Some(position) = self.source.position(name) else {
            let names: Vec<&str> = self.source.columns().iter().map(|c| c.name.as_str()).collect();
            return self.toml.unknown_name(key, "column", &names);
        };
        let DeValue::Table(choices) = choices else {
            return self.toml.fault(key.span().start, format!("columns.{} must be a table", quoted(name)));
        };
        let mut expected = Expected { at: position, ..Expected::default() };
        for (key, value) in choices {
            let known = key.get_ref().as_ref();
            if !COLUMN_KEYS.contains(&known) {
                self.toml.unknown_name(key, "expectation of a column", &COLUMN_KEYS);
                continue;
            }
            found.count += 1;
            if let Err(what) = self.expectation(known, value, &mut expected) {
                self.toml.fault(value.span().start, format!("{known} of {}: {what}", quoted(name)));
            }
        }
        found.columns.push(expected);
    }

    fn expectation(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &mut Expected) -> Result<(), String> {
        let column = &self.source.columns()[expected.at];
        let shape = ColumnShape::of(column);
        let (class, value) = (shape.class, value.get_ref());
        let flag = |value: &DeValue<'_>| match value {
            DeValue::Boolean(yes) => Ok(*yes),
            _ => Err("must be true or false".to_owned()),
        };
        match key {
            "not_null" => expected.not_null = flag(value)?,
            "unique" => {
                if column.is_partition || class == Class::Other {
                    return Err(format!("cannot be checked for the type {}", column.data_type));
                }
                if let Some(conflict) = column.conflicts.first() {
                    return Err(format!("cannot be checked: {}", shown(&conflict.en)));
                }
                expected.unique = flag(value)?;
            }
            "max_null_share" => {
                let share = number(value).map(|s| s.number).filter(|s| (0.0..=1.0).contains(s));
                expected.max_null_share = Some(share.ok_or("must be a share from 0 to 1")?);
            }
            "newest_at_least" if class != Class::Date => {
                return Err(format!("needs dates; it is {}", column.data_type));
            }
            "newest_at_least" => {
                let what = "must be a date such as \"2026-10-01\", or a time such as \"2026-10-01T12:00:00Z\"";
                expected.newest = Some(moment(value).ok_or(what)?);
            }
            "range" => {
                let read = |value: &DeValue<'_>| Some(number(value)?.rounded_like(&column.data_type));
                let (ends, what) = match class {
                    Class::Number => (pair(value, read, read), "must be [least, most], both included"),
                    Class::Date => (
                        pair(value, moment, end),
                        "must be [first, last], both included: dates such as \"2026-10-01\", of which the last counts to \
                         its end, or times such as \"2026-10-01T12:00:00Z\"",
                    ),
                    _ => return Err(format!("needs numbers or dates; it is {}", column.data_type)),
                };
                let (low, high) = ends.filter(|(low, high)| low.number <= high.number).ok_or(what)?;
                expected.limits.range = Some((shape.grain.first(&low), shape.grain.last(&high)));
                let told = |bound: &Limit| if class == Class::Date { bound.day() } else { bound.shown() };
                expected.range = Some((told(&low), told(&high)));
            }
            _ => {
                let DeValue::Array(list) = value else { return Err("must be a list of values".into()) };
                let keys = list.iter().map(|v| key_of(v.get_ref(), shape, &column.data_type));
                let keys = keys.collect::<Option<Vec<Option<u64>>>>();
                let keys = keys.ok_or_else(|| format!("a value does not fit {}", column.data_type))?;
                expected.limits.allowed = Some(keys.into_iter().flatten().collect());
            }
        }
        Ok(())
    }
}

/// The key of a value, or None within if no value of the column can equal it. None if it is of another class.
fn key_of(value: &DeValue<'_>, shape: ColumnShape, data_type: &DataType) -> Option<Option<u64>> {
    let bound = match (shape.class, value) {
        (Class::Text, DeValue::String(text)) => return Some(Some(key_of_text(text))),
        (Class::Boolean, DeValue::Boolean(yes)) => return Some(Some(key_of_number(f64::from(u8::from(*yes))))),
        (Class::Number, value) => number(value)?.rounded_like(data_type),
        (Class::Date, value) => moment(value)?,
        _ => return None,
    };
    let place = Some(shape.grain.first(&bound)).filter(|place| *place == shape.grain.last(&bound));
    Some(place.and_then(|place| shape.grain.key(place)))
}

fn number(value: &DeValue<'_>) -> Option<Limit> {
    match value {
        DeValue::Float(x) => {
            let number = x.as_str().parse().ok().filter(|x: &f64| !x.is_nan())?;
            let exact = ExactNumber::parse(x.as_str().trim_start_matches('+'));
            Some(Limit { number, exact: exact.map(|exact| (exact.digits, exact.scale)) })
        }
        value => integer(value).map(|n| Limit { number: n as f64, exact: Some((n, 0)) }),
    }
}

fn moment(value: &DeValue<'_>) -> Option<Limit> {
    parse_time(&written(value)?).map(Limit::of_time)
}

/// The last moment of a day, or the moment that is given.
fn end(value: &DeValue<'_>) -> Option<Limit> {
    let text = written(value)?;
    let nanos = parse_time(&text)?;
    Some(Limit::of_time(if parse_date(&text).is_some() { nanos + NANOS_A_DAY - 1 } else { nanos }))
}

impl Limit {
    /// A time in nanoseconds since 1970.
    fn of_time(nanos: i128) -> Self {
        let (day, rest) = (nanos.div_euclid(NANOS_A_DAY) as f64, nanos.rem_euclid(NANOS_A_DAY));
        // As f64, the last moment of a day may be the first of the next.
        let number = (day + rest as f64 / NANOS_A_DAY as f64).min((day + 1.0).next_down());
        Limit { number, exact: Some((nanos, NANOS)) }
    }

    /// A bound of a column of narrow floating point, rounded like the column's values.
    fn rounded_like(self, data_type: &DataType) -> Self {
        let number = match data_type {
            DataType::Float16 => <Float16Type as ArrowPrimitiveType>::Native::from_f64(self.number).to_f64(),
            DataType::Float32 => f64::from(self.number as f32),
            _ => self.number,
        };
        Limit { number, ..self }
    }

    /// A number with its digits.
    fn shown(&self) -> String {
        let exact = self.exact.map(|(digits, scale)| Value::decimal(digits, scale as i8, self.number).to_string());
        exact.unwrap_or_else(|| format!("{:e}", self.number))
    }

    /// A time.
    fn time(&self) -> String {
        self.exact.map_or_else(|| date(self.number), |(nanos, scale)| text::moment(nanos, scale))
    }

    /// A time; the end of a day as the day.
    fn day(&self) -> String {
        let whole = self.exact.map(|(nanos, _)| nanos + 1).filter(|nanos| nanos % NANOS_A_DAY == 0);
        whole.map_or_else(|| self.time(), |nanos| text::moment(nanos - NANOS_A_DAY, NANOS))
    }
}

/// The text of a date or time, quoted or not.
fn written<'a>(value: &'a DeValue<'_>) -> Option<Cow<'a, str>> {
    match value {
        DeValue::String(text) => Some(Cow::Borrowed(text)),
        DeValue::Datetime(datetime) => Some(Cow::Owned(datetime.to_string())),
        _ => None,
    }
}

/// The ends of a range, each read in its own way.
fn pair<T>(
    value: &DeValue<'_>,
    low: impl Fn(&DeValue<'_>) -> Option<T>,
    high: impl Fn(&DeValue<'_>) -> Option<T>,
) -> Option<(T, T)> {
    let DeValue::Array(list) = value else { return None };
    let [first, last] = &list[..] else { return None };
    Some((low(first.get_ref())?, high(last.get_ref())?))
}
