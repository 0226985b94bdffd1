//! Outcomes as events, such as sales: any number of rows a customer, of which those after the contact count.
//!
//! The events of a customer are put together once all are read: an outcome of 0 or 1 is 1 if it is more than 0 in any
//! of them, and money is the exact sum. Neither depends on the order of the rows.

use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::ArrayRef;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::columns::{numbers, position};
use super::request::EvaluateRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Stage;
use crate::input::{
    ColumnReader, Opening, RowGroup, Source, ValueKind, as_f64, check_ids, id_keys, is_whole_id, whole_ids,
};
use crate::numeric::ExactFloats;
use crate::roles::guess_id;
use crate::text::{ByteSize, Phrase, parse_date, thousands};

/// Outcomes of 0 or 1: those of an event are bits of a word.
const MOST_CONVERSIONS: usize = 64;

/// Which events were counted, and why others were not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventCounts {
    /// Rows of the events.
    pub rows: u64,
    /// Rows that counted.
    pub used: u64,
    /// Rows before the day of the contact.
    pub before_contact: u64,
    /// Rows later than `--within-days` allows.
    pub too_late: u64,
    /// Rows without an id or a day.
    pub incomplete: u64,
    /// Rows of customers who are in no arm; those before the contact or too late are not among them.
    pub unknown: u64,
    /// Customers with an event that counted.
    pub customers: u64,
    /// Customers with more than one.
    pub repeated: u64,
}

impl EventCounts {
    /// In words: how many counted, and why others did not.
    pub fn phrase(&self) -> Phrase {
        let EventCounts { rows, used, before_contact, too_late, incomplete, unknown, customers, repeated } = *self;
        let left_out = [
            (before_contact, "before the contact", "早于触达"),
            (too_late, "too late", "超出期限"),
            (incomplete, "without an id or a day", "缺少编号或日期"),
            (unknown, "of customers who are in no arm", "客户不在任何组"),
        ];
        let left_out = left_out.iter().filter(|(n, ..)| *n > 0);
        let (english, chinese): (Vec<String>, Vec<String>) =
            left_out.map(|(n, en, zh)| (format!("{} {en}", thousands(*n)), format!("{zh}{}条", thousands(*n)))).unzip();
        let [rows, used, customers, repeated] = [rows, used, customers, repeated].map(thousands);
        let mut en =
            format!("events: {used} of {rows} count, of {customers} customers, {repeated} of them with several");
        let mut zh = format!("事件：{rows}条中{used}条计入，涉及{customers}位客户，其中{repeated}位不止一条");
        if !english.is_empty() {
            en += &format!("; not {}", english.join(", "));
            zh += &format!("；未计入：{}", chinese.join("，"));
        }
        Phrase::new(en, zh)
    }
}

/// What the events of each customer come to.
#[derive(Debug)]
pub(super) struct CustomerEvents {
    /// Where the customers' ids are in the source.
    pub(super) id: usize,
    conversions: usize,
    money_columns: usize,
    /// Ascending by key.
    customers: Vec<EventsOfOne>,
    /// The money of the first customer, by column, then that of the second, and so on.
    money: Vec<f64>,
    counts: EventCounts,
}

#[derive(Debug)]
struct EventsOfOne {
    key: u128,
    converted: u64,
    rows: u64,
    is_known: AtomicBool,
}

/// An event that may count.
struct EventRow {
    key: u128,
    converted: u64,
    /// Where its money is.
    at: usize,
}

/// Events of a part of the rows.
#[derive(Default)]
struct EventPart {
    rows: Vec<EventRow>,
    money: Vec<f64>,
    counts: EventCounts,
}

/// The columns of events.
struct EventColumns {
    id: usize,
    day: Option<usize>,
    conversion: Vec<usize>,
    money: Vec<usize>,
    /// The first day that counts, and the first that no longer does, in days since 1970.
    window: [f64; 2],
}

