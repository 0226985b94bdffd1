//! The report on an input: plain data, the same in JSON, on the page and in the terminal.

use serde::Serialize;

use super::breach::Breach;
use super::class::Class;
use super::finding::Finding;
use super::grain::Grain;
use super::numbers::NumberCounts;
use super::profile::{ColumnValues, Profile};
use super::sample::{position, quantile, rank_error};
use super::sentinel::sentinels;
use super::value::Value;
use crate::input::SourceColumn;
use crate::prepare::choose_transform;
use crate::text::Phrase;

/// The reported quantiles.
pub const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
/// Steps of a histogram.
pub(super) const BINS: usize = 24;

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The files, in order.
    pub files: Vec<FileReport>,
    /// Rows of all files.
    pub rows: u64,
    /// Row groups that have rows.
    pub row_groups: usize,
    /// The id column, if one was named or guessed by its name.
    pub id: Option<IdReport>,
    /// Rows that equal an earlier one in all columns but the id; None if their hashes need more memory than allowed.
    pub duplicate_rows: Option<u64>,
    /// The columns, in order.
    pub columns: Vec<ColumnReport>,
    /// Pairs of number columns with a correlation of at least [`super::STRONG`], positive or negative, strongest first,
    /// over the rows in which both are finite. None if there are too many number columns.
    pub correlations: Option<Vec<Correlation>>,
    /// Disagreements between files about columns; in JSON their English texts.
    pub schema_differences: Vec<Phrase>,
    /// The findings.
    pub findings: Vec<Finding>,
    /// Expectations, if there are any.
    pub expectations: Option<Expectation>,
}

/// A file.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
}

/// The id column.
#[derive(Debug, Clone, Serialize)]
pub struct IdReport {
    /// Its name.
    pub column: String,
    /// Rows without an id.
    pub nulls: u64,
    /// Rows whose id occurs in an earlier row.
    pub duplicates: u64,
}

/// Two correlated columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Correlation {
    /// The first column.
    pub first: String,
    /// The second.
    pub second: String,
    /// Pearson's coefficient.
    pub r: f64,
}

/// The result of checking expectations.
#[derive(Debug, Clone, Serialize)]
pub struct Expectation {
    /// Expectations checked.
    pub checked: usize,
    /// The broken ones.
    pub breaches: Vec<Breach>,
}

/// A column.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its Arrow type in the first file that has it.
    pub data_type: String,
    /// The class it was counted as.
    pub class: Class,
    /// Nulls.
    pub nulls: u64,
    /// Rows of files that do not have the column.
    pub absent: u64,
    /// Rows of files in which its type is of another class; they are not counted further.
    pub mistyped: u64,
    /// Distinct values.
    pub distinct: u64,
    /// Whether they were counted individually; otherwise the number is an estimate, see [`super::DISTINCT_ERROR`].
    pub distinct_exact: bool,
    /// The most common value; the first if several are equally common.
    pub most_common: Option<Common>,
    /// Every value and its count, in order, if there are at most 1024; omitted for likely personal data.
    pub counts: Option<Vec<(Value, u64)>>,
    /// Statistics of numbers, booleans and dates.
    pub numbers: Option<NumberReport>,
    /// Statistics of text.
    pub text: Option<TextReport>,
}

/// A common value.
#[derive(Debug, Clone, Serialize)]
pub struct Common {
    /// The value; None if it is likely personal data.
    pub value: Option<Value>,
    /// Its number of occurrences.
    pub count: u64,
    /// Whether every occurrence was counted; otherwise there may be more.
    pub exact: bool,
    /// The count as a share of all rows of files that have the column.
    pub share: f64,
}

