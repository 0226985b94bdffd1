//! Micro-segments: the leaves of a tree over more rows than one can be made of. They are found on a sample as k-means
//! finds its starts, and have the counts and exact sums of all rows.

use crate::backend::{Backend, CentroidSums, Centroids, Session};
use crate::cluster::lloyd::{Limits, Progress};
use crate::cluster::repair::distinct_rows;
use crate::cluster::sample::{Sample, sample};
use crate::cluster::seed::plus_plus;
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::numeric::Random;
use crate::tiles::Tiles;

/// Rows per micro-segment of the sample, and of what they are seeded on, which costs the square of their number.
const SAMPLE_ROWS_EACH: u64 = 64;
const SEED_ROWS_EACH: usize = 8;
/// Passes over the sample. More of them hardly change where a segment made of many micro-segments ends.
const PASSES: u32 = 8;

/// Where micro-segments are looked for.
#[derive(Clone, Copy)]
pub(super) struct MicroSearch<'a> {
    pub(super) tiles: &'a Tiles,
    pub(super) starter: &'a dyn Backend,
    /// How many.
    pub(super) wanted: usize,
    pub(super) watch: Watch<'a>,
}

/// Centroids of micro-segments, and the sample that they were found on.
pub(crate) struct FoundMicro {
    pub(super) sample: Tiles,
    pub(crate) centroids: Centroids,
}

impl MicroSearch<'_> {
    /// Up to as many centroids as are wanted, all of which have rows in the sample, in the order of their values.
    pub(super) fn find(&self, seed: u64) -> Result<FoundMicro> {
        let MicroSearch { tiles, wanted, watch, .. } = *self;
        let (rows, start) = watch.stage(Stage::Seed, 1, "starts", || {
            let rows = sample(tiles, seed, SAMPLE_ROWS_EACH * wanted as u64, watch)?;
            let start = self.seeds(&rows, seed)?;
            watch.advance(Stage::Seed, 1);
            Ok((rows, start))
        })?;
        watch.stage(Stage::SampleFit, 1, "fits", || {
            let on_sample = rows.tiles()?;
            let limits = Limits { max_iter: PASSES, ..Limits::default() };
            let mut session = self.starter.open(&on_sample, start.k(), watch.quiet())?;
            let found = Progress::new(start).run(&on_sample, session.as_mut(), limits, watch.quiet())?;
            let sums = session.centroidal().pass(&found.centroids, watch.quiet())?;
            drop(session);
            watch.advance(Stage::SampleFit, 1);
            Ok(FoundMicro { sample: on_sample, centroids: in_order(&found.centroids, &sums)? })
        })
    }

    /// Rows of the sample, or any distinct rows where the sample has too few.
    fn seeds(&self, rows: &Sample, seed: u64) -> Result<Centroids> {
        let few = rows.thinned(SEED_ROWS_EACH * self.wanted);
        let chosen = plus_plus(&few, self.wanted, &mut Random::new(seed, 0), self.watch)?;
        if chosen.len() == self.wanted {
            return few.centroids(&chosen);
        }
        Centroids::new(self.tiles.dim(), distinct_rows(self.tiles, self.wanted, self.watch)?.concat())
    }
}

/// The centroids that have rows of a weight above 0, in the order of their values.
pub(super) fn in_order(centroids: &Centroids, sums: &CentroidSums) -> Result<Centroids> {
    let mut rows: Vec<&[i32]> =
        centroids.iter().zip(&sums.mass).filter(|(_, mass)| **mass > 0).map(|(row, _)| row).collect();
    rows.sort_unstable();
    rows.dedup();
    Centroids::new(centroids.dim(), rows.concat())
}

/// Centroids, all of which have rows of a weight above 0, and what a pass over all rows found of them.
pub(super) fn counted(
    mut centroids: Centroids,
    session: &mut dyn Session,
    watch: Watch<'_>,
) -> Result<(Centroids, CentroidSums)> {
    loop {
        let sums = session.centroidal().pass(&centroids, watch)?;
        let kept = in_order(&centroids, &sums)?;
        if kept == centroids {
            return Ok((centroids, sums));
        }
        centroids = kept;
    }
}
