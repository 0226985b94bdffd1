//! The pass: columns go in waves, as many at a time as keep all threads busy and fit into memory.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::apart::{apart, case_of, is_skewed};
use super::categories;
use super::column::DescribedRows;
use super::correlation::{DrawnRows, correlated, ranks};
use super::effects::{compare, wilson};
use super::map::MapRows;
use super::naming::propose;
use super::numbers::{NumbersFound, NumbersSeen};
use super::order::BUCKET_ERROR;
use super::products::ProductCounts;
use super::report::{
    ColumnFigures, Correlated, GroupProfile, OutcomeRate, ProfileReport, ProfiledColumn, QuantileKind, SegmentMap,
};
use super::shown::{ColumnRole, ShownColumn, ShownKind};
use super::sorted::SortedRows;
use crate::audit::withheld;
use crate::drift::{CountedColumn, ReferenceColumn};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::{Order, RowGroup, Source};
use crate::simd::SimdLevel;
use crate::survey::SegmentLog;

/// The most rows whose quantiles are exact in the profile of a job.
pub(crate) const EXACT_ROWS: u64 = 1_000_000;
/// Tasks for each thread in a wave, so that threads end at about the same time.
const TASKS: usize = 8;
/// Columns for which rows are sorted once; then sorting takes little of the time.
const SORTED_ONCE: usize = 16;
/// Bytes of counts for a segment of a column, from some 24 powers of two.
const COUNTED_SEGMENT: u64 = (4096 + 24 * 1024) * 4;
/// Columns correlate if their coefficient is above this.
const CORRELATE: f64 = 0.9;

/// What to describe.
pub(crate) struct Profiling<'a> {
    pub(crate) source: &'a Source,
    pub(crate) columns: Vec<ShownColumn>,
    /// Positions of the columns that say whether a customer holds a product.
    pub(crate) products: Vec<usize>,
    /// The segment of every row of the source.
    pub(crate) log: &'a SegmentLog,
    /// The segments; their names, if they have any.
    pub(crate) segments: usize,
    pub(crate) names: Option<Vec<String>>,
    /// Segments of fewer rows get no figures.
    pub(crate) small_cells: u64,
    /// Quantiles of more rows come from counts of buckets.
    pub(crate) exact_rows: u64,
    /// Bytes that may be held.
    pub(crate) memory: u64,
}

/// A column with its figures: by segment from 1, first those of rows without a segment, last those of all rows.
struct Described {
    column: ProfiledColumn,
    figures: Vec<ColumnFigures>,
    /// The values drawn for correlations; empty for categories.
    drawn: Vec<f64>,
    counted: CountedColumn,
}

/// What a pass found.
pub(crate) struct ProfiledRows {
    pub(crate) report: ProfileReport,
    /// Counts of the columns that features are made of; none where all rows are too few.
    pub(crate) counted: Vec<ReferenceColumn>,
    /// Rows by segment, and those without one.
    pub(crate) segments: Vec<u64>,
    pub(crate) unassigned: u64,
}

