//! Hierarchical clustering by Ward's criterion: exact over all distinct rows while there are few, and over
//! micro-segments beyond that.

mod chain;
mod leaves;
mod micro;
mod points;
#[cfg(test)]
mod tests;
mod tree;

use leaves::Leaves;
use micro::{FoundMicro, MicroSearch, counted};
use points::Points;
use tree::MergeTree;
pub use tree::TreeMerge;
pub(crate) use tree::TreeTop;

use super::nearest::NearestCentroids;
use super::repair::too_few;
use crate::backend::{Backend, CentroidSums, Centroids, Labels, MAX_K, Session};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::numeric::{Contingency, mix};
use crate::tiles::Tiles;

/// The most distinct rows of an exact tree.
pub(crate) const EXACT_LEAVES: usize = 20_000;
/// Micro-segments unless another number is wanted.
pub(crate) const MICRO: usize = 2048;

/// Ward's clustering.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ward {
    /// Segments.
    pub(crate) k: usize,
    /// Micro-segments wanted; None: [`MICRO`], and none at all while there are few distinct rows.
    pub(crate) micro: Option<usize>,
    /// Determines the sample on which micro-segments are found.
    pub(crate) seed: u64,
}

/// What a tree is made of.
pub(crate) enum WardLeaves {
    /// All distinct rows.
    Rows(Leaves),
    /// Micro-segments found on a sample.
    Micro(FoundMicro),
}

/// A finished tree, cut into segments.
pub(crate) struct WardFit {
    /// By micro-segment: the centroid that labels go by.
    pub(crate) micro: Centroids,
    /// By micro-segment: its segment. These are numbered by size.
    pub(crate) segment_of: Vec<u32>,
    /// By segment: its mean, rounded to the grid.
    pub(crate) centroids: Centroids,
    /// The exact sum of squared distances to these, in squared grid steps.
    pub(crate) inertia: u128,
    /// Leaves of the tree, of which a model keeps the part above the micro-segments.
    pub(crate) leaves: usize,
    tree: MergeTree,
    /// All rows by leaf, and the micro-segment of each leaf, in an exact tree.
    exact: Option<(Leaves, Vec<u32>)>,
    /// Rows of the sample; 0 without one.
    pub(crate) sample_rows: u64,
    /// The adjusted Rand index of these segments and those from other micro-segments, on the sample.
    pub(crate) agreement: Option<f64>,
}

impl Ward {
    /// The leaves of the tree.
    ///
    /// # Errors
    /// Fewer distinct rows than segments, or an interruption.
    pub(crate) fn leaves(&self, tiles: &Tiles, starter: &dyn Backend, watch: Watch<'_>) -> Result<WardLeaves> {
        let most = self.micro.unwrap_or(EXACT_LEAVES);
        let rows = Leaves::find(tiles, most, watch)?;
        match rows {
            Some(rows) if rows.len() < self.k => Err(too_few(self.k, rows.len())),
            Some(rows) => Ok(WardLeaves::Rows(rows)),
            None => Ok(WardLeaves::Micro(self.search(tiles, starter, watch).find(self.seed)?)),
        }
    }

