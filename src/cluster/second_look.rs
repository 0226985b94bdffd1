//! A second look at a start. A small group far away has few rows in a sample, or none, and most seeds miss it, although
//! it may hold most of the inertia. Rows far from the center are few, and tiles know how far their rows reach: so all
//! of them join the sample, which is weighted to match. Then centroids move there while that pays: the two closest
//! segments merge, and a far row becomes a centroid.

use rayon::prelude::*;

use super::lloyd::{Limits, Progress};
use super::nearest::NearestCentroids;
use super::sample::Sample;
use super::seed::{draws, potentials};
use crate::backend::{Backend, CentroidSums, Centroids, distance2};
use crate::error::Result;
use crate::event::Watch;
use crate::numeric::{Random, power_of_two};
use crate::tiles::{Buffer, TILE_ROWS, Tiles};

/// A row is far if its squared norm is above so many times the mean: at most 1 row in 16 is.
const FAR: f64 = 16.0;
/// Far rows are looked for in at most so many tiles, those that reach farthest.
const FAR_TILES: usize = 512;
/// Rows that are tried as a new centroid.
const TRIALS: usize = 16;
/// A centroid moves only if the inertia falls below this share, so that good starts stay as they are.
const PAYS: f64 = 0.95;
/// The most centroids that move.
const MOST_MOVES: usize = 16;
/// The stream of random numbers; starts have those from 0.
const STREAM: u64 = u64::MAX;

/// What a second look needs.
pub(super) struct SecondLook<'a> {
    pub(super) tiles: &'a Tiles,
    pub(super) starter: &'a dyn Backend,
    pub(super) limits: Limits,
    pub(super) seed: u64,
    pub(super) watch: Watch<'a>,
}

impl SecondLook<'_> {
    /// The start, or a better one if centroids moved. Where no row is far, no small group is.
    pub(super) fn improve(&self, start: Centroids, sample: Sample) -> Result<Centroids> {
        let Some(cut) = self.cut() else { return Ok(start) };
        let sample = self.with_far_rows(sample, cut)?;
        let tiles = sample.tiles()?;
        let mut session = self.starter.open(&tiles, start.k(), self.watch.quiet())?;
        let mut random = Random::new(self.seed, STREAM);
        let (mut centroids, mut moves, mut before) = (start.clone(), 0, None);
        while moves < MOST_MOVES.min(start.k()) {
            self.watch.check()?;
            let labelled = NearestCentroids::of(session.as_mut(), &centroids, false, self.watch)?;
            let (next, inertia) = moved(&sample, &labelled, &centroids, &mut random);
            before = before.or(Some(inertia));
            let Some(next) = next else { break };
            (centroids, moves) = (next, moves + 1);
        }
        if moves == 0 {
            return Ok(start);
        }
        let better = Progress::new(centroids).run(&tiles, session.as_mut(), self.limits, self.watch.quiet())?;
        if before.is_none_or(|before| better.inertia >= before) {
            return Ok(start);
        }
        self.watch.note(format!("the start missed small groups far away; centroids moved: {moves}"));
        Ok(better.centroids)
    }

    /// The sample with all far rows, and the rest weighted for the rows that it stands for.
    fn with_far_rows(&self, sample: Sample, cut: f64) -> Result<Sample> {
        if sample.rows() as u64 >= self.tiles.counted_rows() {
            return Ok(sample);
        }
        let far = self.far_rows(cut)?;
        let near = sample.filtered(|row| norm2(row) as f64 <= cut);
        if far.rows() == 0 || near.rows() == 0 {
            return Ok(sample);
        }
        let ratio = (self.tiles.mass() - far.mass()) as f64 / near.mass() as f64;
        Ok(near.scaled(ratio, far))
    }

    /// The squared norm beyond which rows are far; None if no row is.
    fn cut(&self) -> Option<f64> {
        let cut = FAR * self.tiles.sum_squares() as f64 / self.tiles.mass().max(1) as f64;
        let mut norms: Vec<f32> = self.tiles.norms().iter().copied().filter(|&n| f64::from(n) > cut).collect();
        if norms.len() > FAR_TILES {
            norms.select_nth_unstable_by(FAR_TILES, |a, b| b.total_cmp(a));
            return Some(f64::from(norms[FAR_TILES]));
        }
        (!norms.is_empty()).then_some(cut)
    }

    /// All rows with a squared norm above `cut`.
    fn far_rows(&self, cut: f64) -> Result<Sample> {
        let (tiles, layout) = (self.tiles, self.tiles.layout());
        let chunk_tiles = layout.chunk_rows() / TILE_ROWS;
        let reach = tiles.norms().chunks(chunk_tiles).map(|norms| norms.iter().copied().fold(0.0, f32::max));
        let chunks: Vec<usize> = reach.enumerate().filter(|(_, n)| f64::from(*n) > cut).map(|(i, _)| i).collect();
        let parts: Vec<Sample> = chunks
            .into_par_iter()
            .with_max_len(1)
            .map_init(Buffer::default, |buffer, i| {
                self.watch.check()?;
                let chunk = tiles.read(i, buffer)?;
                let mut far = Sample::empty(tiles.dim(), chunk.weights.is_some());
                let mut row = vec![0; tiles.dim()];
                for t in (0..chunk.norms.len()).filter(|&t| f64::from(chunk.norms[t]) > cut) {
                    for r in t * TILE_ROWS..((t + 1) * TILE_ROWS).min(chunk.rows) {
                        chunk.copy_row(r, &mut row);
                        if norm2(&row) as f64 > cut && chunk.weight(r) > 0 {
                            far.push(&row, chunk.weight(r), 0);
                        }
                    }
                }
                Ok(far)
            })
            .collect::<Result<_>>()?;
        let mut all = Sample::empty(tiles.dim(), tiles.weights().is_some());
        parts.into_iter().for_each(|part| all.append(part));
        Ok(all)
    }
}