impl Profiling<'_> {
    /// Decodes the columns and describes every segment. `labels_blake3` is the hash of the labels.
    pub(crate) fn report(&self, labels_blake3: &str, watch: Watch<'_>) -> Result<ProfiledRows> {
        let cells = self.source.rows() * (self.columns.len() + self.products.len()) as u64;
        watch.stage(Stage::Profile, cells, "values", || {
            let drawn_rows = DrawnRows::new(self.source.rows(), self.columns.len());
            let (counts, codes) = self.count(drawn_rows)?;
            let mut hidden = withheld(&counts[..=self.segments], self.small_cells);
            hidden.push(counts[self.segments + 1] < self.small_cells);
            let (mut columns, mut figures, mut drawn, mut counted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for described in self.described(drawn_rows, watch)? {
                if described.column.role == ColumnRole::Feature && !hidden[self.segments + 1] {
                    counted.push(described.counted.kept(described.column.name.clone(), &hidden, self.small_cells));
                }
                columns.push(described.column);
                figures.push(described.figures);
                drawn.push(described.drawn);
            }
            let name = |i: usize| columns[i].name.clone();
            let ranks: Vec<Vec<f64>> = drawn.par_iter().map(|values| ranks(values)).collect();
            let map = self.map(&columns, &ranks, &codes, &hidden);
            let correlated: Vec<Correlated> = correlated(&drawn, &ranks, CORRELATE)
                .into_iter()
                .map(|(a, b, r)| Correlated { columns: [name(a), name(b)], r })
                .collect();
            let group = |place: usize| self.group(&columns, &figures, (counts[place], hidden[place]), place);
            let mut all = group(self.segments + 1);
            let places = (1..=self.segments).chain((counts[0] > 0).then_some(0));
            let mut segments: Vec<(usize, GroupProfile)> = places.map(|place| (place, group(place))).collect();
            for (_, segment) in segments.iter_mut().filter(|(_, s)| !s.withheld && s.customers > 0) {
                segment.apart = apart(&columns, &correlated, &all, segment);
            }
            propose(segments.iter_mut().map(|(_, segment)| segment));
            let products = self.products(&mut all, &mut segments, watch)?;
            let report = ProfileReport {
                profile_version: 2,
                rows: self.source.rows(),
                weighted: false,
                quantiles: match self.is_exact() {
                    true => QuantileKind::Exact,
                    false => QuantileKind::RelativeError(BUCKET_ERROR),
                },
                small_cells: self.small_cells,
                labels_blake3: labels_blake3.to_owned(),
                products,
                columns,
                correlated,
                map,
                all,
                segments: segments.into_iter().map(|(_, group)| group).collect(),
            };
            let segments = counts[1..=self.segments].to_vec();
            Ok(ProfiledRows { report, counted, segments, unassigned: counts[0] })
        })
    }

    /// Adds figures of products to the groups, and returns the products' names.
    fn products(
        &self,
        all: &mut GroupProfile,
        segments: &mut [(usize, GroupProfile)],
        watch: Watch<'_>,
    ) -> Result<Vec<String>> {
        let name = |&column: &usize| self.source.columns()[column].name.clone();
        let names: Vec<String> = self.products.iter().map(name).collect();
        if !names.is_empty() {
            let counts = ProductCounts::of(self.source, (self.log, self.segments + 1), &self.products, watch)?;
            counts.describe(&names, all, segments);
        }
        Ok(names)
    }

    fn is_exact(&self) -> bool {
        self.source.rows() <= self.exact_rows
    }

    /// The map of the segments, from the ranks of the rows drawn and their codes.
    fn map(
        &self,
        columns: &[ProfiledColumn],
        ranks: &[Vec<f64>],
        codes: &[u32],
        hidden: &[bool],
    ) -> Option<SegmentMap> {
        let is_feature =
            |column: &ProfiledColumn| column.role == ColumnRole::Feature && column.kind != ShownKind::Category;
        let features = columns.iter().zip(ranks).filter(|(column, _)| is_feature(column));
        let columns = features.map(|(column, ranks)| (column.name.as_str(), ranks.as_slice())).collect();
        let told = hidden[1..=self.segments].iter().map(|hidden| !hidden).collect();
        MapRows { columns, segments: codes, told, small_cells: self.small_cells }.map()
    }

    /// Rows without a segment, then by segment, then all; and the codes of the rows drawn.
    fn count(&self, drawn: DrawnRows) -> Result<(Vec<u64>, Vec<u32>)> {
        const BLOCK: u64 = 1 << 16;
        let mut counts = vec![0; self.segments + 2];
        let (mut codes, mut of_drawn) = (vec![0; BLOCK as usize], Vec::new());
        for first in (0..self.source.rows()).step_by(BLOCK as usize) {
            codes.truncate((self.source.rows() - first).min(BLOCK) as usize);
            self.log.read(first, &mut codes)?;
            codes.iter().for_each(|&code| counts[code as usize] += 1);
            drawn.draw(first, &codes, &mut of_drawn);
        }
        counts[self.segments + 1] = self.source.rows();
        Ok((counts, of_drawn))
    }

    /// All columns, in order.
    fn described(&self, drawn: DrawnRows, watch: Watch<'_>) -> Result<Vec<Described>> {
        let (source, columns) = (self.source, &self.columns);
        let rows = DescribedRows { source, log: self.log, drawn, simd: SimdLevel::auto().dispatch()?, watch };
        let mut described: Vec<Described> = Vec::with_capacity(columns.len());
        for wave in columns.chunks(self.wave()) {
            let positions: Vec<usize> = wave.iter().map(|shown| shown.column).collect();
            // A task reads its columns one after another.
            let order = Order::InTurn(rayon::current_num_threads());
            let _ahead = source.ahead(source.row_groups(), &positions, order);
            let numbers = self.numbers(wave, rows)?;
            let finish = |(shown, seen): (&ShownColumn, Vec<NumbersSeen>)| match seen.into_iter().reduce(joined) {
                Some(seen) => Ok(self.of_numbers(shown, seen.finish())),
                None => {
                    let texts = rows.categories(shown, self.segments + 1)?;
                    let counted = CountedColumn::Texts(categories::counted(&texts));
                    let (names, figures) = categories::figures(texts, self.small_cells);
                    let mut figures: Vec<_> = figures.into_iter().map(ColumnFigures::Categories).collect();
                    let mut column = ProfiledColumn { categories: names, ..self.column(shown) };
                    compare(&mut column, &mut figures);
                    Ok(Described { column, figures, drawn: Vec::new(), counted })
                }
            };
            let wave: Vec<Described> =
                wave.par_iter().zip(numbers).with_max_len(1).map(finish).collect::<Result<_>>()?;
            described.extend(wave);
        }
        Ok(described)
    }

    /// How many columns go at a time.
    fn wave(&self) -> usize {
        let threads = rayon::current_num_threads();
        let groups = self.source.row_groups().len().max(1);
        let each = match self.is_exact() {
            true => self.source.rows() * 16,
            false => threads.min(groups) as u64 * (self.segments as u64 + 1) * COUNTED_SEGMENT,
        };
        let fit = (self.memory / 2 / each.max(1)).min(1 << 16) as usize;
        // Requests for neighbouring columns are merged.
        let wanted = match self.source.fetched_ahead() {
            0 => (threads * TASKS).div_ceil(groups).max(SORTED_ONCE),
            _ => self.columns.len(),
        };
        wanted.min(fit).max(1)
    }

    /// What is known of the numbers of each column, in parts; none of a column of categories.
    fn numbers(&self, wave: &[ShownColumn], rows: DescribedRows<'_>) -> Result<Vec<Vec<NumbersSeen>>> {
        let parts: Vec<Mutex<Vec<NumbersSeen>>> = wave.iter().map(|_| Mutex::default()).collect();
        let is_number = |(_, shown): &(usize, &ShownColumn)| shown.kind != ShownKind::Category;
        let numbers: Vec<usize> = wave.iter().enumerate().filter(is_number).map(|(i, _)| i).collect();
        let see = |(group, columns): (RowGroup, &[usize])| {
            let sorted = SortedRows::read(self.log, group, self.segments + 1)?;
            for &i in columns {
                // At most as many parts as threads: each takes one that nobody uses.
                let part = || parts[i].lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = part().pop();
                let mut seen = waiting.unwrap_or_else(|| rows.no_numbers(self.segments + 1, self.is_exact()));
                rows.numbers(&wave[i], (group, &sorted), &mut seen)?;
                part().push(seen);
            }
            Ok::<_, crate::Error>(())
        };
        // Rows are sorted once for a task, so that a task takes as many columns as leave enough tasks.
        let tasks = TASKS * rayon::current_num_threads();
        let groups = self.source.row_groups();
        let pieces = tasks.div_ceil(groups.len().max(1)).min(numbers.len()).max(1);
        let columns = numbers.len().div_ceil(pieces).max(1);
        // The columns of a row group side by side, in the order in which they are fetched ahead.
        let at_a_time = if self.source.fetched_ahead() == 0 { groups.len().max(1) } else { tasks };
        for groups in groups.chunks(at_a_time) {
            let tasks: Vec<_> =
                groups.iter().flat_map(|&group| numbers.chunks(columns).map(move |some| (group, some))).collect();
            tasks.into_par_iter().with_max_len(1).try_for_each(see)?;
        }
        Ok(parts.into_iter().map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
    }

    fn of_numbers(&self, shown: &ShownColumn, found: NumbersFound) -> Described {
        let is_number = shown.kind == ShownKind::Number;
        let kind = if is_number && found.is_binary { ShownKind::Boolean } else { shown.kind };
        let skewed = kind == ShownKind::Number && found.figures.last().is_some_and(is_skewed);
        let deviation = Some(found.deviation).filter(|d| d.is_finite());
        let mut column = ProfiledColumn { kind, deviation, skewed, ..self.column(shown) };
        let mut figures: Vec<_> = found.figures.into_iter().map(ColumnFigures::Numbers).collect();
        compare(&mut column, &mut figures);
        Described { column, figures, drawn: found.drawn, counted: CountedColumn::Numbers(found.counted) }
    }

    fn column(&self, shown: &ShownColumn) -> ProfiledColumn {
        let column = &self.source.columns()[shown.column];
        ProfiledColumn {
            name: column.name.clone(),
            data_type: column.data_type.to_string(),
            kind: shown.kind,
            role: shown.role,
            missing_codes: shown.codes.clone(),
            deviation: None,
            eta_squared: None,
            skewed: false,
            categories: Vec::new(),
        }
    }

    /// The group at a place of the figures.
    fn group(
        &self,
        columns: &[ProfiledColumn],
        figures: &[Vec<ColumnFigures>],
        (customers, withheld): (u64, bool),
        place: usize,
    ) -> GroupProfile {
        let number = place.checked_sub(1).filter(|number| *number < self.segments);
        let name = |number: Option<usize>| self.names.as_ref()?.get(number?).cloned();
        let last = self.segments + 1;
        let outcomes = columns.iter().zip(figures).filter(|(column, _)| column.role == ColumnRole::Outcome);
        let rates = outcomes.filter_map(|(column, figures)| rate(column, &figures[place], &figures[last]));
        GroupProfile {
            segment: number.map(|number| number as u32),
            name: name(number),
            proposed_name: None,
            customers,
            share: customers as f64 / self.source.rows().max(1) as f64,
            withheld,
            columns: if withheld { Vec::new() } else { figures.iter().map(|of| of[place].clone()).collect() },
            apart: Vec::new(),
            outcomes: if withheld { Vec::new() } else { rates.collect() },
            products: Vec::new(),
            pairs: Vec::new(),
            stability: None,
            rule: None,
        }
    }
}

fn joined(mut a: NumbersSeen, b: NumbersSeen) -> NumbersSeen {
    a.join(b);
    a
}

/// How often an outcome of two values occurs; None for one of more.
fn rate(column: &ProfiledColumn, here: &ColumnFigures, all: &ColumnFigures) -> Option<OutcomeRate> {
    let ((value, cases, known), (_, all_cases, all_known)) = (cases(column, here, all)?, cases(column, all, all)?);
    let part = |n: u64, of: u64| (of > 0).then(|| n as f64 / of as f64);
    let rate = part(cases, known);
    let lift = rate.zip(part(all_cases, all_known).filter(|rate| *rate > 0.0)).map(|(here, all)| here / all);
    let interval = rate.map(|rate| wilson(rate, known as f64));
    Some(OutcomeRate { column: column.name.clone(), value, cases, known, rate, interval, lift })
}

/// The value that an outcome is about, rows that have it, and rows whose outcome is known.
fn cases(column: &ProfiledColumn, here: &ColumnFigures, all: &ColumnFigures) -> Option<(String, u64, u64)> {
    match (here, all) {
        (ColumnFigures::Numbers(here), _) if column.kind == ShownKind::Boolean => {
            let value = if column.data_type == "Boolean" { "true" } else { "1" };
            let cases = here.non_zero_share.map_or(0, |share| (share * here.known as f64).round() as u64);
            Some((value.to_owned(), cases, here.known))
        }
        (ColumnFigures::Categories(here), ColumnFigures::Categories(all)) => {
            let case = case_of(&column.categories, all)?;
            Some((column.categories[case].clone(), here.counts[case], here.known()))
        }
        _ => None,
    }
}
