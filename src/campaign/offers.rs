//! What to offer each customer, and how to reach him, as calculated columns: the product that he does not hold and that
//! is most over-represented where he is, and the channel that he uses, else that of his segment.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, LargeStringArray};
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;

use super::cells::{CellColumns, CellRows, text, texts};
use super::file::CampaignOptions;
use super::tables::{Workplace, column};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Stage;
use crate::input::{ComputedColumns, RowGroup, Source};
use crate::profile::held_products;
use crate::text::{percent, quoted, thousands};

/// The calculated columns.
pub(super) const NEXT_PRODUCT: &str = "next_product";
pub(super) const NEXT_REASON: &str = "next_product_reason";
pub(super) const NEXT_CHANNEL: &str = "next_channel";
/// A product with fewer holders in a segment and stage is not offered there: its lift is mostly chance.
const LEAST_HOLDERS: u64 = 50;
/// A column with more values is not one of channels.
const MOST_CHANNELS: usize = 1000;

/// The columns that offers follow from, and those calculated.
pub(super) struct OfferColumns {
    products: Vec<usize>,
    channel: Option<usize>,
    computed: ComputedColumns,
}

impl OfferColumns {
    /// Adds the columns that a campaign asks for to its customers.
    ///
    /// # Errors
    /// Columns that do not exist, or are there already.
    pub(super) fn of(options: &CampaignOptions, source: Source) -> Result<(Source, Option<Self>)> {
        if options.products.is_empty() && options.channel.is_none() {
            return Ok((source, None));
        }
        let find = |name: &String, key: &str| column(&source, name).map_err(|e| e.of(&format!("{key} of [campaign]")));
        let products = options.products.iter().map(|name| find(name, "products")).collect::<Result<Vec<_>>>()?;
        let channel = options.channel.as_ref().map(|name| find(name, "channel")).transpose()?;
        let of_products = if products.is_empty() { &[][..] } else { &[NEXT_PRODUCT, NEXT_REASON] };
        let names = of_products.iter().chain(channel.is_some().then_some(&NEXT_CHANNEL));
        let fields = names.map(|name| Field::new(*name, DataType::LargeUtf8, true)).collect();
        let (source, computed) = source.with_computed(fields)?;
        Ok((source, Some(OfferColumns { products, channel, computed })))
    }

    /// The columns that are read.
    pub(super) fn needed(&self) -> impl Iterator<Item = usize> {
        self.products.iter().copied().chain(self.channel)
    }

    /// Counts all customers, then calculates the columns.
    ///
    /// # Errors
    /// Customers that cannot be read, or too many channels.
    pub(super) fn compute(&self, source: &mut Source, cells: CellColumns, place: Workplace<'_>) -> Result<()> {
        if !self.products.is_empty() && cells.segment.is_none() {
            let text = "products of [campaign] need segments: name the labels in [customers]: segments = \"FOLDER\"";
            return Err(Error::usage(text.into()).of_kind(ErrorKind::Column));
        }
        let names: Vec<String> = self.products.iter().map(|&at| source.columns()[at].name.clone()).collect();
        let counts = place.watch.stage(Stage::Profile, source.rows(), "rows", || self.count(source, cells, place))?;
        let offers = Offers::new(counts, names);
        let reading = source.clone();
        let values = |group| {
            place.watch.check()?;
            self.values(&reading, cells, group, &offers)
        };
        source.compute(&self.computed, place.scratch, &values)
    }

    fn count(&self, source: &Source, cells: CellColumns, place: Workplace<'_>) -> Result<OfferCounts> {
        let wave = rayon::current_num_threads().max(1);
        let mut all = OfferCounts::default();
        for groups in source.row_groups().chunks(wave) {
            let counted = groups.par_iter().with_max_len(1).map(|&group| {
                place.watch.check()?;
                let counted = self.count_group(source, cells, group)?;
                place.watch.advance(Stage::Profile, group.rows);
                Ok(counted)
            });
            counted.collect::<Result<Vec<_>>>()?.into_iter().for_each(|counted| all.merge(counted));
            if all.channels.len() > MOST_CHANNELS {
                let name = &source.columns()[self.channel.unwrap_or_default()].name;
                let text = format!(
                    "channel of [campaign]: column {} has more than {} different values; name one of channels, such as \
                     branch, app and call",
                    quoted(name),
                    thousands(MOST_CHANNELS as u64)
                );
                return Err(Error::input(text).of_columns([name]).of_kind(ErrorKind::Values));
            }
        }
        Ok(all)
    }