fn norm2(row: &[i32]) -> u64 {
    row.iter().map(|&v| (i64::from(v) * i64::from(v)) as u64).sum()
}

/// The centroids after the best move, if it pays; and their inertia without it.
fn moved(
    sample: &Sample,
    NearestCentroids { labels, distance2, .. }: &NearestCentroids,
    centroids: &Centroids,
    random: &mut Random,
) -> (Option<Centroids>, u128) {
    let chance = |i: usize| u128::from(sample.weight(i)) * u128::from(distance2[i]);
    let chances: Vec<u128> = (0..sample.rows()).map(chance).collect();
    let inertia = chances.iter().sum::<u128>();
    let drawn = draws(&chances, TRIALS, random);
    let potentials = potentials(sample, distance2, &drawn);
    let best = potentials.iter().zip(&drawn).min_by_key(|(potential, _)| **potential);
    let limit = PAYS * inertia as f64;
    let Some((left, &row)) = best.filter(|(left, _)| (**left as f64) < limit) else { return (None, inertia) };
    let mut mass = vec![0i64; centroids.k()];
    (0..sample.rows()).for_each(|i| mass[labels[i] as usize] += i64::from(sample.weight(i)));
    let Some((a, b, cost)) = closest(centroids, &mass) else { return (None, inertia) };
    if *left as f64 + cost >= limit {
        return (None, inertia);
    }
    let mut next = centroids.clone();
    next.set_row(a, &merged(centroids, &mass, a, b));
    next.set_row(b, sample.row(row));
    (Some(next), inertia)
}

