//! Count of distinct values, and the most common ones.
//!
//! Up to [`EXACT`] distinct values are counted individually in a table. When the table overflows, two structures
//! replace it: a HyperLogLog for the number of distinct values, and counts of the values that were common at that
//! point, which are lower bounds from then on. Whether the table overflows, and the registers, depend only on the set
//! of values; so do all counts until it overflows.

use crate::numeric::mix;

/// Most different values that are counted one by one.
pub(super) const EXACT: usize = 1024;

/// 2^14 registers: a standard error of 1.04 / sqrt(2^14) = 0.8 % of the count, in 16 KiB.
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// Standard error of an estimated count, as a share of it.
pub const DISTINCT_ERROR: f64 = 1.04 / (1 << (REGISTER_BITS / 2)) as f64;

/// Slots for values that stay counted when the table overflows.
const TRACKED: usize = 256;

/// Different values among those pushed, each known by a 64-bit key of its own.
#[derive(Debug, Clone)]
pub(super) struct Distinct {
    table: CountTable,
    many: Option<Box<Many>>,
}

/// The state after the table has overflowed.
#[derive(Debug, Clone)]
struct Many {
    registers: Vec<u8>,
    tracked: Vec<(u64, u64)>,
}

impl Distinct {
    pub(super) fn new() -> Self {
        Distinct { table: CountTable::new(), many: None }
    }

    /// Every value and its count, in no order; None if there are too many.
    pub(super) fn counts(&self) -> Option<impl Iterator<Item = (u64, u64)>> {
        self.many.is_none().then(|| self.table.entries())
    }

    /// The number of values in the table; it changes when a new value is counted.
    pub(super) fn count_exact(&self) -> usize {
        self.table.len
    }

    /// Adds keys. Returns how many of them were added while every value was counted.
    pub(super) fn push(&mut self, keys: &[u64]) -> usize {
        let mut exact = 0;
        if self.many.is_none() {
            for &key in keys {
                if !self.table.add(key, 1) {
                    break;
                }
                exact += 1;
            }
            if exact < keys.len() {
                self.give_way();
            }
        }
        if let Some(many) = &mut self.many {
            keys[exact..].iter().for_each(|&key| many.add(key));
        }
        exact
    }

    /// The values in the table at this moment, even if it has overflowed.
    pub(super) fn table(&self) -> impl Iterator<Item = (u64, u64)> {
        self.table.entries()
    }

    /// Adds the values of `other`, which follow those of `self`.
    pub(super) fn merge(&mut self, other: Distinct) {
        if self.many.is_none() && other.many.is_none() {
            let mut entries: Vec<_> = other.table.entries().collect();
            entries.sort_unstable();
            for (i, &(key, n)) in entries.iter().enumerate() {
                if !self.table.add(key, n) {
                    self.give_way();
                    if let Some(many) = &mut self.many {
                        many.adopt(entries[i..].iter().copied());
                    }
                    return;
                }
            }
            return;
        }
        self.give_way();
        let Some(mine) = &mut self.many else { return };
        match other.many {
            Some(theirs) => mine.merge(&theirs),
            None => mine.adopt(other.table.entries()),
        }
    }

    fn give_way(&mut self) {
        if self.many.is_none() {
            let mut many = Many { registers: vec![0; REGISTERS], tracked: (0..TRACKED).map(nobody).collect() };
            many.adopt(self.table.entries());
            self.many = Some(Box::new(many));
        }
    }

    /// The number of distinct values, and whether it is exact.
    pub(super) fn count(&self) -> (u64, bool) {
        match &self.many {
            None => (self.table.len as u64, true),
            Some(many) => (estimate(&many.registers), false),
        }
    }

    /// The most common values, by count and then by key, with their counts: lower bounds if not all are counted.
    pub(super) fn common(&self) -> Vec<(u64, u64)> {
        let mut all: Vec<(u64, u64)> = match &self.many {
            None => self.table.entries().collect(),
            Some(many) => many.tracked.iter().copied().filter(|&(_, n)| n > 0).collect(),
        };
        all.sort_unstable_by_key(|&(key, n)| (std::cmp::Reverse(n), key));
        all
    }
}

/// The slot of a key among the tracked ones.
#[inline(always)]
fn place(hash: u64) -> usize {
    hash as usize % TRACKED
}

/// An empty slot: a key that belongs elsewhere, so that no value matches it.
fn nobody(at: usize) -> (u64, u64) {
    (u64::from(place(mix(0)) == at), 0)
}

impl Many {
    #[inline(always)]
    fn add(&mut self, key: u64) {
        let hash = mix(key);
        self.register(hash);
        let (tracked, n) = &mut self.tracked[place(hash)];
        *n = n.wrapping_add(u64::from(*tracked == key));
    }

    #[inline(always)]
    fn register(&mut self, hash: u64) {
        // The bit below the hash ends the run of zeros.
        let rank = ((hash << REGISTER_BITS) | 1 << (REGISTER_BITS - 1)).leading_zeros() as u8 + 1;
        let register = &mut self.registers[(hash >> (64 - REGISTER_BITS)) as usize];
        *register = rank.max(*register);
    }