    fn search<'a>(&self, tiles: &'a Tiles, starter: &'a dyn Backend, watch: Watch<'a>) -> MicroSearch<'a> {
        MicroSearch { tiles, starter, wanted: self.micro.unwrap_or(MICRO), watch }
    }

    /// The tree over all distinct rows.
    ///
    /// # Errors
    /// An interruption.
    pub(crate) fn exact(&self, leaves: Leaves, tiles: &Tiles, watch: Watch<'_>) -> Result<WardFit> {
        let sums = leaves.sums();
        let tree = tree_over(&sums, watch)?;
        let micros = MAX_K.min(leaves.len());
        let micro_of = tree.cut(micros);
        let of_micros = grouped(&sums, &micro_of, micros);
        let tree = tree.above(micros);
        let mut fit = self.cut(tree, &of_micros, tiles)?;
        fit.leaves = leaves.len();
        fit.exact = Some((leaves, micro_of));
        Ok(fit)
    }

    /// The tree over micro-segments, with the counts and sums of all rows.
    ///
    /// # Errors
    /// Fewer micro-segments than segments; whatever a pass over the rows refuses.
    pub(crate) fn over_micro(
        &self,
        found: &FoundMicro,
        (tiles, starter): (&Tiles, &dyn Backend),
        session: &mut dyn Session,
        watch: Watch<'_>,
    ) -> Result<WardFit> {
        let (micro, mut sums) = watch.stage(Stage::Passes, 0, "rows", || {
            let (micro, mut sums) = counted(found.centroids.clone(), session, watch)?;
            count_weighted(&micro, (tiles, session), &mut sums, watch)?;
            Ok((micro, sums))
        })?;
        if micro.k() < self.k {
            let text = format!("k = {}, but only {} micro-segments have rows; choose a smaller k", self.k, micro.k());
            return Err(Error::input(text).of_option("--k"));
        }
        let tree = tree_over(&sums, watch)?;
        sums.changed = None;
        let fit = self.cut(tree, &sums, tiles)?;
        let agreement = self.agreement((found, &micro, &fit.segment_of), (tiles, starter), watch)?;
        Ok(WardFit { micro, sample_rows: found.sample.rows(), agreement, ..fit })
    }

    /// The segments of a tree whose leaves have these sums. The micro-segments' centroids are their means.
    fn cut(&self, tree: MergeTree, sums: &CentroidSums, tiles: &Tiles) -> Result<WardFit> {
        let origin = |k: usize| Centroids::new(sums.dim(), vec![0; k * sums.dim()]);
        let by_leaf = tree.cut(self.k);
        let of_segments = grouped(sums, &by_leaf, self.k);
        let centroids = of_segments.means(&origin(self.k)?);
        let mut order: Vec<usize> = (0..self.k).collect();
        let counts = &of_segments.counts;
        order.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then_with(|| centroids.row(a).cmp(centroids.row(b))));
        let mut number = vec![0; self.k];
        order.iter().enumerate().for_each(|(new, &old)| number[old] = new as u32);
        Ok(WardFit {
            micro: sums.means(&origin(sums.k())?),
            segment_of: by_leaf.iter().map(|&cluster| number[cluster as usize]).collect(),
            inertia: of_segments.inertia(&centroids, tiles.sum_squares()),
            centroids: centroids.reordered(&order),
            leaves: tree.leaves,
            tree,
            exact: None,
            sample_rows: 0,
            agreement: None,
        })
    }

    /// How far the segments agree, on the sample, with those that micro-segments of another sample lead to.
    fn agreement(
        &self,
        (found, micro, segment_of): (&FoundMicro, &Centroids, &[u32]),
        (tiles, starter): (&Tiles, &dyn Backend),
        watch: Watch<'_>,
    ) -> Result<Option<f64>> {
        watch.stage(Stage::Stability, 1, "fits", || {
            let watch = watch.quiet();
            let other = self.search(tiles, starter, watch).find(mix(self.seed ^ 0x4d49_4352))?;
            let mut session = starter.open(&other.sample, other.centroids.k(), watch)?;
            let (others, sums) = counted(other.centroids, session.as_mut(), watch)?;
            drop(session);
            if others.k() < self.k {
                return Ok(None);
            }
            let other_of = tree_over(&sums, watch)?.cut(self.k);
            let mut session = starter.open(&found.sample, micro.k().max(others.k()), watch)?;
            let mut label = |centroids: &Centroids, of: &[u32]| {
                let nearest = NearestCentroids::of(session.as_mut(), centroids, false, watch)?;
                Ok::<Vec<u32>, Error>(nearest.labels.iter().map(|&micro| of[micro as usize]).collect())
            };
            let mut counts = Contingency::new(self.k, self.k);
            counts.push(&label(micro, segment_of)?, &label(&others, &other_of)?);
            Ok(Some(counts.adjusted_rand()))
        })
    }
}

