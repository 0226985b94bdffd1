//! Who holds which products: counts of holders, and of holders of two, by segment.

use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use rayon::prelude::*;

use super::effects::{has_base, wilson};
use super::report::{GroupProfile, ProductFigures, ProductPair};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, RowGroup, Source, ValueKind, as_f64, fault};
use crate::survey::SegmentLog;

/// Pairs of fewer holders are left out: their lift is mostly chance.
const LEAST_HOLDERS: u64 = 50;
/// The most pairs of a segment.
const MOST_PAIRS: usize = 20;
/// Rows that are read at a time.
const PIECE: usize = 1 << 15;

/// Counts of holders by segment.
#[derive(Debug, Clone)]
pub(super) struct ProductCounts {
    products: usize,
    /// By segment: for each pair of products, the first not beyond the second, who holds both; of one and itself, who
    /// holds it.
    holders: Vec<u64>,
}

impl ProductCounts {
    fn new(products: usize, segments: usize) -> Self {
        ProductCounts { products, holders: vec![0; products * products * segments] }
    }

    /// Counts all rows of the source, whose segments are below `segments`.
    pub(super) fn of(
        source: &Source,
        (log, segments): (&SegmentLog, usize),
        columns: &[usize],
        watch: Watch<'_>,
    ) -> Result<Self> {
        // At most as many counts as threads: each takes those that nobody uses.
        let parts: Mutex<Vec<ProductCounts>> = Mutex::default();
        let part = || parts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |&group: &RowGroup| {
            let waiting = part().pop();
            let mut seen = waiting.unwrap_or_else(|| ProductCounts::new(columns.len(), segments));
            seen.see(source, log, columns, group)?;
            part().push(seen);
            watch.advance(Stage::Profile, group.rows * columns.len() as u64);
            watch.check()
        };
        source.row_groups().par_iter().with_max_len(1).try_for_each(count)?;
        let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(parts.into_iter().fold(ProductCounts::new(columns.len(), segments), ProductCounts::joined))
    }

    fn see(&mut self, source: &Source, log: &SegmentLog, columns: &[usize], group: RowGroup) -> Result<()> {
        let mut held: Vec<HeldColumn<'_>> =
            columns.iter().map(|&column| HeldColumn::open(source, group, column)).collect::<Result<_>>()?;
        let (mut masks, mut codes) = (Vec::new(), Vec::new());
        let mut row = group.first_row;
        let end = group.first_row + group.rows;
        while row < end {
            let rows = (end - row).min(PIECE as u64) as usize;
            masks.clear();
            masks.resize(rows, 0u64);
            for (bit, column) in held.iter_mut().enumerate() {
                column.mark(&mut masks, 1 << bit)?;
            }
            codes.resize(rows, 0);
            log.read(row, &mut codes)?;
            self.count(&masks, &codes);
            row += rows as u64;
        }
        Ok(())
    }

    fn count(&mut self, masks: &[u64], segments: &[u32]) {
        let cells = self.products * self.products;
        for (&mask, &segment) in masks.iter().zip(segments) {
            let counts = &mut self.holders[segment as usize * cells..][..cells];
            let mut first = mask;
            while first != 0 {
                let i = first.trailing_zeros() as usize;
                let mut second = first;
                while second != 0 {
                    counts[i * self.products + second.trailing_zeros() as usize] += 1;
                    second &= second - 1;
                }
                first &= first - 1;
            }
        }
    }

    fn joined(mut self, other: Self) -> Self {
        self.holders.iter_mut().zip(&other.holders).for_each(|(a, b)| *a += b);
        self
    }

    /// Who holds two products, the first not beyond the second, in a segment; in all, without one.
    fn both(&self, segment: Option<usize>, first: usize, second: usize) -> u64 {
        let cells = self.products * self.products;
        let at = first * self.products + second;
        match segment {
            Some(segment) => self.holders[segment * cells + at],
            None => self.holders.iter().skip(at).step_by(cells).sum(),
        }
    }

    /// Adds the figures to the groups: `segments` with their places in the counts, and `all`.
    pub(super) fn describe(&self, names: &[String], all: &mut GroupProfile, segments: &mut [(usize, GroupProfile)]) {
        let of_all: Vec<u64> = (0..names.len()).map(|product| self.both(None, product, product)).collect();
        let rows = all.customers;
        let fill = |group: &mut GroupProfile, segment: Option<usize>| {
            if group.withheld || group.customers == 0 {
                return;
            }
            let figures = |(product, &in_all): (usize, &u64)| {
                let holders = self.both(segment, product, product);
                product_figures(holders, group.customers, (in_all, rows))
            };
            group.products = of_all.iter().enumerate().map(figures).collect();
            group.pairs = self.pairs(names, segment, group.customers);
        };
        segments.iter_mut().for_each(|(place, group)| fill(group, Some(*place)));
        fill(all, None);
        all.products.iter_mut().for_each(|figures| figures.index = None);
        gaps(segments, names.len());
    }