impl CustomerEvents {
    /// Reads the events that a request names; `customers` are those with an arm, `contact` is the day of the contact.
    ///
    /// # Errors
    /// Events that cannot be read; columns that do not exist or are of an unsuitable type; ids that would match nobody;
    /// customers without an id or with several rows; amounts that are not finite; too little memory.
    pub(super) fn read(
        request: &EvaluateRequest,
        customers: &Source,
        contact: Option<&str>,
        opening: Opening<'_>,
    ) -> Result<Option<Self>> {
        if request.events.is_empty() {
            return Ok(None);
        }
        let id = id_of(request, customers, opening)?;
        let source = Source::open_as(&request.events, opening)?;
        let columns = EventColumns::find(request, &source, (&customers.columns()[id].name, contact), opening)?;
        let here = &source.columns()[columns.id];
        if is_whole_id(&here.data_type) != is_whole_id(&customers.columns()[id].data_type) {
            let text = format!(
                "--events: its ids in column {:?} are {}, those of the customers {}, so that none would match; convert \
                 one of them",
                here.name,
                here.data_type,
                customers.columns()[id].data_type
            );
            return Err(Error::input(text).of_kind(ErrorKind::Column).of_columns([&here.name]).of_option("--events"));
        }
        vet_memory(&source, columns.money.len(), request.resources.budget())?;
        let part = columns.part(&source, opening)?;
        source.vet_unchanged()?;
        Ok(Some(Self::put_together(id, &columns, part)))
    }

    fn put_together(id: usize, columns: &EventColumns, part: EventPart) -> Self {
        let EventPart { mut rows, money: amounts, counts } = part;
        rows.par_sort_unstable_by_key(|row| row.key);
        let stride = columns.money.len();
        let (mut customers, mut money) = (Vec::new(), Vec::new());
        for of_one in rows.chunk_by(|a, b| a.key == b.key) {
            let converted = of_one.iter().fold(0, |bits, row| bits | row.converted);
            let (rows, is_known) = (of_one.len() as u64, AtomicBool::new(false));
            customers.push(EventsOfOne { key: of_one[0].key, converted, rows, is_known });
            money.extend((0..stride).map(|column| {
                let mut sum = ExactFloats::default();
                of_one.iter().for_each(|row| sum.add(amounts[row.at + column]));
                sum.value()
            }));
        }
        let conversions = columns.conversion.len();
        CustomerEvents { id, conversions, money_columns: stride, customers, money, counts }
    }

    /// The outcomes of customers with these ids, the first in row `first`: conversions, then money, by column.
    pub(super) fn of(&self, ids: &ArrayRef, first: u64) -> Result<Vec<Vec<f64>>> {
        let keys = whole_ids(ids, first).and_then(|ids| id_keys(&ids));
        let keys = keys.map_err(|e| Error::input(format!("cannot read the ids: {e}")).of_kind(ErrorKind::Column))?;
        let mut values = vec![vec![0.0; keys.len()]; self.conversions + self.money_columns];
        for (row, key) in keys.into_iter().enumerate() {
            let place = key.and_then(|key| self.customers.binary_search_by_key(&key, |customer| customer.key).ok());
            let Some(place) = place else { continue };
            let customer = &self.customers[place];
            customer.is_known.store(true, Ordering::Relaxed);
            for (column, values) in values.iter_mut().enumerate() {
                values[row] = match column.checked_sub(self.conversions) {
                    None => f64::from(u8::from(customer.converted >> column & 1 == 1)),
                    Some(column) => self.money[place * self.money_columns + column],
                };
            }
        }
        Ok(values)
    }

    /// The counts, after all customers were asked for.
    pub(super) fn counts(&self) -> EventCounts {
        let mut counts = self.counts;
        for customer in &self.customers {
            match customer.is_known.load(Ordering::Relaxed) {
                true => {
                    counts.used += customer.rows;
                    counts.customers += 1;
                    counts.repeated += u64::from(customer.rows > 1);
                }
                false => counts.unknown += customer.rows,
            }
        }
        counts
    }
}

