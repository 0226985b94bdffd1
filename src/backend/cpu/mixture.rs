//! Passes of Gaussian mixtures: the responsibilities of the rows of a chunk, and sums weighted by them.
//!
//! Densities are f64, row by row, so they do not depend on the SIMD level. Responsibilities are rounded to multiples of
//! 2^-24; the largest of a row takes what the others leave, so that each row counts exactly once. From there on all
//! sums are integers.

use fearless_simd::Simd;

use super::density::{DensityRoom, PackedGaussians, TileLine};
use super::judge::{Judge, Tile, tiles};
use super::kernel::Winners;
use super::rows::Rows;
use super::weighted::{BLOCK, LOW_BITS, STRIDE, split_products, sum_columns, whole};
use crate::backend::gaussians::{
    MixtureLabels, MixtureSums, NO_DENSITY, RESPONSIBILITY_BITS, RowPosterior, SecondMoments, UNIT,
};
use crate::numeric::{exp_m1_wide, ln_1p};
use crate::simd::Work;
use crate::tiles::{Chunk, TILE_ROWS};

/// Tiles of a block.
const TILES: usize = BLOCK / TILE_ROWS;
/// The digits of base 2^24 of a weight times a responsibility.
const DIGITS: usize = 3;

/// What responsibilities follow from.
pub(super) enum ShareSource<'a> {
    /// Densities.
    Gaussians(&'a PackedGaussians<'a>),
    /// The nearest centroid alone.
    Nearest(&'a Judge),
}

/// One worker's sums, and its room.
pub(super) struct MixtureWorker {
    pub(super) sums: MixtureSums,
    tile: TileRoom,
    /// Responsibilities, `k x STRIDE`, by digits: a single digit if rows have no weights.
    parts: Vec<Vec<f64>>,
    /// Features of the rows of a block, `dim x STRIDE`.
    x: Vec<f64>,
    ones: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
}

/// Room for the work on one tile.
struct TileRoom {
    x: Vec<TileLine>,
    density: DensityRoom,
    /// By component: log densities, then densities by the largest.
    lines: Vec<TileLine>,
    nearest: (Rows, Winners),
}

/// What is known of the rows of a tile, besides their responsibilities.
struct TileDensity {
    best: TileLine,
    sum: TileLine,
}

impl TileRoom {
    fn new(k: usize, dim: usize) -> Self {
        TileRoom {
            x: vec![[0.0; TILE_ROWS]; dim],
            density: DensityRoom::new(dim),
            lines: vec![[0.0; TILE_ROWS]; k],
            nearest: (Rows::new(dim), Winners::new()),
        }
    }

    #[inline(always)]
    fn load(&mut self, tile: Tile<'_>) {
        for (x, values) in self.x.iter_mut().zip(tile.values) {
            for (x, &value) in x.iter_mut().zip(values) {
                *x = f64::from(value);
            }
        }
    }

    /// Log densities of the rows loaded, by component; returns the largest of each row.
    #[inline(always)]
    fn log_densities<S: Simd, const R: usize>(&mut self, simd: S, gaussians: &PackedGaussians<'_>) -> TileLine {
        self.density.densities::<S, R>(simd, &self.x, gaussians, &mut self.lines);
        let mut best = [NO_DENSITY; TILE_ROWS];
        for line in &self.lines {
            for (best, &value) in best.iter_mut().zip(line) {
                *best = if value > *best { value } else { *best };
            }
        }
        best
    }

    /// Densities by the largest of each row, `best`, and their sum, in place of their logarithms.
    #[inline(always)]
    fn densities(&mut self, best: TileLine) -> TileDensity {
        let mut sum = [0.0; TILE_ROWS];
        for line in &mut self.lines {
            for ((value, best), sum) in line.iter_mut().zip(&best).zip(&mut sum) {
                *value = exp_m1_wide(*value - best) + 1.0;
                *sum += *value;
            }
        }
        TileDensity { best, sum }
    }

    /// Responsibilities in whole numbers of 1 / `UNIT`, which sum to `UNIT`.
    #[inline(always)]
    fn share(&self, sum: &TileLine, parts: &mut [f64], at: usize) {
        let mut left = [UNIT; TILE_ROWS];
        let mut scale = [0.0; TILE_ROWS];
        for (scale, sum) in scale.iter_mut().zip(sum) {
            *scale = UNIT / sum;
        }
        for (line, part) in self.lines.iter().zip(parts.chunks_exact_mut(STRIDE)) {
            let part = &mut part[at..at + TILE_ROWS];
            for (((value, scale), part), left) in line.iter().zip(&scale).zip(part).zip(&mut left) {
                *part = whole(value * scale);
                *left -= *part;
            }
        }
        // The density of the best component is 1, by the largest.
        for (line, part) in self.lines.iter().zip(parts.chunks_exact_mut(STRIDE)) {
            let part = &mut part[at..at + TILE_ROWS];
            for ((value, part), left) in line.iter().zip(part).zip(&mut left) {
                let taken = if *value >= 1.0 { *left } else { 0.0 };
                *part += taken;
                *left -= taken;
            }
        }
    }
}

