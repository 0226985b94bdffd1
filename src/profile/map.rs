//! A map of the customers: on the two directions in which the segments differ most.
//!
//! Columns enter as ranks, so that no outlier decides what the map shows; directions are found by power iteration with
//! a fixed start and a fixed number of steps, so that the same rows give the same map.

use super::report::{MapCell, SegmentMap};

/// Steps of the power iteration.
const STEPS: usize = 200;
/// Cells of the map, across and up.
const CELLS: [usize; 2] = [32, 20];
/// The share of rows that may lie beyond each edge of the map.
const BEYOND: f64 = 0.002;

/// Rows that were drawn from all.
pub(super) struct MapRows<'a> {
    /// Names of the columns, and the rank of every row in each; NaN is missing.
    pub(super) columns: Vec<(&'a str, &'a [f64])>,
    /// The segment of every row, from 1; 0: none.
    pub(super) segments: &'a [u32],
    /// By segment from 0: whether it may be shown.
    pub(super) told: Vec<bool>,
    /// Cells and segments of fewer rows are left out.
    pub(super) small_cells: u64,
}

impl MapRows<'_> {
    /// None with fewer than two columns or three segments, and where the segments do not differ.
    pub(super) fn map(&self) -> Option<SegmentMap> {
        let rows = self.scaled();
        let (means, counts) = self.means(&rows);
        let least = self.small_cells.max(1);
        let shown = |segment: usize| self.told[segment] && counts[segment] >= least;
        let known: Vec<usize> = (0..counts.len()).filter(|&segment| shown(segment)).collect();
        if self.columns.len() < 2 || known.len() < 3 {
            return None;
        }
        let (points, weights): (Vec<&[f64]>, Vec<f64>) =
            known.iter().map(|&segment| (means[segment].as_slice(), counts[segment] as f64)).unzip();
        if points.iter().all(|point| dot(point, point) == 0.0) {
            return None;
        }
        let first = direction(&points, &weights, &[]);
        let second = direction(&points, &weights, std::slice::from_ref(&first));
        let axes = [first, second];
        let at = |row: &[f64]| [dot(row, &axes[0]), dot(row, &axes[1])];
        let spots: Vec<Option<[f64; 2]>> = (0..counts.len()).map(|s| shown(s).then(|| at(&means[s]))).collect();
        let places: Vec<[f64; 2]> = rows.iter().map(|row| at(row)).collect();
        let frame = [0, 1].map(|axis| frame(places.iter().map(|place| place[axis]).collect(), &spots, axis));
        let cells = self.cells(&places, frame);
        Some(SegmentMap {
            rows: rows.len() as u64,
            columns: self.columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
            axes,
            spots,
            frame,
            grid: CELLS.map(|n| n as u32),
            cells,
        })
    }

    /// Ranks with mean 0 and deviation 1; what is missing is in the middle.
    fn scaled(&self) -> Vec<Vec<f64>> {
        let mut rows = vec![vec![0.0; self.columns.len()]; self.segments.len()];
        for (column, (_, ranks)) in self.columns.iter().enumerate() {
            let known = || ranks.iter().filter(|v| !v.is_nan());
            let n = known().count() as f64;
            let mean = known().sum::<f64>() / n;
            let deviation = (known().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
            if !(deviation > 0.0) {
                continue;
            }
            for (row, rank) in rows.iter_mut().zip(ranks.iter()).filter(|(_, rank)| !rank.is_nan()) {
                row[column] = (rank - mean) / deviation;
            }
        }
        rows
    }

    /// The mean of every segment, and its rows.
    fn means(&self, rows: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<u64>) {
        let mut means = vec![vec![0.0; self.columns.len()]; self.told.len()];
        let mut counts = vec![0; self.told.len()];
        for (row, &segment) in rows.iter().zip(self.segments) {
            let Some(segment) = (segment as usize).checked_sub(1) else { continue };
            counts[segment] += 1;
            means[segment].iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        }
        for (mean, &n) in means.iter_mut().zip(&counts) {
            mean.iter_mut().for_each(|v| *v /= n.max(1) as f64);
        }
        (means, counts)
    }

    /// The rows in each cell of the frame, by row and column of the grid.
    fn cells(&self, places: &[[f64; 2]], frame: [[f64; 2]; 2]) -> Vec<MapCell> {
        let mut counts = vec![0_u64; CELLS[0] * CELLS[1]];
        for place in places {
            let cell = |axis: usize| {
                let [low, high] = frame[axis];
                let at = ((place[axis] - low) / (high - low) * CELLS[axis] as f64).floor();
                (at >= 0.0 && at < CELLS[axis] as f64).then_some(at as usize)
            };
            if let (Some(across), Some(up)) = (cell(0), cell(1)) {
                counts[up * CELLS[0] + across] += 1;
            }
        }
        let told = |(_, n): &(usize, u64)| *n >= self.small_cells.max(1);
        let cell = |(at, customers)| MapCell { across: (at % CELLS[0]) as u32, up: (at / CELLS[0]) as u32, customers };
        counts.into_iter().enumerate().filter(told).map(cell).collect()
    }
}