    fn count_group(&self, source: &Source, cells: CellColumns, group: RowGroup) -> Result<OfferCounts> {
        let rows = CellRows::read(source, cells, group)?;
        let held = held_products(source, group, &self.products)?;
        let channels = self.channel.map(|at| texts(source, group, at)).transpose()?;
        let mut places: HashMap<(Option<i64>, Option<&str>), HeldCounts> = HashMap::new();
        let mut by_channel: HashMap<(Option<i64>, &str), u64> = HashMap::new();
        for (row, &mask) in held.iter().enumerate() {
            let segment = rows.segment(row);
            places.entry((segment, rows.stage(row))).or_default().add(mask, self.products.len());
            if let Some(channel) = channels.as_ref().and_then(|of| habit(of, row)) {
                *by_channel.entry((segment, channel)).or_default() += 1;
            }
        }
        let mut counts = OfferCounts::default();
        for ((segment, stage), of) in places {
            counts.products.insert((segment, stage.map(str::to_owned)), of);
        }
        for ((segment, channel), customers) in by_channel {
            *counts.channels.entry(channel.to_owned()).or_default().entry(segment).or_default() += customers;
        }
        Ok(counts)
    }

    fn values(&self, source: &Source, cells: CellColumns, group: RowGroup, offers: &Offers) -> Result<Vec<ArrayRef>> {
        let rows = CellRows::read(source, cells, group)?;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        if !self.products.is_empty() {
            let held = held_products(source, group, &self.products)?;
            let mut known: HashMap<(Option<i64>, Option<&str>), &[NextProduct]> = HashMap::new();
            let offer = |(row, mask): (usize, &u64)| {
                let (segment, stage) = (rows.segment(row), rows.stage(row));
                let ranked = known.entry((segment, stage)).or_insert_with(|| offers.ranked(segment, stage));
                ranked.iter().find(|offer| mask >> offer.product & 1 == 0)
            };
            let next: Vec<Option<&NextProduct>> = held.iter().enumerate().map(offer).collect();
            let names = next.iter().map(|next| next.map(|next| offers.names[next.product].as_str()));
            arrays.push(Arc::new(names.collect::<LargeStringArray>()));
            let reasons = next.iter().map(|next| next.map(|next| next.reason.as_str()));
            arrays.push(Arc::new(reasons.collect::<LargeStringArray>()));
        }
        if let Some(at) = self.channel {
            let own = texts(source, group, at)?;
            let channel = |row: usize| habit(&own, row).or_else(|| offers.channel(rows.segment(row)));
            arrays.push(Arc::new((0..own.len()).map(channel).collect::<LargeStringArray>()));
        }
        Ok(arrays)
    }
}

/// The channel that a customer uses.
fn habit(channels: &LargeStringArray, row: usize) -> Option<&str> {
    text(channels, row).filter(|channel| !channel.trim().is_empty())
}

/// Customers, and who holds each product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HeldCounts {
    customers: u64,
    holders: Vec<u64>,
}

impl HeldCounts {
    /// Adds a customer who holds the products whose bits are set.
    fn add(&mut self, mask: u64, products: usize) {
        self.customers += 1;
        self.holders.resize(products, 0);
        self.holders.iter_mut().enumerate().for_each(|(product, holders)| *holders += mask >> product & 1);
    }

