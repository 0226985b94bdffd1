//! Computes one row of features from the transactions of a customer.
//!
//! Nothing depends on the order of the transactions: counts are integers, sums are exact (see `money`), and times are
//! sorted before gaps are computed.

use arrow::datatypes::{DataType, Field};

use super::categories::{OTHER, Top};
use super::group::Grouped;
use super::moment::TimestampUnit;
use super::money::Money;
use super::partitions::PartitionLayout;

/// The definition of the features.
#[derive(Debug)]
pub(super) struct CustomerShape {
    pub(super) layout: PartitionLayout,
    pub(super) unit: TimestampUnit,
    /// 10^scale of the amounts.
    pub(super) money_unit: f64,
    pub(super) reference: i64,
    /// Ticks of each of the two windows.
    pub(super) trend: Option<i64>,
    /// The category's column and its most common values.
    pub(super) categories: Option<(String, Top)>,
}

/// A column of the output.
#[derive(Debug)]
pub(super) enum CustomerValues {
    /// Never null.
    Counts(Vec<i64>),
    /// NaN stands for null.
    Numbers(Vec<f64>),
}

impl CustomerShape {
    /// The columns after the customer's.
    pub(super) fn fields(&self) -> Vec<Field> {
        let count = |name: String| Field::new(name, DataType::Int64, false);
        let number = |name: String| Field::new(name, DataType::Float64, true);
        let mut fields = vec![number("recency_days".into()), count("frequency".into())];
        fields.extend(["monetary_sum", "monetary_mean", "monetary_max"].map(|name| number(name.into())));
        fields.push(count("returns_count".into()));
        let rest = ["returns_share", "tenure_days", "gap_mean_days", "gap_deviation_days"];
        fields.extend(rest.map(|name| number(name.into())));
        if self.trend.is_some() {
            fields.extend(["recent", "before", "change"].map(|window| count(format!("trend_{window}_count"))));
            fields.extend(["recent", "before", "change"].map(|window| number(format!("trend_{window}_sum"))));
        }
        if let Some((column, top)) = &self.categories {
            for name in top.names.iter().map(String::as_str).chain([OTHER]) {
                fields.push(count(format!("{column}_{name}_count")));
                fields.push(number(format!("{column}_{name}_sum")));
            }
        }
        fields
    }

    /// The features of a partition's customers, in the order of [`fields`](Self::fields).
    pub(super) fn measure<M: Money>(&self, grouped: &Grouped) -> Vec<CustomerValues> {
        let customers = grouped.len();
        let mut columns: Vec<CustomerValues> = self
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Int64 => CustomerValues::Counts(Vec::with_capacity(customers)),
                _ => CustomerValues::Numbers(Vec::with_capacity(customers)),
            })
            .collect();
        let mut account = Account::<M>::new(self);
        for rows in grouped.customers() {
            account.read(rows);
            account.write(&mut columns);
        }
        columns
    }

    fn window(&self, time: i64) -> Option<usize> {
        let days = self.trend?;
        let first = self.reference.saturating_sub(days);
        match time {
            _ if time >= first => Some(RECENT),
            _ if time >= first.saturating_sub(days) => Some(BEFORE),
            _ => None,
        }
    }
}

const RECENT: usize = 0;
const BEFORE: usize = 1;

/// A row of a named transaction.
#[derive(Debug, Clone, Copy)]
struct Line {
    transaction: (u64, u64),
    word: u64,
    returned: bool,
    window: Option<usize>,
}

/// The state of one customer; reused for the next.
struct Account<'a, M> {
    shape: &'a CustomerShape,
    purchases: u64,
    returns: u64,
    bought: M,
    returned: M,
    largest: f64,
    /// Times of purchases; sorted and distinct once all rows are read.
    times: Vec<i64>,
    windows: [(u64, M); 2],
    categories: Vec<(u64, M)>,
    lines: Vec<Line>,
}

impl<'a, M: Money> Account<'a, M> {
    fn new(shape: &'a CustomerShape) -> Self {
        let categories = shape.categories.as_ref().map_or(0, |(_, top)| top.names.len() + 1);
        Account {
            shape,
            purchases: 0,
            returns: 0,
            bought: M::default(),
            returned: M::default(),
            largest: f64::NAN,
            times: Vec::new(),
            windows: Default::default(),
            categories: vec![Default::default(); categories],
            lines: Vec::new(),
        }
    }

    fn clear(&mut self) {
        (self.purchases, self.returns, self.largest) = (0, 0, f64::NAN);
        self.bought.clear();
        self.returned.clear();
        self.times.clear();
        self.lines.clear();
        for (count, sum) in self.windows.iter_mut().chain(&mut self.categories) {
            *count = 0;
            sum.clear();
        }
    }