/// Where the map begins and ends along an axis: around nearly all rows, and all spots.
fn frame(mut places: Vec<f64>, spots: &[Option<[f64; 2]>], axis: usize) -> [f64; 2] {
    places.sort_unstable_by(f64::total_cmp);
    let last = places.len().saturating_sub(1);
    let beyond = (places.len() as f64 * BEYOND) as usize;
    let ends = [places[beyond.min(last)], places[last - beyond.min(last)]];
    let [low, high] = spots.iter().flatten().fold(ends, |[low, high], s| [low.min(s[axis]), high.max(s[axis])]);
    // The last row lies in the last cell.
    let margin = (high - low).max(1e-9) * 0.01;
    [low - margin, high + margin]
}

/// The direction of the largest weighted sum of squares, of those at right angles to the earlier ones.
fn direction(rows: &[&[f64]], weights: &[f64], earlier: &[Vec<f64>]) -> Vec<f64> {
    let width = rows.first().map_or(0, |row| row.len());
    // A start that no symmetry of the data can make orthogonal to the result.
    let mut axis: Vec<f64> = (0..width).map(|i| 1.0 + i as f64 / 7.0).collect();
    for _ in 0..STEPS {
        let mut next = vec![0.0; width];
        for (row, weight) in rows.iter().zip(weights) {
            let along = weight * dot(row, &axis);
            next.iter_mut().zip(row.iter()).for_each(|(sum, v)| *sum += along * v);
        }
        for other in earlier {
            let along = dot(&next, other);
            next.iter_mut().zip(other).for_each(|(sum, v)| *sum -= along * v);
        }
        let length = dot(&next, &next).sqrt();
        if !(length > 0.0) {
            return vec![0.0; width];
        }
        axis = next.into_iter().map(|v| v / length).collect();
    }
    // The sign is arbitrary: the largest load is positive.
    let largest = axis.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
    if largest < 0.0 {
        axis.iter_mut().for_each(|v| *v = -*v);
    }
    axis
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_those_of_the_largest_differences() {
        let rows = [[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]];
        let rows: Vec<&[f64]> = rows.iter().map(|row| row.as_slice()).collect();
        let first = direction(&rows, &[0.25; 4], &[]);
        let second = direction(&rows, &[0.25; 4], std::slice::from_ref(&first));
        assert!((first[0] - 1.0).abs() < 1e-12 && (second[1] - 1.0).abs() < 1e-12, "{first:?} {second:?}");
        assert_eq!(direction(&[&[0.0]], &[1.0], &[]), [0.0]);
    }

    #[test]
    fn cells_have_all_rows_but_those_of_small_ones() {
        // Three segments in corners of a square, and a row of a fourth, which is too small.
        let corner = |i: usize| [(0.0, 0.0), (9.0, 0.0), (0.0, 9.0)][i % 3];
        let mut x: Vec<f64> = (0..300).map(|i| corner(i).0 + (i / 3 % 10) as f64 / 10.0).collect();
        let mut y: Vec<f64> = (0..300).map(|i| corner(i).1 + (i / 30) as f64 / 10.0).collect();
        let mut segments: Vec<u32> = (0..300).map(|i| 1 + i % 3).collect();
        x.push(9.0);
        y.push(f64::NAN);
        segments.push(4);
        let rows = |small_cells: u64| MapRows {
            columns: vec![("x", &x), ("y", &y)],
            segments: &segments,
            told: vec![true; 4],
            small_cells,
        };
        let map = rows(0).map().unwrap();
        assert_eq!(map.cells.iter().map(|cell| cell.customers).sum::<u64>(), 301);
        assert_eq!(map.spots.iter().flatten().count(), 4);
        let held = rows(5).map().unwrap();
        assert_eq!((held.spots[3], held.spots.iter().flatten().count()), (None, 3));
        assert!(held.cells.iter().all(|cell| cell.customers >= 5) && held.cells.len() < map.cells.len());
        assert_eq!(MapRows { told: vec![true, true, false, false], ..rows(0) }.map(), None, "two segments are a line");
    }
}