impl MixtureWorker {
    pub(super) fn new(k: usize, dim: usize, second: SecondMoments, weighted: bool) -> Self {
        let digits = if weighted { DIGITS } else { 1 };
        MixtureWorker {
            sums: MixtureSums::empty(k, dim, second),
            tile: TileRoom::new(k, dim),
            parts: vec![vec![0.0; k * STRIDE]; digits],
            x: vec![0.0; dim * STRIDE],
            ones: vec![1.0; BLOCK],
            high: vec![0.0; BLOCK],
            low: vec![0.0; BLOCK],
        }
    }

    /// Responsibilities of the rows of a tile, the `t`th of its block.
    #[inline(always)]
    fn take<S: Simd, const R: usize>(&mut self, simd: S, source: &ShareSource<'_>, tile: Tile<'_>, t: usize) {
        let at = t * TILE_ROWS;
        let rows = tile.there.count_ones() as usize;
        self.tile.load(tile);
        for (x, line) in self.x.chunks_exact_mut(STRIDE).zip(&self.tile.x) {
            x[at..at + TILE_ROWS].copy_from_slice(line);
        }
        match source {
            ShareSource::Gaussians(gaussians) => {
                let best = self.tile.log_densities::<S, R>(simd, gaussians);
                let found = self.tile.densities(best);
                self.tile.share(&found.sum, &mut self.parts[0], at);
                self.sums.log_density += log_density(&found, rows, tile.weights);
            }
            ShareSource::Nearest(judge) => {
                let (room, winners) = &mut self.tile.nearest;
                judge.decide::<S, R>(simd, tile, room, winners);
                for (j, part) in self.parts[0].chunks_exact_mut(STRIDE).enumerate() {
                    for (part, &label) in part[at..at + TILE_ROWS].iter_mut().zip(&winners.labels) {
                        *part = if label == j as u32 { UNIT } else { 0.0 };
                    }
                }
            }
        }
        if let Some(weights) = tile.weights {
            weigh(&mut self.parts, &weights[..rows], at);
        }
        if rows < TILE_ROWS {
            for part in self.parts.iter_mut().flat_map(|digit| digit.chunks_exact_mut(STRIDE)) {
                part[at + rows..at + TILE_ROWS].fill(0.0);
            }
        }
    }

    /// Adds the first `rows` rows of the block to the sums. (Loops instead of `for_each`, which is not compiled for the
    /// SIMD level.)
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, rows: usize) {
        let dim = self.sums.dim;
        // Column 0 is that of ones; a last single column is taken twice.
        for c in (0..=dim).step_by(2) {
            self.add_columns(simd, [c, (c + 1).min(dim)], rows);
        }
        match self.sums.second {
            SecondMoments::Without => {}
            SecondMoments::Squares => {
                for f in 0..dim {
                    self.add_products(simd, f, (f, f), rows);
                }
            }
            SecondMoments::Products => {
                let mut at = 0;
                for b in 0..dim {
                    for a in 0..=b {
                        self.add_products(simd, at, (a, b), rows);
                        at += 1;
                    }
                }
            }
        }
    }

    /// Adds two columns: ones, or features.
    #[inline(always)]
    fn add_columns<S: Simd>(&mut self, simd: S, [first, second]: [usize; 2], rows: usize) {
        let MixtureWorker { sums, parts, x, ones, .. } = self;
        let dim = sums.dim;
        let of_first = if first == 0 { &ones[..] } else { &x[(first - 1) * STRIDE..][..BLOCK] };
        let of_second = if second == 0 { &ones[..] } else { &x[(second - 1) * STRIDE..][..BLOCK] };
        for (digit, parts) in parts.iter().enumerate() {
            let shift = RESPONSIBILITY_BITS * digit as u32;
            sum_columns(
                simd,
                parts,
                [of_first, of_second],
                rows,
                #[inline(always)]
                |j, [a, b]| {
                    let total = if first == 0 { &mut sums.mass[j] } else { &mut sums.sums[j * dim + first - 1] };
                    *total += i128::from(a) << shift;
                    if second > first {
                        sums.sums[j * dim + second - 1] += i128::from(b) << shift;
                    }
                },
            );
        }
    }

    /// Adds the products of two features, the moment `at`.
    #[inline(always)]
    fn add_products<S: Simd>(&mut self, simd: S, at: usize, (a, b): (usize, usize), rows: usize) {
        let MixtureWorker { sums, parts, x, high, low, .. } = self;
        let len = sums.second.len(sums.dim);
        split_products(&x[a * STRIDE..][..rows], &x[b * STRIDE..][..rows], &mut high[..rows], &mut low[..rows]);
        for (digit, parts) in parts.iter().enumerate() {
            let shift = RESPONSIBILITY_BITS * digit as u32;
            sum_columns(
                simd,
                parts,
                [&high[..], &low[..]],
                rows,
                #[inline(always)]
                |j, [high, low]| {
                    let product = (i128::from(high) << LOW_BITS) + i128::from(low);
                    sums.products[j * len + at] += product << shift;
                },
            );
        }
    }
}

