//! Sums of f64 in one fixed tree, whatever the order in which their parts arrive.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::partial::{Partial, other_shape};
use crate::error::{Error, Result};

/// More leaves than there can be rows; no arithmetic on them overflows.
const MOST_LEAVES: u64 = 1 << 62;

/// A sum to which only the sum of the rows right after its own may be added.
pub trait Append: Clone + Serialize + DeserializeOwned {
    /// What it is called where it is sent or stored.
    const NAME: &'static str;

    /// Adds the sum of the rows that follow.
    fn append(&mut self, later: &Self);
}

/// Sums of numbered leaves (row groups, tiles, pieces), added as one fixed binary tree: leaves 2i and 2i + 1 first,
/// then those pairs, and so on; what is left over is added from the first leaf to the last. So the bits depend on the
/// leaves alone, and a complete sum of n leaves holds at most log2(n) + 1 states.
///
/// # Examples
/// ```
/// use hyades::numeric::{Append, Ordered, Partial};
///
/// #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Sum(f64);
///
/// impl Append for Sum {
///     const NAME: &'static str = "sum";
///
///     fn append(&mut self, later: &Sum) {
///         self.0 += later.0;
///     }
/// }
///
/// let values = [0.1, 1e16, -1e16, 0.3, 0.7];
/// let of = |leaves: &[usize]| {
///     let mut sum = Ordered::default();
///     leaves.iter().try_for_each(|&i| sum.insert(i as u64, Sum(values[i]))).map(|()| sum)
/// };
/// let mut one = of(&[4, 1, 3])?;
/// one.merge(&of(&[2, 0])?)?;
/// assert_eq!(one.total(), of(&[0, 1, 2, 3, 4])?.total());
/// # Ok::<(), hyades::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "P: Append", try_from = "StoredRuns<P>")]
pub struct Ordered<P> {
    /// Complete subtrees by their first leaf, with their height: each of 2^height leaves, and starting at a multiple of
    /// it.
    runs: BTreeMap<u64, (u32, P)>,
}

/// Subtrees as they were stored, not yet checked.
#[derive(Deserialize)]
#[serde(bound = "P: Append", deny_unknown_fields)]
struct StoredRuns<P> {
    runs: BTreeMap<u64, (u32, P)>,
}

impl<P: Append> TryFrom<StoredRuns<P>> for Ordered<P> {
    type Error = Error;

    fn try_from(stored: StoredRuns<P>) -> Result<Self> {
        let mut ordered = Ordered::default();
        stored.runs.into_iter().try_for_each(|(first, (height, sum))| ordered.insert_run(first, height, sum))?;
        Ok(ordered)
    }
}

impl<P> Default for Ordered<P> {
    fn default() -> Self {
        Ordered { runs: BTreeMap::new() }
    }
}

impl<P: Append> Ordered<P> {
    /// Adds the sum of a leaf.
    ///
    /// # Errors
    /// A leaf that is there already, or one beyond 2^62.
    pub fn insert(&mut self, leaf: u64, sum: P) -> Result<()> {
        self.insert_run(leaf, 0, sum)
    }

    /// The sum of all leaves so far; None if there are none.
    pub fn total(&self) -> Option<P> {
        let mut runs = self.runs.values();
        let mut total = runs.next()?.1.clone();
        runs.for_each(|(_, later)| total.append(later));
        Some(total)
    }

    fn insert_run(&mut self, mut first: u64, mut height: u32, mut sum: P) -> Result<()> {
        let overlaps = |(&start, (height, _)): (&u64, &(u32, P))| start + (1 << height) > first;
        let is_aligned =
            |span: &u64| first.is_multiple_of(*span) && first <= MOST_LEAVES && *span <= MOST_LEAVES - first;
        let span = 1u64.checked_shl(height).filter(is_aligned).ok_or_else(other_shape::<Self>)?;
        let before = self.runs.range(..=first).next_back().is_some_and(overlaps);
        if before || self.runs.range(first..first + span).next().is_some() {
            return Err(other_shape::<Self>());
        }
        // As long as the sibling is there, the two are one subtree.
        loop {
            let sibling = first ^ (1 << height);
            if self.runs.get(&sibling).is_none_or(|(other, _)| *other != height) {
                self.runs.insert(first, (height, sum));
                return Ok(());
            }
            let Some((_, other)) = self.runs.remove(&sibling) else { continue };
            if sibling < first {
                let mut earlier = other;
                earlier.append(&sum);
                sum = earlier;
            } else {
                sum.append(&other);
            }
            first = first.min(sibling);
            height += 1;
        }
    }
}

impl<P: Append> Partial for Ordered<P> {
    const NAME: &'static str = P::NAME;
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        other.runs.iter().try_for_each(|(&first, (height, sum))| self.insert_run(first, *height, sum.clone()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::partial::laws;
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sum(f64);

    impl Append for Sum {
        const NAME: &'static str = "test sum";

        fn append(&mut self, later: &Sum) {
            self.0 += later.0;
        }
    }

    proptest! {
        /// Leaves dealt to three partials in any way give the bits of one sum in order.
        #[test]
        fn any_deal_gives_the_same_bits(
            leaves in prop::collection::vec((-1e9..1e9f64, 0usize..3), 0..70),
            turned in any::<bool>(),
        ) {
            let mut parts = [Ordered::default(), Ordered::default(), Ordered::default()];
            let mut all = Ordered::default();
            let mut order: Vec<usize> = (0..leaves.len()).collect();
            if turned {
                order.reverse();
            }
            for i in order {
                parts[leaves[i].1].insert(i as u64, Sum(leaves[i].0)).unwrap();
            }
            for (i, (value, _)) in leaves.iter().enumerate() {
                all.insert(i as u64, Sum(*value)).unwrap();
            }
            let [a, b, c] = &parts;
            laws::hold(a, b, c);
            let mut merged = c.clone();
            merged.merge(a).unwrap();
            merged.merge(b).unwrap();
            prop_assert_eq!(&merged, &all);
            prop_assert!(all.runs.len() <= 7, "{} states", all.runs.len());
        }
    }

    #[test]
    fn a_leaf_counts_once() {
        let mut sum = Ordered::default();
        (0..4).try_for_each(|i| sum.insert(i, Sum(1.0))).unwrap();
        assert!(sum.insert(2, Sum(1.0)).is_err(), "it is in a subtree");
        assert!(sum.clone().merge(&sum).is_err());
        assert_eq!(sum.total(), Some(Sum(4.0)));
        assert!(sum.insert(u64::MAX, Sum(1.0)).is_err());
        for runs in
            ["\"0\":[64,1.0]", "\"1\":[1,1.0]", "\"4611686018427387904\":[62,1.0]", "\"0\":[1,1.0],\"1\":[0,1.0]"]
        {
            let read: Result<Ordered<Sum>, _> = serde_json::from_str(&format!("{{\"runs\":{{{runs}}}}}"));
            assert!(read.is_err(), "{runs}");
        }
    }
}