    fn read(&mut self, rows: &[u64]) {
        self.clear();
        let layout = self.shape.layout;
        for row in rows.chunks_exact(layout.value_words()) {
            let (time, word) = (row[0] as i64, row[1]);
            let tag = if layout.tag { row[row.len() - 1] } else { u64::from(M::is_negative(word)) };
            let returned = tag & 1 == 1;
            let window = self.shape.window(time);
            if returned {
                self.returns += 1;
                self.returned.add(word);
            } else {
                self.purchases += 1;
                self.bought.add(word);
                self.times.push(time);
                // Zero has a single sign here; otherwise the order would decide it.
                self.largest = self.largest.max(M::number(word, self.shape.money_unit) + 0.0);
            }
            if let Some(window) = window {
                self.windows[window].0 += u64::from(!returned);
                self.windows[window].1.add(word);
            }
            if let Some((_, top)) = &self.shape.categories {
                let place = top.place((tag >> 1) as u32);
                self.categories[place].0 += u64::from(!returned);
                self.categories[place].1.add(word);
            }
            if layout.transaction {
                self.lines.push(Line { transaction: (row[2], row[3]), word, returned, window });
            }
        }
        if layout.transaction {
            self.count_transactions();
        }
        if !self.times.is_sorted() {
            self.times.sort_unstable();
        }
        self.times.dedup();
    }

    /// Counts transactions instead of rows, and finds the largest one.
    fn count_transactions(&mut self) {
        (self.purchases, self.returns, self.largest) = (0, 0, f64::NAN);
        self.windows.iter_mut().for_each(|(count, _)| *count = 0);
        self.lines.sort_unstable_by_key(|line| (line.transaction, line.returned));
        let mut sum = M::default();
        for lines in self.lines.chunk_by(|a, b| (a.transaction, a.returned) == (b.transaction, b.returned)) {
            if lines[0].returned {
                self.returns += 1;
                continue;
            }
            self.purchases += 1;
            sum.clear();
            lines.iter().for_each(|line| sum.add(line.word));
            self.largest = self.largest.max(sum.value(self.shape.money_unit));
            for window in [RECENT, BEFORE] {
                self.windows[window].0 += u64::from(lines.iter().any(|line| line.window == Some(window)));
            }
        }
    }

    fn write(&self, columns: &mut [CustomerValues]) {
        let mut columns = columns.iter_mut();
        let mut put = |count: u64, number: f64| match columns.next() {
            Some(CustomerValues::Counts(counts)) => counts.push(count as i64),
            Some(CustomerValues::Numbers(numbers)) => numbers.push(number),
            None => {}
        };
        let (unit, reference, money) = (self.shape.unit, self.shape.reference, self.shape.money_unit);
        let since = |time: Option<&i64>| time.map_or(f64::NAN, |&time| unit.days(time, reference));
        let mut all = self.bought.clone();
        all.join(&self.returned);
        put(0, since(self.times.last()));
        put(self.purchases, 0.0);
        put(0, all.value(money));
        put(0, if self.purchases == 0 { f64::NAN } else { self.bought.value(money) / self.purchases as f64 });
        put(0, self.largest);
        put(self.returns, 0.0);
        put(0, self.returns as f64 / (self.purchases + self.returns) as f64);
        put(0, since(self.times.first()));
        let (mean, deviation) = gaps(&self.times, unit);
        put(0, mean);
        put(0, deviation);
        if self.shape.trend.is_some() {
            let [(recent, recent_sum), (before, before_sum)] = &self.windows;
            let sums = [recent_sum.value(money), before_sum.value(money)];
            put(*recent, 0.0);
            put(*before, 0.0);
            // A change may be negative; its bits pass through unchanged.
            put((*recent as i64 - *before as i64) as u64, 0.0);
            put(0, sums[0]);
            put(0, sums[1]);
            put(0, sums[0] - sums[1]);
        }
        for (count, sum) in &self.categories {
            put(*count, 0.0);
            put(0, sum.value(money));
        }
    }
}

/// Mean and population standard deviation of the gaps between sorted, distinct times, in days; NaN with fewer than one
/// gap and two gaps, respectively. The mean is (last - first) / gaps. The deviation adds the gaps in order of time, so
/// its value is unique.
fn gaps(times: &[i64], unit: TimestampUnit) -> (f64, f64) {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return (f64::NAN, f64::NAN) };
    let gaps = times.len() as f64 - 1.0;
    if gaps < 1.0 {
        return (f64::NAN, f64::NAN);
    }
    let mean = unit.days(first, last) / gaps;
    if gaps < 2.0 {
        return (mean, f64::NAN);
    }
    let mean_ticks = last.wrapping_sub(first) as u64 as f64 / gaps;
    // The difference between a later and an earlier tick is below 2^64, so wrapping gives the right value.
    let squares = times.windows(2).map(|w| (w[1].wrapping_sub(w[0]) as u64 as f64 - mean_ticks).powi(2));
    (mean, (squares.sum::<f64>() / gaps).sqrt() / unit.ticks_a_day as f64)
}
