//! The strategy table: how many customers of which segment and stage are offered what, by which channel and in which
//! words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::candidates::CustomerCell;
use super::file::{CampaignFile, ListOptions};
use super::waterfall::StepCounts;

/// A line of the strategy table: customers of a list who are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyLine {
    /// The list.
    pub list: String,
    /// The segment; None: without one.
    pub segment: Option<i64>,
    /// Its name, where the labels have names.
    pub segment_name: Option<String>,
    /// The stage; None: without one, or there are no stages.
    pub stage: Option<String>,
    /// What is offered.
    pub product: Option<String>,
    /// Why, if it is the next product of these customers.
    pub reason: Option<String>,
    /// How they are contacted.
    pub channel: Option<String>,
    /// What is said.
    pub script: Option<String>,
    /// Customers contacted.
    pub contacted: u64,
    /// Customers of the control group.
    pub control: u64,
}

/// The name of a segment, where the labels have names.
pub(super) fn segment_name(names: Option<&[String]>, segment: Option<i64>) -> Option<String> {
    names?.get(usize::try_from(segment?).ok()?).cloned()
}

/// What decides about a line, besides the list.
type LineKey<'a> = (Option<i64>, Option<&'a str>, Option<(&'a str, &'a str)>, Option<&'a str>);

/// The lines of all lists, in the order of lists, segments, stages, products and channels.
pub(super) fn strategy(
    file: &CampaignFile,
    cells: &[CustomerCell],
    lists: &[BTreeMap<u32, StepCounts>],
    names: Option<&[String]>,
) -> Vec<StrategyLine> {
    let mut lines = Vec::new();
    for (options, counts) in file.list.iter().zip(lists) {
        let mut sums: BTreeMap<LineKey<'_>, (u64, u64)> = BTreeMap::new();
        for (cell, counts) in counts.iter().filter(|(_, counts)| counts.contacted + counts.control > 0) {
            let sum = sums.entry(key(options, &cells[*cell as usize])).or_default();
            *sum = (sum.0 + counts.contacted, sum.1 + counts.control);
        }
        lines.extend(sums.into_iter().map(|((segment, stage, next, channel), (contacted, control))| StrategyLine {
            list: options.name.clone(),
            segment,
            segment_name: segment_name(names, segment),
            stage: stage.map(str::to_owned),
            product: next.map_or_else(|| options.product.clone(), |(product, _)| Some(product.to_owned())),
            reason: next.map(|(_, reason)| reason.to_owned()),
            channel: channel.map(str::to_owned),
            script: options.script.clone(),
            contacted,
            control,
        }));
    }
    lines
}

fn key<'a>(options: &'a ListOptions, cell: &'a CustomerCell) -> LineKey<'a> {
    let next = cell.product.as_ref().filter(|_| options.offers_next());
    let next = next.map(|(product, reason)| (product.as_str(), reason.as_str()));
    (cell.segment, cell.stage.as_deref(), next, options.channel.as_deref().or(cell.channel.as_deref()))
}