/// The two segments whose merging costs least, and by how much the inertia would rise (Ward 1963).
fn closest(centroids: &Centroids, mass: &[i64]) -> Option<(usize, usize, f64)> {
    let cost = |a: usize, b: usize| {
        let (m, n) = (mass[a] as f64, mass[b] as f64);
        if m * n == 0.0 { 0.0 } else { m * n / (m + n) * distance2(centroids.row(a), centroids.row(b)) as f64 }
    };
    let pairs = (0..centroids.k()).flat_map(|b| (0..b).map(move |a| (a, b)));
    pairs.map(|(a, b)| (a, b, cost(a, b))).min_by(|a, b| a.2.total_cmp(&b.2))
}

/// The centroid of two segments together.
fn merged(centroids: &Centroids, mass: &[i64], a: usize, b: usize) -> Vec<i32> {
    let dim = centroids.dim();
    let mut sums = CentroidSums::empty(centroids.k(), dim);
    sums.mass[a] = mass[a] + mass[b];
    for f in 0..dim {
        let sum = |j: usize| mass[j] * i64::from(centroids.row(j)[f]);
        sums.sums[a * dim + f] = sum(a) + sum(b);
    }
    sums.means(centroids).row(a).to_vec()
}

impl Sample {
    /// These rows, each standing for `ratio` rows, and then all rows of `far`.
    fn scaled(mut self, ratio: f64, far: Sample) -> Sample {
        let total = self.mass() as f64 * ratio + far.mass() as f64;
        let heaviest = (self.heaviest() as f64 * ratio).max(far.heaviest() as f64);
        // Six more bits than whole numbers, as far as weights and their total have room.
        let fits =
            |e: &i32| total * power_of_two(*e) < power_of_two(39) && heaviest * power_of_two(*e) < power_of_two(31);
        let scale = power_of_two((-40..=6).rev().find(fits).unwrap_or(-40));
        let weigh = |sample: &mut Sample, factor: f64| {
            let weight = |i: usize| (f64::from(sample.weight(i)) * factor).round_ties_even().max(1.0) as u32;
            sample.weights = Some((0..sample.rows()).map(weight).collect());
        };
        let mut far = far;
        weigh(&mut self, ratio * scale);
        weigh(&mut far, scale);
        self.append(far);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;
    use crate::cluster::sample::sample;

    /// Rows in two groups near the center, and every 5000th far away.
    fn rows(n: usize) -> Vec<i32> {
        (0..n as i32).map(|i| if i % 5000 == 77 { 400_000 + i % 7 } else { (i % 2) * 2000 + i * 31 % 200 }).collect()
    }

    #[test]
    fn a_centroid_moves_to_a_group_that_the_sample_lacks() {
        let values = rows(100_000);
        let tiles = Tiles::from_rows(1, &values, None, 1024).unwrap();
        let cpu = Cpu::new(None).unwrap();
        let look =
            SecondLook { tiles: &tiles, starter: &cpu, limits: Limits::default(), seed: 1, watch: Watch::none() };
        let few = || sample(&tiles, 3, 500, Watch::none()).unwrap().filtered(|row| row[0] < 10_000);
        let wide = look.with_far_rows(few(), look.cut().unwrap()).unwrap();
        let far = (0..wide.rows()).filter(|&i| wide.row(i)[0] > 10_000).count();
        assert_eq!((far, wide.rows()), (20, few().rows() + 20));
        let off = wide.mass() as f64 / wide.weight(wide.rows() - 1) as f64 - 100_000.0;
        assert!(off.abs() < 1000.0, "the weights stand for {off} rows more than there are");
        // Three centroids for two groups: one is to spare.
        let start = Centroids::new(1, vec![50, 150, 2100]).unwrap();
        let better = look.improve(start, few()).unwrap();
        let mut found: Vec<i32> = better.iter().map(|c| c[0]).collect();
        found.sort_unstable();
        assert!((80..120).contains(&found[0]) && (2080..2120).contains(&found[1]), "{found:?}");
        assert!((400_000..400_007).contains(&found[2]), "{found:?}");
        assert_eq!(look.improve(better.clone(), few()).unwrap(), better, "a good start stays");
    }
}