/// The column of the customers' ids, which are different.
fn id_of(request: &EvaluateRequest, customers: &Source, opening: Opening<'_>) -> Result<usize> {
    let id = match &request.id {
        Some(name) => position(customers, name, "--id")?,
        None => guess_id(customers.columns(), &[]).ok_or_else(|| {
            let text = "no column of the customers is named like an id, by which events are found; name it with --id";
            Error::usage(text.into()).of_kind(ErrorKind::Column).of_option("--id")
        })?,
    };
    let found = check_ids(customers, id, request.resources.budget(), opening.watch)?;
    let name = &customers.columns()[id].name;
    let (rows, what) = match (found.nulls, found.duplicates) {
        (0, 0) => return Ok(id),
        (0, repeated) => (repeated, "repeat an id"),
        (nulls, _) => (nulls, "have no id"),
    };
    let (rows, all) = (thousands(rows), thousands(customers.rows()));
    let text = format!(
        "{rows} of {all} rows {what} in column {name:?}; events are of customers, who have one row each in the table of \
         arms"
    );
    Err(Error::input(text).of_kind(ErrorKind::Values).of_columns([name]))
}

/// Refuses events that might not fit in memory.
fn vet_memory(source: &Source, money: usize, budget: u64) -> Result<()> {
    // A row, and while rows are put together, a customer.
    let row = size_of::<EventRow>() + size_of::<EventsOfOne>() + 2 * size_of::<f64>() * money;
    let needed = source.rows().saturating_mul(row as u64);
    if needed <= budget {
        return Ok(());
    }
    let text = format!(
        "{} events need up to {} of memory, but the limit is {}; raise --memory, or give only the events after the \
         contact",
        thousands(source.rows()),
        ByteSize(needed),
        ByteSize(budget)
    );
    Err(Error::environment(text).of_option("--memory"))
}

impl EventColumns {
    fn find(
        request: &EvaluateRequest,
        source: &Source,
        (id, contact): (&str, Option<&str>),
        opening: Opening<'_>,
    ) -> Result<Self> {
        if request.conversion.len() > MOST_CONVERSIONS {
            let text = format!("--conversion: at most {MOST_CONVERSIONS} columns of events");
            return Err(Error::usage(text).of_option("--conversion"));
        }
        let day = request.event_day.as_deref().map(|name| position(source, name, "--event-day")).transpose()?;
        let window = match day {
            Some(column) => window(request, source, column, contact)?,
            None => {
                opening.watch.warn(
                    "all events count, whenever they were: name the column of their days with --event-day, so that \
                     those before the contact are left out",
                );
                [f64::NEG_INFINITY, f64::INFINITY]
            }
        };
        Ok(EventColumns {
            id: position(source, id, "--events")?,
            day,
            conversion: numbers(source, &request.conversion, "--conversion")?,
            money: numbers(source, &request.money, "--money")?,
            window,
        })
    }

    /// The events of all rows.
    fn part(&self, source: &Source, opening: Opening<'_>) -> Result<EventPart> {
        opening.watch.stage(Stage::Decode, source.rows(), "rows", || {
            let groups = source.row_groups().par_iter().with_max_len(1).map(|&group| {
                opening.watch.check()?;
                let part = self.of_group(source, group)?;
                opening.watch.advance(Stage::Decode, group.rows);
                Ok(part)
            });
            let parts: Vec<EventPart> = groups.collect::<Result<_>>()?;
            let mut all = EventPart::default();
            for part in parts {
                let at = all.money.len();
                all.rows.extend(part.rows.into_iter().map(|row| EventRow { at: row.at + at, ..row }));
                all.money.extend(part.money);
                all.counts.rows += part.counts.rows;
                all.counts.before_contact += part.counts.before_contact;
                all.counts.too_late += part.counts.too_late;
                all.counts.incomplete += part.counts.incomplete;
            }
            Ok(all)
        })
    }