    fn merge(&mut self, other: &HeldCounts) {
        self.customers += other.customers;
        self.holders.resize(self.holders.len().max(other.holders.len()), 0);
        self.holders.iter_mut().zip(&other.holders).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// Counts of all customers.
#[derive(Debug, Default)]
struct OfferCounts {
    /// By segment and stage.
    products: BTreeMap<(Option<i64>, Option<String>), HeldCounts>,
    /// By channel and segment.
    channels: BTreeMap<String, BTreeMap<Option<i64>, u64>>,
}

impl OfferCounts {
    fn merge(&mut self, other: OfferCounts) {
        other.products.into_iter().for_each(|(cell, counts)| self.products.entry(cell).or_default().merge(&counts));
        for (channel, segments) in other.channels {
            let mine = self.channels.entry(channel).or_default();
            segments.into_iter().for_each(|(segment, customers)| *mine.entry(segment).or_default() += customers);
        }
    }
}

/// A product to offer, and why.
#[derive(Debug, Clone, PartialEq)]
struct NextProduct {
    /// Its place among the products.
    product: usize,
    reason: String,
}

/// What is offered where.
#[derive(Debug)]
struct Offers {
    names: Vec<String>,
    /// By segment and stage, the best product first.
    ranked: BTreeMap<i64, BTreeMap<Option<String>, Vec<NextProduct>>>,
    /// The most common channel by segment, and that of all customers.
    channels: BTreeMap<Option<i64>, String>,
    channel: Option<String>,
}

impl Offers {
    fn new(counts: OfferCounts, names: Vec<String>) -> Self {
        let mut all = HeldCounts::default();
        counts.products.values().for_each(|of| all.merge(of));
        let mut ranked: BTreeMap<i64, BTreeMap<Option<String>, Vec<NextProduct>>> = BTreeMap::new();
        for ((segment, stage), here) in &counts.products {
            let Some(segment) = *segment else { continue };
            let offers = ranking(here, &all).into_iter().map(|product| {
                let reason = reason((segment, stage.as_deref()), here, &all, product);
                NextProduct { product, reason }
            });
            ranked.entry(segment).or_default().insert(stage.clone(), offers.collect());
        }
        // In the order of the names, and a later one must be more common.
        let (mut most, mut most_of_all) = (BTreeMap::<Option<i64>, (u64, String)>::new(), (0, None));
        for (channel, segments) in counts.channels {
            let customers = segments.values().sum::<u64>();
            for (segment, customers) in segments {
                let known = most.entry(segment).or_default();
                if customers > known.0 {
                    *known = (customers, channel.clone());
                }
            }
            if customers > most_of_all.0 {
                most_of_all = (customers, Some(channel));
            }
        }
        let channels = most.into_iter().map(|(segment, (_, channel))| (segment, channel)).collect();
        Offers { names, ranked, channels, channel: most_of_all.1 }
    }

    fn ranked(&self, segment: Option<i64>, stage: Option<&str>) -> &[NextProduct] {
        let stages = segment.and_then(|segment| self.ranked.get(&segment));
        stages.and_then(|stages| stages.get(&stage.map(str::to_owned))).map_or(&[], Vec::as_slice)
    }

    fn channel(&self, segment: Option<i64>) -> Option<&str> {
        segment.and_then(|_| self.channels.get(&segment)).or(self.channel.as_ref()).map(String::as_str)
    }
}

/// The products with enough holders, that with the largest lift first; equal ones in their order.
fn ranking(here: &HeldCounts, all: &HeldCounts) -> Vec<usize> {
    let mut products: Vec<usize> =
        (0..here.holders.len()).filter(|&product| here.holders[product] >= LEAST_HOLDERS).collect();
    // In one place lifts are as holders here to holders of all.
    let across = |a: usize, b: usize| u128::from(here.holders[a]) * u128::from(all.holders[b]);
    products.sort_by(|&a, &b| across(b, a).cmp(&across(a, b)));
    products
}

/// The share of holders here over that of all.
fn lift(here: &HeldCounts, all: &HeldCounts, product: usize) -> f64 {
    let times = |a: u64, b: u64| (u128::from(a) * u128::from(b)) as f64;
    times(here.holders[product], all.customers) / times(all.holders[product], here.customers)
}

fn reason((segment, stage): (i64, Option<&str>), here: &HeldCounts, all: &HeldCounts, product: usize) -> String {
    let stage = stage.map(|stage| format!(", stage {stage}")).unwrap_or_default();
    format!(
        "lift {:.2} in segment {segment}{stage}: {} of {} hold it, {} of all",
        lift(here, all, product),
        thousands(here.holders[product]),
        thousands(here.customers),
        percent(all.holders[product] as f64 / all.customers as f64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(customers: u64, holders: &[u64]) -> HeldCounts {
        HeldCounts { customers, holders: holders.to_vec() }
    }

    #[test]
    fn products_are_ranked_by_lift_and_then_by_their_order() {
        let all = counts(10_000, &[2_000, 400, 200, 1_000, 60]);
        // Lifts: 1.5, 5, 5, none (49 holders), 50 of 60.
        let here = counts(500, &[150, 100, 50, 49, 50]);
        assert_eq!(ranking(&here, &all), [4, 1, 2, 0]);
        assert!((lift(&here, &all, 1) - 5.0).abs() < 1e-12);
        assert_eq!(
            reason((3, Some("mature")), &here, &all, 0),
            "lift 1.50 in segment 3, stage mature: 150 of 500 hold it, 20.0% of all"
        );
        assert_eq!(ranking(&counts(0, &[]), &all), [0usize; 0]);
    }

    #[test]
    fn the_channel_of_a_segment_is_its_most_common() {
        let mut counts = OfferCounts::default();
        for (channel, segment, customers) in
            [("app", Some(1), 5), ("call", Some(1), 5), ("call", Some(2), 9), ("app", None, 3), ("mail", None, 2)]
        {
            counts.channels.entry(channel.into()).or_default().insert(segment, customers);
        }
        let offers = Offers::new(counts, Vec::new());
        let of = |segment| offers.channel(segment);
        assert_eq!((of(Some(1)), of(Some(2))), (Some("app"), Some("call")), "equal: the first by name");
        assert_eq!((of(Some(7)), of(None)), (Some("call"), Some("call")), "that of all");
    }
}