/// Statistics of numbers, booleans (0 and 1) and dates (days since 1970). For likely personal data among numbers and
/// dates, minimum, maximum, mean, quantiles
/// and histogram are omitted.
#[derive(Debug, Clone, Serialize)]
pub struct NumberReport {
    /// NaN.
    pub nan: u64,
    /// Infinities, positive and negative.
    pub infinite: u64,
    /// Zeros.
    pub zeros: u64,
    /// Values below zero.
    pub negative: u64,
    /// Whether every finite value is a whole number.
    pub whole: bool,
    /// Smallest finite value.
    pub min: Option<Value>,
    /// Quantiles of the sampled rows, in the order of [`QUANTILES`], with linear interpolation between neighbors.
    pub quantiles: Vec<Value>,
    /// How they are distributed; None of a constant.
    pub histogram: Option<SampledHistogram>,
    /// Finite values in the sample. If it has all of them, quantiles are exact.
    pub sampled: u64,
    /// The true rank of the median is within this share of the values of the reported one, with a probability of 99 %;
    /// 0 if exact. Other quantiles are closer.
    pub rank_error: f64,
    /// Largest finite value.
    pub max: Option<Value>,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// Their population standard deviation.
    pub deviation: Option<f64>,
    /// Their Fisher-Pearson skewness; None for a constant.
    pub skewness: Option<f64>,
    /// The transform that `auto` chooses in a fit, by its rule on the sampled rows; None for dates and booleans.
    pub transform: Option<&'static str>,
    /// Likely codes for "unknown", such as 999 or -1; dates in days since 1970.
    pub sentinels: Vec<f64>,
    /// The sampled finite values in order, for the findings.
    #[serde(skip)]
    pub(super) sorted: Vec<f64>,
}

/// Counts of the sampled finite values in 24 equal steps. What lies beyond the ends is counted in the first and last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampledHistogram {
    /// Where the first step begins: the value of which 1 % of the others are smaller.
    pub from: Value,
    /// Where the last step ends: the value of which 1 % of the others are larger.
    pub to: Value,
    /// Values in each step.
    pub counts: Vec<u64>,
}

/// Statistics of text. Lengths are in characters.
#[derive(Debug, Clone, Serialize)]
pub struct TextReport {
    /// Empty texts.
    pub empty: u64,
    /// Texts that begin or end with a blank.
    pub padded: u64,
    /// Length of the shortest.
    pub shortest: Option<u64>,
    /// Length of the longest.
    pub longest: Option<u64>,
    /// Mean length.
    pub mean_length: Option<f64>,
}

/// The report on a column; `personal`: its values are withheld.
pub(super) fn column(source: &SourceColumn, profile: &Profile, personal: bool) -> ColumnReport {
    let class = Class::of(&source.data_type);
    let (distinct, distinct_exact) = profile.distinct();
    let most = match &profile.values {
        ColumnValues::Numbers(n) => n.most_common().map(|(place, count)| (n.grain.value(place, class), count)),
        ColumnValues::Text(t) => t.most_common().map(|(v, count)| (Value::Text(v), count)),
        ColumnValues::Other(_) => None,
    };
    let counts = match &profile.values {
        _ if personal => None,
        ColumnValues::Numbers(n) => n.distinct.counts().map(|counts| {
            let mut counts: Vec<(i128, u64)> = counts.map(|(key, count)| (n.place(key), count)).collect();
            counts.sort_unstable();
            counts.into_iter().map(|(place, count)| (n.grain.value(place, class), count)).collect()
        }),
        ColumnValues::Text(t) => {
            t.counts().map(|counts| counts.into_iter().map(|(v, count)| (Value::Text(v), count)).collect())
        }
        ColumnValues::Other(_) => None,
    };
    ColumnReport {
        name: source.name.clone(),
        data_type: source.data_type.to_string(),
        class,
        nulls: profile.nulls,
        absent: profile.absent,
        mistyped: profile.mistyped,
        distinct: distinct.min(profile.present()),
        distinct_exact,
        most_common: most.map(|(value, count)| Common {
            value: (!personal).then_some(value),
            count,
            exact: distinct_exact,
            share: count as f64 / profile.rows.max(1) as f64,
        }),
        counts,
        numbers: if let ColumnValues::Numbers(n) = &profile.values { Some(numbers(n, class, personal)) } else { None },
        text: if let ColumnValues::Text(t) = &profile.values { Some(text(t, profile)) } else { None },
    }
}