    fn of_group(&self, source: &Source, group: RowGroup) -> Result<EventPart> {
        let keys = self.keys(source, group)?;
        let mut days = vec![0.0; if self.day.is_some() { 0 } else { keys.len() }];
        if let Some(day) = self.day {
            let mut reader = ColumnReader::open(source, group, day)?;
            while reader.next_values(&mut days, &mut 0)? {}
        }
        let values = |columns: &[usize]| -> Result<Vec<Vec<f64>>> {
            columns.iter().map(|&column| amounts(source, group, column)).collect()
        };
        let (conversion, money) = (values(&self.conversion)?, values(&self.money)?);
        let mut part = EventPart::default();
        part.counts.rows = keys.len() as u64;
        for (row, (key, day)) in keys.into_iter().zip(days).enumerate() {
            let Some(key) = key.filter(|_| !day.is_nan()) else {
                part.counts.incomplete += 1;
                continue;
            };
            if day < self.window[0] {
                part.counts.before_contact += 1;
            } else if day >= self.window[1] {
                part.counts.too_late += 1;
            } else {
                let bit = |(column, values): (usize, &Vec<f64>)| u64::from(values[row] > 0.0) << column;
                let converted = conversion.iter().enumerate().map(bit).sum();
                part.rows.push(EventRow { key, converted, at: part.money.len() });
                part.money.extend(money.iter().map(|values| values[row]));
            }
        }
        Ok(part)
    }

    fn keys(&self, source: &Source, group: RowGroup) -> Result<Vec<Option<u128>>> {
        let mut keys = Vec::with_capacity(group.rows as usize);
        let mut reader = ColumnReader::open(source, group, self.id)?;
        let name = &source.columns()[self.id].name;
        while let Some(array) = reader.next_array()? {
            let ids = whole_ids(&array, group.first_row + keys.len() as u64).and_then(|ids| id_keys(&ids));
            let refuse = |e| Error::input(format!("cannot read the ids in column {name:?}: {e}")).of_columns([name]);
            keys.extend(ids.map_err(refuse)?);
        }
        Ok(keys)
    }
}

/// The days that count.
fn window(request: &EvaluateRequest, source: &Source, day: usize, contact: Option<&str>) -> Result<[f64; 2]> {
    let column = &source.columns()[day];
    if ValueKind::of(&column.data_type) != ValueKind::Date {
        let text = format!("--event-day {:?} is {}, not a date or a timestamp", column.name, column.data_type);
        let error = Error::input(text).of_kind(ErrorKind::Column).of_columns([&column.name]);
        return Err(error.of_option("--event-day"));
    }
    let contact = request.contact_day.as_deref().or(contact);
    let Some(contact) = contact else {
        let text = "--contact-day is missing: events before it do not count; a design would tell the day";
        return Err(Error::usage(text.into()).of_option("--contact-day"));
    };
    let first = parse_date(contact).ok_or_else(|| {
        let text = format!("the day of the contact is {contact:?}; expected a date such as 2027-03-01");
        Error::usage(text).of_option("--contact-day")
    })?;
    Ok([first, request.within_days.map_or(f64::INFINITY, |days| first + f64::from(days))])
}

/// The amounts of a column; a missing one is 0.
fn amounts(source: &Source, group: RowGroup, column: usize) -> Result<Vec<f64>> {
    let mut values = Vec::with_capacity(group.rows as usize);
    let mut reader = ColumnReader::open(source, group, column)?;
    let name = &source.columns()[column].name;
    while let Some(array) = reader.next_array()? {
        let before = values.len();
        as_f64(&array, &mut values).map_err(|why| Error::input(format!("{name:?}: {why}")).of_columns([name]))?;
        let nulls = array.logical_nulls();
        for (row, value) in values[before..].iter_mut().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                *value = 0.0;
            } else if !value.is_finite() {
                let row = group.first_row + (before + row) as u64;
                let text = format!("{name:?} is {value} in row {row} of the events; an outcome is a number");
                return Err(Error::input(text).of_kind(ErrorKind::Column).of_columns([name]));
            }
        }
    }
    Ok(values)
}
