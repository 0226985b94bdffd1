//! One pass over all customers: who may be in which list.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeBinaryArray, LargeStringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use rayon::prelude::*;

use super::cells::{CellRows, integers, text, texts, whole};
use super::customers::CampaignCustomers;
use super::draw::{SideDraw, threshold};
use super::excluded::{Excluded, numbers};
use super::file::{CampaignFile, ListOptions};
use super::ranked::RankedLists;
use super::tables::Workplace;
use super::walk::ListCandidate;
use super::waterfall::{KeptOut, StepCounts};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Stage;
use crate::input::{RowGroup, ValueKind, id_bytes, id_keys, whole_ids, written_as};
use crate::text::quoted;

/// Customers who are alike for the counts: the segment and stage, and what is offered to them how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CustomerCell {
    pub(super) segment: Option<i64>,
    pub(super) stage: Option<String>,
    /// The next product, and why it is that.
    pub(super) product: Option<(String, String)>,
    pub(super) channel: Option<String>,
}

/// What a pass over some rows found.
#[derive(Debug)]
pub(super) struct FoundCustomers {
    pub(super) cells: Vec<CustomerCell>,
    /// Counts of each list, by cell.
    pub(super) lists: Vec<BTreeMap<u32, StepCounts>>,
    /// Customers for whom no condition is true, and the others, each once.
    pub(super) not_eligible: u64,
    pub(super) all: StepCounts,
}

/// The same of a row group, with the candidates of each list.
struct FoundGroup {
    found: FoundCustomers,
    candidates: Vec<Vec<ListCandidate>>,
}

/// Decides about customers.
pub(super) struct Sieve<'a> {
    pub(super) file: &'a CampaignFile,
    pub(super) customers: &'a CampaignCustomers,
    pub(super) excluded: &'a Excluded,
    pub(super) draw: SideDraw,
    pub(super) hold_out: Option<SideDraw>,
    pub(super) reasons: Vec<String>,
}

impl Sieve<'_> {
    /// Sends all customers through; their candidates take about `memory` bytes.
    pub(super) fn run(&self, place: Workplace<'_>, memory: u64) -> Result<(FoundCustomers, RankedLists)> {
        self.vet_orders()?;
        let source = &self.customers.source;
        place.watch.stage(Stage::Customers, source.rows(), "rows", || {
            let mut all = self.nothing();
            // A vector that grows has up to twice the room.
            let mut ranked = RankedLists::new(&self.file.list, memory / 3, place.scratch);
            let mut numbers = HashMap::new();
            let a_row = (self.file.list.len() * size_of::<ListCandidate>()) as u64;
            for groups in waves(source.row_groups(), memory / 3 / a_row) {
                let found = groups.par_iter().with_max_len(1).map(|&group| {
                    place.watch.check()?;
                    let found = self.group(group)?;
                    place.watch.advance(Stage::Customers, group.rows);
                    Ok(found)
                });
                for FoundGroup { found, candidates } in found.collect::<Result<Vec<_>>>()? {
                    let cells = all.merge(found, &mut numbers);
                    for (list, candidates) in candidates.into_iter().enumerate() {
                        let renumbered = |of: ListCandidate| ListCandidate { cell: cells[of.cell as usize], ..of };
                        ranked.extend(list, candidates.into_iter().map(renumbered));
                    }
                }
                ranked.make_room()?;
            }
            Ok((all, ranked))
        })
    }

    fn nothing(&self) -> FoundCustomers {
        let lists = vec![BTreeMap::new(); self.file.list.len()];
        FoundCustomers { cells: Vec::new(), lists, not_eligible: 0, all: StepCounts::new(&self.reasons) }
    }

    /// Customers are ranked by numbers and times.
    fn vet_orders(&self) -> Result<()> {
        for (list, used) in self.file.list.iter().zip(&self.customers.used) {
            let Some(column) = used.order_by.map(|at| &self.customers.source.columns()[at]) else { continue };
            let kind = ValueKind::of(&column.data_type);
            if !matches!(kind, ValueKind::Number | ValueKind::Date | ValueKind::Boolean) {
                let (list, name) = (quoted(&list.name), &column.name);
                let text = format!("order_by of list {list}: {name:?} has {}, not numbers or times", column.data_type);
                return Err(Error::usage(text).of_columns([name]).of_kind(ErrorKind::Column));
            }
        }
        Ok(())
    }

    fn group(&self, group: RowGroup) -> Result<FoundGroup> {
        let rows = CustomerRows::read(self.customers, group)?;
        let mut found = self.nothing();
        let mut candidates = vec![Vec::new(); self.file.list.len()];
        let mut cells: HashMap<BorrowedCell<'_>, u32> = HashMap::new();
        // By cell and list.
        let mut shares: Vec<Vec<u64>> = Vec::new();
        let hold_out = self.file.campaign.holdout.as_ref().map(|of| threshold(of.share));
        for row in 0..group.rows as usize {
            let stop = self.excluded.stop(rows.keys[row]);
            let lists = self.lists_of(&rows, row);
            if lists == 0 {
                found.not_eligible += 1;
                continue;
            }
            let id = rows.ids.value(row);
            let held = || self.hold_out.as_ref().zip(hold_out).is_some_and(|(draw, below)| draw.of(id) < below);
            let stop = stop.or_else(|| held().then_some(KeptOut::HoldOut));
            found.all.add(stop);
            let of = rows.cell(row);
            let cell = *cells.entry(of).or_insert_with(|| {
                found.cells.push(owned(of));
                shares.push(self.file.list.iter().map(|list| threshold(share(list, of.0))).collect());
                found.cells.len() as u32 - 1
            });
            let draw = stop.is_none().then(|| self.draw.of(id));
            for list in bits(lists) {
                found.lists[list].entry(cell).or_insert_with(|| StepCounts::new(&self.reasons)).add(stop);
                candidates[list].extend(draw.map(|draw| ListCandidate {
                    order:
                        rows.orders[list].as_ref().map_or(0, |of| order(of[row], self.customers.used[list].ascending)),
                    // The order of whole numbers.
                    tie: rows.keys[row] ^ (1 << 127),
                    row: group.first_row + row as u64,
                    is_control: draw < shares[cell as usize][list],
                    cell,
                    place: rows.places[list].as_ref().map_or(0, |of| of[row]),
                    lists,
                }));
            }
        }
        Ok(FoundGroup { found, candidates })
    }

    /// The lists that a row is eligible for, one bit each.
    fn lists_of(&self, rows: &CustomerRows, row: usize) -> u128 {
        let taking = (0..self.file.list.len()).filter(|&list| self.takes(rows, list, row));
        taking.fold(0, |lists, list| lists | 1 << list)
    }

    /// Whether a row is eligible for a list.
    fn takes(&self, rows: &CustomerRows, list: usize, row: usize) -> bool {
        let (options, segments) = (&self.file.list[list], &self.customers.used[list].segments);
        let is_one = |segment: Option<i64>| segment.is_some_and(|segment| segments.contains(&segment));
        let id = || rows.segment_id(row).and_then(|id| u32::try_from(id).ok());
        rows.matches[list].value(row)
            && (segments.is_empty() || is_one(rows.cells.segment(row)))
            && (options.segment_id.is_empty() || id().is_some_and(|id| options.segment_id.contains(&id)))
            && (options.stage.is_empty()
                || rows.cells.stage(row).is_some_and(|stage| options.stage.iter().any(|of| of == stage)))
    }
}