    /// Adds counted values.
    fn adopt(&mut self, counted: impl Iterator<Item = (u64, u64)>) {
        for (key, n) in counted {
            let hash = mix(key);
            self.register(hash);
            self.track(place(hash), (key, n));
        }
    }

    /// If two values compete for a slot, the more common one stays.
    fn track(&mut self, at: usize, (key, n): (u64, u64)) {
        let here = &mut self.tracked[at];
        if here.0 == key {
            here.1 += n;
        } else if n > here.1 || (n == here.1 && key < here.0 && n > 0) {
            *here = (key, n);
        }
    }

    fn merge(&mut self, other: &Many) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
        for (at, &theirs) in other.tracked.iter().enumerate() {
            self.track(at, theirs);
        }
    }
}

/// Estimates the number of distinct values from HyperLogLog registers, with the estimator of O. Ertl, *New cardinality
/// estimation algorithms for HyperLogLog sketches* (2017), algorithm 6: no tables, no switch between ranges. It uses
/// only `+ - * /` and square roots, so the result is the same on every platform.
fn estimate(registers: &[u8]) -> u64 {
    const Q: usize = 64 - REGISTER_BITS as usize;
    let m = registers.len() as f64;
    let mut counts = [0u64; Q + 2];
    for &register in registers {
        counts[usize::from(register).min(Q + 1)] += 1;
    }
    let mut z = m * tau(1.0 - counts[Q + 1] as f64 / m);
    for &n in counts[1..=Q].iter().rev() {
        z = 0.5 * (z + n as f64);
    }
    z += m * sigma(counts[0] as f64 / m);
    (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// Counts by key, with open addressing: takes a quarter of the time of the standard map when most keys already exist.
#[derive(Debug, Clone)]
struct CountTable {
    /// A power of two of slots, at most half of them used; a count of 0 marks a free slot.
    slots: Vec<(u64, u64)>,
    len: usize,
}

impl CountTable {
    fn new() -> Self {
        CountTable { slots: vec![(0, 0); 64], len: 0 }
    }

    fn entries(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots.iter().copied().filter(|&(_, n)| n > 0)
    }

    /// Returns false, and adds nothing, if the key is new and the table full.
    #[inline(always)]
    fn add(&mut self, key: u64, n: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = mix(key) as usize & mask;
        loop {
            let (there, count) = &mut self.slots[at];
            if *count > 0 && *there == key {
                *count += n;
                return true;
            }
            if *count == 0 {
                return self.insert(at, key, n);
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn insert(&mut self, at: usize, key: u64, n: u64) -> bool {
        if self.len == EXACT {
            return false;
        }
        self.slots[at] = (key, n);
        self.len += 1;
        if self.len * 2 > self.slots.len() {
            let larger = vec![(0, 0); self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, larger);
            self.len = 0;
            old.into_iter().filter(|&(_, n)| n > 0).for_each(|(key, n)| {
                self.add(key, n);
            });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(keys: &[u64]) -> Distinct {
        let mut distinct = Distinct::new();
        distinct.push(keys);
        distinct
    }

    #[test]
    fn few_values_are_counted() {
        let keys: Vec<u64> = (0..5000).map(|i| i * i % 1021).collect();
        let found = of(&keys);
        let mut expected = std::collections::BTreeMap::new();
        keys.iter().for_each(|k| *expected.entry(*k).or_insert(0u64) += 1);
        assert_eq!(found.counts().unwrap().collect::<std::collections::BTreeMap<_, _>>(), expected);
        assert_eq!(found.count(), (expected.len() as u64, true));
    }

    #[test]
    fn many_values_are_estimated() {
        for n in [1025u64, 5000, 100_000, 3_000_000] {
            let found = of(&(0..n).map(|i| i * 7).collect::<Vec<_>>());
            let (count, exact) = found.count();
            assert!(!exact);
            let error = count as f64 / n as f64 - 1.0;
            assert!(error.abs() < 3.0 * DISTINCT_ERROR, "{n}: {count}");
        }
    }

    #[test]
    fn a_common_value_among_many_is_found() {
        let keys: Vec<u64> = (0..200_000u64).map(|i| if i % 5 == 0 { 77 } else { i + 1000 }).collect();
        let found = of(&keys);
        assert_eq!(found.common()[0], (77, 40_000));
        let mut halves = of(&keys[..90_000]);
        halves.merge(of(&keys[90_000..]));
        assert_eq!(halves.common()[0], (77, 40_000));
    }

    proptest! {
        #[test]
        fn merging_is_pushing(keys in prop::collection::vec(0u64..3000, 0..6000), cut in 0.0..1.0f64, modulus in 1u64..3000) {
            let keys: Vec<u64> = keys.into_iter().map(|k| k % modulus).collect();
            let at = (keys.len() as f64 * cut) as usize;
            let whole = of(&keys);
            let mut parts = of(&keys[..at]);
            parts.merge(of(&keys[at..]));
            prop_assert_eq!(parts.count(), whole.count());
            prop_assert_eq!(parts.counts().is_some(), whole.counts().is_some());
            if whole.counts().is_some() {
                prop_assert_eq!(parts.common(), whole.common());
            }
        }
    }
}