impl WardFit {
    /// Whether the leaves are all distinct rows.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact.is_some()
    }

    /// The part of the tree above the micro-segments, which have so many `rows`; costs times `unit` are in squared
    /// scaled units.
    pub(crate) fn linkage(&self, rows: &[u64], unit: f64) -> Vec<TreeMerge> {
        self.tree.linkage(rows, unit)
    }

    /// Labels every row by its micro-segment, in row order: that of its leaf in an exact tree, or the nearest.
    ///
    /// # Errors
    /// As for [`Centroidal::label`](crate::backend::Centroidal::label).
    pub(crate) fn label(
        &self,
        tiles: &Tiles,
        session: Option<&mut (dyn Session + '_)>,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        match (&self.exact, session) {
            (Some((leaves, micro_of)), _) => leaves.label(tiles, (micro_of, &self.micro), watch, sink),
            (None, Some(session)) => session.centroidal().label(&self.micro, false, watch, sink),
            (None, None) => Err(Error::Internal("no session".into())),
        }
    }

    /// Rows of the fit that the nearest micro-segment would put into another segment than their leaf does: None unless
    /// leaves are rows and more than the micro-segments of a model.
    ///
    /// # Errors
    /// Too little memory, or an interruption.
    pub(crate) fn relabelled(&self, starter: &dyn Backend, watch: Watch<'_>) -> Result<Option<u64>> {
        let Some((leaves, micro_of)) = self.exact.as_ref().filter(|(leaves, _)| leaves.len() > self.micro.k()) else {
            return Ok(None);
        };
        let tiles = leaves.tiles()?;
        let mut session = starter.open(&tiles, self.micro.k(), watch.quiet())?;
        let nearest = NearestCentroids::of(session.as_mut(), &self.micro, false, watch)?.labels;
        let segment = |micro: u32| self.segment_of[micro as usize];
        let differs = nearest.iter().zip(micro_of).map(|(&near, &own)| segment(near) != segment(own));
        Ok(Some(differs.zip(&leaves.rows).filter(|(differs, _)| *differs).map(|(_, rows)| rows).sum()))
    }
}

/// Ward's tree over leaves with these sums, all of which have mass.
fn tree_over(sums: &CentroidSums, watch: Watch<'_>) -> Result<MergeTree> {
    let mass: Vec<f64> = sums.mass.iter().map(|&mass| mass as f64).collect();
    let values: Vec<f64> = sums.sums.iter().map(|&sum| sum as f64).collect();
    watch.stage(Stage::Tree, sums.k().saturating_sub(1) as u64, "merges", || {
        let found = chain::merges(Points::new(sums.dim(), &mass, &values), watch)?;
        Ok(MergeTree::new(sums.k(), found))
    })
}

/// The sums of `k` groups of leaves.
fn grouped(sums: &CentroidSums, group_of: &[u32], k: usize) -> CentroidSums {
    let mut all = CentroidSums::empty(k, sums.dim());
    for (leaf, &group) in group_of.iter().enumerate() {
        let group = group as usize;
        all.counts[group] += sums.counts[leaf];
        all.mass[group] += sums.mass[leaf];
        let into = &mut all.sums[group * sums.dim()..][..sums.dim()];
        into.iter_mut().zip(sums.sum(leaf)).for_each(|(sum, more)| *sum += more);
    }
    all
}

/// Leaves rows of weight 0 out of the counts: they do not decide about the numbers of segments.
fn count_weighted(
    micro: &Centroids,
    (tiles, session): (&Tiles, &mut dyn Session),
    sums: &mut CentroidSums,
    watch: Watch<'_>,
) -> Result<()> {
    let Some(weights) = tiles.weights().filter(|weights| weights.contains(&0)) else { return Ok(()) };
    session.centroidal().label(micro, false, watch.quiet(), &mut |part| {
        for (row, &label) in (part.first_row..).zip(&part.labels) {
            sums.counts[label as usize] -= u64::from(weights[row as usize] == 0);
        }
        Ok(())
    })
}