/// The share of the control group in a segment.
fn share(list: &ListOptions, segment: Option<i64>) -> f64 {
    let of = segment.filter(|_| !list.control_of.is_empty());
    of.and_then(|segment| list.control_of.get(&segment.to_string()).copied()).unwrap_or(list.control)
}

/// A number whose order is that of the list; what is missing comes last.
fn order(value: f64, ascending: bool) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    // 0 and -0 are equal.
    let bits = (value + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    if ascending { ordered } else { !ordered }
}

/// Segment, stage, next product with its reason, and channel.
type BorrowedCell<'a> = (Option<i64>, Option<&'a str>, Option<(&'a str, &'a str)>, Option<&'a str>);

fn owned((segment, stage, product, channel): BorrowedCell<'_>) -> CustomerCell {
    let product = product.map(|(product, reason)| (product.to_owned(), reason.to_owned()));
    CustomerCell { segment, stage: stage.map(str::to_owned), product, channel: channel.map(str::to_owned) }
}

/// The columns of a row group.
struct CustomerRows {
    keys: Vec<u128>,
    ids: LargeBinaryArray,
    cells: CellRows,
    segment_ids: Option<Int64Array>,
    /// Next products with their reasons, where a list offers them.
    products: Option<(LargeStringArray, LargeStringArray)>,
    /// Where a list has no channel of its own.
    channels: Option<LargeStringArray>,
    /// By list.
    matches: Vec<BooleanBuffer>,
    orders: Vec<Option<Vec<f64>>>,
    places: Vec<Option<Vec<u64>>>,
}

impl CustomerRows {
    fn read(customers: &CampaignCustomers, group: RowGroup) -> Result<Self> {
        let source = &customers.source;
        let name = |at: usize| source.columns()[at].name.as_str();
        let fail = |at: usize| move |e| crate::input::fault(source, group, at, &format!("{e}"));
        let id = customers.id;
        let ids = whole_ids(&whole(source, group, id)?, group.first_row).map_err(fail(id))?;
        let keys = id_keys(&ids).map_err(fail(id))?.into_iter().flatten().collect();
        let ids = id_bytes(&ids).map_err(fail(id))?.as_binary::<i64>().clone();
        let text = |at: usize| texts(source, group, at);
        let product = |(product, reason)| -> Result<_> { Ok((text(product)?, text(reason)?)) };
        let order = |at: usize| numbers(&whole(source, group, at)?, name(at));
        let place = |at: usize| places(&whole(source, group, at)?).map_err(fail(at));
        let used = &customers.used;
        Ok(CustomerRows {
            keys,
            ids,
            cells: CellRows::read(source, customers.cells, group)?,
            segment_ids: customers.segment_id.map(|at| integers(source, group, at)).transpose()?,
            products: customers.next_product.map(product).transpose()?,
            channels: customers.next_channel.map(text).transpose()?,
            matches: customers.conditions.matches(source, group)?,
            orders: used.iter().map(|list| list.order_by.map(order).transpose()).collect::<Result<_>>()?,
            places: used.iter().map(|list| list.cap_per.map(place).transpose()).collect::<Result<_>>()?,
        })
    }