/// The sum of the rows' log densities, with their weights, in 1 / `UNIT`.
#[inline(always)]
fn log_density(found: &TileDensity, rows: usize, weights: Option<&[u32]>) -> i128 {
    let mut units = [0.0; TILE_ROWS];
    for ((units, best), sum) in units.iter_mut().zip(&found.best).zip(&found.sum) {
        *units = ((best + ln_1p(sum - 1.0)) * UNIT).round_ties_even();
    }
    // A density that is farther from 1 than 2^39 in its logarithm counts as if it were not.
    let of_row = |(r, &units): (usize, &f64)| i128::from(units as i64) * weights.map_or(1, |w| i128::from(w[r]));
    units.iter().take(rows).enumerate().map(of_row).sum()
}

/// Multiplies responsibilities by weights, in digits of 24 bits.
#[inline(always)]
fn weigh(parts: &mut [Vec<f64>], weights: &[u32], at: usize) {
    const DIGIT: u64 = (1 << RESPONSIBILITY_BITS) - 1;
    let [first, second, third] = parts else { return };
    let lines = first.chunks_exact_mut(STRIDE).zip(second.chunks_exact_mut(STRIDE)).zip(third.chunks_exact_mut(STRIDE));
    for ((first, second), third) in lines {
        for (r, &weight) in (at..).zip(weights) {
            // 25 bits times 32.
            let product = (first[r] as u64).wrapping_mul(u64::from(weight));
            first[r] = (product & DIGIT) as f64;
            second[r] = (product >> RESPONSIBILITY_BITS & DIGIT) as f64;
            third[r] = (product >> (2 * RESPONSIBILITY_BITS)) as f64;
        }
    }
}

/// Adds the rows of a chunk to the sums of a worker.
pub(super) struct MixtureChunk<'a> {
    pub(super) source: &'a ShareSource<'a>,
    pub(super) chunk: Chunk<'a>,
    pub(super) worker: &'a mut MixtureWorker,
}

impl Work for MixtureChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let mut t = 0;
        for tile in tiles(self.chunk) {
            self.worker.take::<S, R>(simd, self.source, tile, t);
            t += 1;
            if t == TILES {
                self.worker.add(simd, BLOCK);
                t = 0;
            }
        }
        self.worker.add(simd, t * TILE_ROWS);
    }
}

/// The components of the rows of a chunk.
pub(super) struct MixtureLabelChunk<'a> {
    pub(super) gaussians: &'a PackedGaussians<'a>,
    pub(super) chunk: Chunk<'a>,
}

impl Work for MixtureLabelChunk<'_> {
    type Output = MixtureLabels;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) -> MixtureLabels {
        let of = self.gaussians.of;
        let mut room = TileRoom::new(of.k(), self.chunk.dim);
        let mut logs = room.lines.clone();
        let mut out = MixtureLabels::with_capacity(self.chunk.first_row, self.chunk.rows);
        for tile in tiles(self.chunk) {
            let rows = tile.there.count_ones() as usize;
            room.load(tile);
            let best = room.log_densities::<S, R>(simd, self.gaussians);
            logs.copy_from_slice(&room.lines);
            let found = room.densities(best);
            out.log_density += log_density(&found, rows, tile.weights);
            let entropy = entropies(&found, &logs, &room.lines);
            for r in 0..rows {
                let (first, second) = two_largest(&logs, r);
                let posterior = |j: usize| room.lines[j][r] / found.sum[r];
                let of_row = RowPosterior {
                    first: posterior(first),
                    second: second.map(|second| second as u32),
                    second_posterior: second.map_or(0.0, posterior),
                    entropy: entropy[r],
                };
                out.push(first as u32, 2.0 * (of.constants[first] - logs[first][r]), of_row);
            }
        }
        out
    }
}

/// The entropies of the rows' posteriors.
#[inline(always)]
fn entropies(found: &TileDensity, logs: &[TileLine], densities: &[TileLine]) -> TileLine {
    let mut sums = [0.0; TILE_ROWS];
    for (log, density) in logs.iter().zip(densities) {
        for r in 0..TILE_ROWS {
            // What has no density adds nothing.
            sums[r] += if density[r] > 0.0 { density[r] * (found.best[r] - log[r]) } else { 0.0 };
        }
    }
    for r in 0..TILE_ROWS {
        sums[r] = sums[r] / found.sum[r] + ln_1p(found.sum[r] - 1.0);
    }
    sums
}

/// The components of the largest and of the second-largest density of a row, ties to the lower index.
#[inline(always)]
fn two_largest(logs: &[TileLine], r: usize) -> (usize, Option<usize>) {
    let (mut first, mut second) = (0, None);
    for j in 1..logs.len() {
        if logs[j][r] > logs[first][r] {
            (first, second) = (j, Some(first));
        } else if second.is_none_or(|second: usize| logs[j][r] > logs[second][r]) {
            second = Some(j);
        }
    }
    (first, second)
}