    /// The pairs of a group with the largest lift.
    fn pairs(&self, names: &[String], segment: Option<usize>, customers: u64) -> Vec<ProductPair> {
        let mut pairs = Vec::new();
        for first in 0..self.products {
            for second in first + 1..self.products {
                let holders = self.both(segment, first, second);
                if holders >= LEAST_HOLDERS {
                    let each = [first, second].map(|product| self.both(segment, product, product) as f64);
                    let lift = holders as f64 * customers as f64 / (each[0] * each[1]);
                    pairs.push(ProductPair { products: [first, second].map(|i| names[i].clone()), holders, lift });
                }
            }
        }
        // Stable: equal lifts stay in the order of the products.
        pairs.sort_by(|a, b| b.lift.total_cmp(&a.lift));
        pairs.truncate(MOST_PAIRS);
        pairs
    }
}

fn product_figures(holders: u64, customers: u64, (in_all, rows): (u64, u64)) -> ProductFigures {
    let (penetration, of_all) = (holders as f64 / customers as f64, in_all as f64 / rows as f64);
    ProductFigures {
        holders,
        penetration: Some(penetration),
        interval: Some(wilson(penetration, customers as f64)),
        index: (has_base(customers, rows) && in_all > 0).then(|| 100.0 * penetration / of_all),
        gap: None,
    }
}

/// How far each share is below the next larger one among the segments. Rows without a segment are none.
fn gaps(segments: &mut [(usize, GroupProfile)], products: usize) {
    for product in 0..products {
        let share = |group: &GroupProfile| group.products.get(product).and_then(|figures| figures.penetration);
        let shares: Vec<f64> =
            segments.iter().filter(|(_, g)| g.segment.is_some()).filter_map(|(_, g)| share(g)).collect();
        for (_, group) in segments.iter_mut().filter(|(_, group)| group.segment.is_some()) {
            let Some(here) = share(group) else { continue };
            let next = shares.iter().copied().filter(|other| *other > here).min_by(f64::total_cmp);
            group.products[product].gap = next.map(|next| next - here);
        }
    }
}

/// For each row of a row group, which of the products are held: one bit each, at most 64.
pub(crate) fn held_products(source: &Source, group: RowGroup, columns: &[usize]) -> Result<Vec<u64>> {
    let mut masks = vec![0u64; group.rows as usize];
    for (bit, &column) in columns.iter().enumerate() {
        HeldColumn::open(source, group, column)?.mark(&mut masks, 1 << bit)?;
    }
    Ok(masks)
}

/// Where a column of a row group says that a product is held: neither missing nor 0.
struct HeldColumn<'a> {
    reader: ColumnReader<'a>,
    source: &'a Source,
    group: RowGroup,
    column: usize,
    is_numeric: bool,
    /// Decoded, and the rows of it that have been taken.
    waiting: Option<(ArrayRef, usize)>,
    values: Vec<f64>,
}

impl<'a> HeldColumn<'a> {
    fn open(source: &'a Source, group: RowGroup, column: usize) -> Result<Self> {
        let kind = ValueKind::of(&source.columns()[column].data_type);
        Ok(HeldColumn {
            reader: ColumnReader::open(source, group, column)?,
            source,
            group,
            column,
            is_numeric: matches!(kind, ValueKind::Number | ValueKind::Boolean),
            waiting: None,
            values: Vec::new(),
        })
    }

    /// Sets `bit` of every row that holds the product.
    fn mark(&mut self, masks: &mut [u64], bit: u64) -> Result<()> {
        let mut rest = masks;
        while !rest.is_empty() {
            let (array, taken) = match self.waiting.take() {
                Some(waiting) => waiting,
                None => {
                    let next = self.reader.next_array()?;
                    (next.ok_or_else(|| fault(self.source, self.group, self.column, "too few values"))?, 0)
                }
            };
            let rows = rest.len().min(array.len() - taken);
            let (now, later) = rest.split_at_mut(rows);
            let part = array.slice(taken, rows);
            if self.is_numeric {
                self.values.clear();
                as_f64(&part, &mut self.values).map_err(|why| fault(self.source, self.group, self.column, &why))?;
                let is_held = |value: &f64| !value.is_nan() && *value != 0.0;
                now.iter_mut().zip(&self.values).filter(|(_, v)| is_held(v)).for_each(|(mask, _)| *mask |= bit);
            } else {
                let is_held = |row: &usize| part.is_valid(*row);
                (0..rows).filter(is_held).for_each(|row| now[row] |= bit);
            }
            if taken + rows < array.len() {
                self.waiting = Some((array, taken + rows));
            }
            rest = later;
        }
        Ok(())
    }
}