    fn cell(&self, row: usize) -> BorrowedCell<'_> {
        let product = self.products.as_ref().and_then(|(of, reason)| text(of, row).zip(text(reason, row)));
        let channel = self.channels.as_ref().and_then(|of| text(of, row));
        (self.cells.segment(row), self.cells.stage(row), product, channel)
    }

    fn segment_id(&self, row: usize) -> Option<i64> {
        let ids = self.segment_ids.as_ref()?;
        ids.is_valid(row).then(|| ids.value(row))
    }
}

/// A number for each value, so that equal values have equal ones. Missing values are a value, too.
fn places(array: &ArrayRef) -> Result<Vec<u64>, arrow::error::ArrowError> {
    let texts = written_as(array, &DataType::LargeUtf8)?;
    let number = |text: &str| {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
        u64::from_le_bytes(first)
    };
    Ok(texts.as_string::<i64>().iter().map(|text| text.map_or(0, number)).collect())
}

impl FoundCustomers {
    /// Adds what was found in the next row group; `numbers` are those of the cells so far. Returns the numbers here of
    /// its cells.
    fn merge(&mut self, other: FoundCustomers, numbers: &mut HashMap<CustomerCell, u32>) -> Vec<u32> {
        let number = |cell| {
            *numbers.entry(cell).or_insert_with_key(|cell| {
                self.cells.push(cell.clone());
                self.cells.len() as u32 - 1
            })
        };
        let renumbered: Vec<u32> = other.cells.into_iter().map(number).collect();
        self.not_eligible += other.not_eligible;
        self.all.merge(&other.all);
        for (mine, theirs) in self.lists.iter_mut().zip(other.lists) {
            for (cell, counts) in theirs {
                match mine.entry(renumbered[cell as usize]) {
                    Entry::Vacant(vacant) => _ = vacant.insert(counts),
                    Entry::Occupied(mut known) => known.get_mut().merge(&counts),
                }
            }
        }
        renumbered
    }

    /// Counts a member of a list, who is none of later ones.
    pub(super) fn member(&mut self, list: usize, candidate: &ListCandidate) {
        let cell = candidate.cell;
        self.all.member(candidate.is_control);
        self.lists[list].entry(cell).and_modify(|counts| counts.member(candidate.is_control));
        for later in bits(candidate.lists).filter(|&later| later > list) {
            self.lists[later].entry(cell).and_modify(StepCounts::taken_before);
        }
    }
}

/// The row groups in waves: one for each thread, unless they have more rows than that.
fn waves(groups: &[RowGroup], most_rows: u64) -> impl Iterator<Item = &[RowGroup]> {
    let threads = rayon::current_num_threads().max(1);
    let mut rest = groups;
    std::iter::from_fn(move || {
        let mut rows = 0;
        let fits = rest.iter().take(threads).take_while(|group| {
            rows += group.rows;
            rows <= most_rows
        });
        let fitting = fits.count().max(1).min(rest.len());
        let (wave, after) = rest.split_at(fitting);
        rest = after;
        (!wave.is_empty()).then_some(wave)
    })
}

/// The numbers of the bits that are set, ascending.
fn bits(of: u128) -> impl Iterator<Item = usize> {
    let mut rest = of;
    std::iter::from_fn(move || {
        let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
        rest &= rest - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_last_in_either_direction() {
        for ascending in [true, false] {
            let mut values = [2.0, f64::NAN, -1.5, 0.0, f64::INFINITY, -0.0, -7.0];
            values.sort_by_key(|value| order(*value, ascending));
            let mut expected = [-7.0, -1.5, 0.0, 0.0, 2.0, f64::INFINITY];
            if !ascending {
                expected.reverse();
            }
            assert_eq!(values[..6], expected);
            assert!(values[6].is_nan());
        }
        assert_eq!(order(0.0, true), order(-0.0, true));
    }

    #[test]
    fn bits_ascend() {
        assert_eq!(bits(0).count(), 0);
        assert_eq!(bits(1 | 1 << 5 | 1 << 127).collect::<Vec<_>>(), [0, 5, 127]);
    }

    #[test]
    fn waves_hold_so_many_rows() {
        let group =
            |at: u64| RowGroup { file: 0, index: at as usize, number: at as usize, first_row: at * 10, rows: 10 };
        let groups: Vec<RowGroup> = (0..7).map(group).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let of = |most| pool.install(|| waves(&groups, most).map(<[RowGroup]>::len).collect::<Vec<_>>());
        assert_eq!(of(1000), [3, 3, 1]);
        assert_eq!(of(20), [2, 2, 2, 1]);
        assert_eq!(of(0), [1; 7]);
    }
}