fn numbers(n: &NumberCounts, class: Class, personal: bool) -> NumberReport {
    let m = n.moments;
    let any = m.n > 0;
    let mut places: Vec<i128> = n.sampled_places().collect();
    places.sort_unstable();
    let sorted: Vec<f64> = places.iter().map(|&place| n.grain.number(place)).collect();
    let exact = sorted.len() as u64 == m.n;
    let told = !(personal && class != Class::Boolean);
    let edges = n.edges();
    let end = |end: &[(i128, u64)]| end.first().filter(|_| told).map(|&(place, _)| n.grain.value(place, class));
    let quantile = |&q: &f64| quantile_of(n.grain, class, (&places, &sorted), q);
    NumberReport {
        nan: n.nan,
        infinite: n.infinite,
        zeros: n.zeros,
        negative: n.negative,
        whole: any && n.whole,
        min: end(&edges.low),
        quantiles: QUANTILES.iter().filter(|_| told).filter_map(quantile).collect(),
        histogram: if told { histogram(n.grain, class, (&places, &sorted)) } else { None },
        sampled: sorted.len() as u64,
        rank_error: if exact { 0.0 } else { rank_error(0.5, sorted.len()) },
        max: end(&edges.high),
        mean: (any && told).then_some(m.mean).filter(|v| v.is_finite()),
        deviation: any.then(|| m.deviation()).filter(|v| v.is_finite()),
        skewness: m.skewness().filter(|v| v.is_finite()),
        transform: (class == Class::Number && any).then(|| choose_transform(&n.sample()).name()),
        sentinels: sentinels(n, &sorted, class == Class::Date)
            .into_iter()
            .flat_map(|codes| codes.values.into_iter().map(|(place, _)| n.grain.number(place)))
            .collect(),
        sorted,
    }
}

/// The histogram of a sample that is given by places and as f64, both sorted.
fn histogram(grain: Grain, class: Class, (places, sorted): (&[i128], &[f64])) -> Option<SampledHistogram> {
    let at = |share: f64| (sorted.len().saturating_sub(1) as f64 * share) as usize;
    let (first, last) = (at(0.01), at(0.99));
    let (low, high) = (*sorted.get(first)?, *sorted.get(last)?);
    if !(high > low) || class == Class::Boolean {
        return None;
    }
    let mut counts = vec![0; BINS];
    for value in sorted {
        let step = (value - low) / (high - low) * BINS as f64;
        counts[(step.max(0.0) as usize).min(BINS - 1)] += 1;
    }
    Some(SampledHistogram { from: grain.value(places[first], class), to: grain.value(places[last], class), counts })
}

/// A quantile of a sample that is given by places and as f64, both sorted. Between two neighbours beyond 2^53 it is
/// rounded to a place, since f64 would lose more.
fn quantile_of(grain: Grain, class: Class, (places, sorted): (&[i128], &[f64]), q: f64) -> Option<Value> {
    let between = quantile(sorted, q)?;
    let (low, share) = position(places.len(), q)?;
    let (a, b) = (places[low], places[(low + 1).min(places.len() - 1)]);
    let is_small = class == Class::Number && between.abs() <= (1u64 << 53) as f64;
    Some(match grain {
        // Booleans keep their form, although the median may lie between two values.
        Grain::Float if class == Class::Boolean => Value::Number(between),
        Grain::Float => Value::of(between, class),
        _ if a != b && share > 0.0 && is_small => Value::of(between, class),
        _ => grain.value(a.saturating_add((b.saturating_sub(a) as f64 * share).round() as i128), class),
    })
}

fn text(t: &super::text::Text, profile: &Profile) -> TextReport {
    let n = profile.present();
    TextReport {
        empty: t.empty,
        padded: t.padded,
        shortest: (n > 0).then_some(t.shortest),
        longest: (n > 0).then_some(t.longest),
        mean_length: (n > 0).then(|| t.characters as f64 / n as f64),
    }
}

impl ColumnReport {
    /// Values that are null, NaN or absent from their file.
    pub fn missing(&self) -> u64 {
        self.nulls + self.absent + self.numbers.as_ref().map_or(0, |n| n.nan)
    }
}
