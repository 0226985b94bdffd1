//! Categories: numbered by first occurrence, counted, and ranked once all are known.

use std::collections::HashMap;
use std::sync::Mutex;

use super::partitions::lock;
use crate::error::{Error, Result};

/// The most distinct categories: their names are held in memory.
pub(super) const MOST: usize = 1 << 20;
/// The name for all categories that are not among the most common.
pub(super) const OTHER: &str = "other";
/// The number of a null category.
pub(super) const NONE: u32 = u32::MAX;

/// The numbers of all categories. A category's number depends on the threads; no output does.
#[derive(Debug, Default)]
pub(super) struct CategoryCounts {
    numbers: Mutex<HashMap<Box<str>, u32>>,
}

/// One worker's view: it looks up only new categories in the shared map, and counts on its own.
#[derive(Debug)]
pub(super) struct Counter<'a> {
    all: &'a CategoryCounts,
    known: HashMap<Box<str>, u32>,
    counts: Vec<u64>,
}

impl<'a> Counter<'a> {
    pub(super) fn new(all: &'a CategoryCounts) -> Self {
        Counter { all, known: HashMap::new(), counts: Vec::new() }
    }

    /// The number of a category; counts it if it is a purchase.
    ///
    /// # Errors
    /// More categories than can be held.
    pub(super) fn number(&mut self, name: &str, purchase: bool) -> Result<u32> {
        let number = match self.known.get(name) {
            Some(&number) => number,
            None => {
                let mut numbers = lock(&self.all.numbers);
                let next = numbers.len();
                let number = *numbers.entry(name.into()).or_insert(next as u32);
                if next >= MOST {
                    return Err(Error::input(format!(
                        "the category column has more than {MOST} values; choose one with fewer"
                    )));
                }
                self.known.insert(name.into(), number);
                number
            }
        };
        let at = number as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += u64::from(purchase);
        Ok(number)
    }

    /// The counts by number.
    pub(super) fn counts(self) -> Vec<u64> {
        self.counts
    }
}

/// The most common categories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Top {
    /// Their names, the most common first, ties by name.
    pub(super) names: Vec<String>,
    /// The rank of each category by its number; `names.len()` for the others.
    places: Vec<u32>,
}

impl Top {
    /// The rank of a category, including null.
    pub(super) fn place(&self, number: u32) -> usize {
        self.places.get(number as usize).map_or(self.names.len(), |&place| place as usize)
    }
}

impl CategoryCounts {
    /// The `most` categories with the most purchases. A category named `other` remains among the others.
    pub(super) fn top(self, counts: &[Vec<u64>], most: usize) -> Top {
        let numbers = self.numbers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let purchases = |number: u32| counts.iter().filter_map(|c| c.get(number as usize)).sum::<u64>();
        let mut ranked: Vec<(u64, Box<str>, u32)> =
            numbers.into_iter().map(|(name, number)| (purchases(number), name, number)).collect();
        let mut places = vec![0; ranked.len()];
        ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let chosen: Vec<&(u64, Box<str>, u32)> =
            ranked.iter().filter(|(n, name, _)| *n > 0 && &**name != OTHER).take(most).collect();
        places.fill(chosen.len() as u32);
        for (place, (_, _, number)) in chosen.iter().enumerate() {
            places[*number as usize] = place as u32;
        }
        Top { names: chosen.iter().map(|(_, name, _)| name.to_string()).collect(), places }
    }
}
