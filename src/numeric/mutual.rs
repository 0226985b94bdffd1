//! What two labellings of the same rows tell of each other: mutual information, and how much of it chance would give.
//!
//! Everything is a sum of deviances `n ln(n / m) + m - n` of counts from those expected of independent labellings:
//! their first-order terms cancel in all sums, so that nothing large is subtracted.

use rayon::prelude::*;

use super::agreement::Contingency;
use super::hypergeometric::deviance;

/// Probabilities below this part of the largest are left out of a sum: 9.3 standard deviations away. With them the
/// expected information would change by less than its rounding.
const NEGLIGIBLE: f64 = 1e-19;

/// From this expected count on, the sum over all counts is replaced by its expansion in central moments up to the
/// fourth. What that leaves out is below `1 / m^2` a cell, so below `1 / (m rows)` in all: 10^-5 rows' worth at most.
const MANY: f64 = 1e5;

/// Information in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LabelInformation {
    mutual: f64,
    /// The mean over all labellings with the same sizes of segments.
    expected: f64,
    /// Of the lines, and of the columns.
    entropies: [f64; 2],
    /// Lines and columns that have rows.
    segments: [usize; 2],
    is_same: bool,
}

impl LabelInformation {
    /// Of the rows of two labellings.
    pub(crate) fn of(counts: &Contingency) -> Self {
        let (lines, columns) = counts.totals();
        let rows: u64 = lines.iter().sum();
        let all = rows.max(1) as f64;
        let mut cells = 0;
        let departures = counts.lines().zip(&lines).flat_map(|(line, &size)| {
            cells += line.iter().filter(|&&n| n > 0).count();
            let by_chance = columns.iter().map(move |&column| size as f64 * (column as f64 / all));
            line.iter().zip(by_chance).map(|(&n, mean)| departure(n as f64, mean))
        });
        let mutual = total(departures);
        let used = |sizes: &[u64]| sizes.iter().filter(|&&n| n > 0).count();
        let entropy = |sizes: &[u64]| {
            let share = |&n: &u64| if n == 0 { 0.0 } else { n as f64 / all * libm::log(all / n as f64) };
            total(sizes.iter().map(share))
        };
        let segments = [used(&lines), used(&columns)];
        LabelInformation {
            mutual: mutual / all,
            expected: expected(&lines, &columns, rows),
            entropies: [entropy(&lines), entropy(&columns)],
            segments,
            is_same: segments == [cells; 2],
        }
    }

    /// Adjusted mutual information (N. X. Vinh, J. Epps and J. Bailey, "Information Theoretic Measures for Clusterings
    /// Comparison", Journal of Machine Learning Research 11, 2010), beside the mean of both entropies: 1 where the
    /// labellings are the same but for their numbers, 0 on average by chance, and 0 if only one of them has a single
    /// segment.
    pub(crate) fn adjusted(&self) -> f64 {
        if self.is_same {
            return 1.0;
        }
        if self.segments.contains(&1) {
            return 0.0;
        }
        let most = (self.entropies[0] + self.entropies[1]) / 2.0;
        let least = f64::EPSILON;
        let apart = |v: f64| if v < 0.0 { v.min(-least) } else { v.max(least) };
        apart(self.mutual - self.expected) / apart(most - self.expected)
    }

    /// Whether each column has rows of one line only: 1 if all do.
    pub(crate) fn homogeneity(&self) -> f64 {
        self.told(0)
    }

    /// Whether all rows of each line are in one column: 1 if all are.
    pub(crate) fn completeness(&self) -> f64 {
        self.told(1)
    }

    /// The harmonic mean of homogeneity and completeness (A. Rosenberg and J. Hirschberg, "V-Measure", EMNLP 2007).
    pub(crate) fn v_measure(&self) -> f64 {
        let [homogeneity, completeness] = [self.homogeneity(), self.completeness()];
        let sum = homogeneity + completeness;
        if sum == 0.0 { 0.0 } else { 2.0 * homogeneity * completeness / sum }
    }

    /// The share of a side's entropy that the other tells.
    fn told(&self, side: usize) -> f64 {
        let entropy = self.entropies[side];
        if self.is_same || entropy == 0.0 { 1.0 } else { (self.mutual / entropy).clamp(0.0, 1.0) }
    }
}

/// The deviance of a count, also of none.
fn departure(n: f64, mean: f64) -> f64 {
    if n == 0.0 { mean } else { deviance(n, mean) }
}

/// The mean information of all labellings with these sizes.
fn expected(lines: &[u64], columns: &[u64], rows: u64) -> f64 {
    let (lines, columns) = (distinct(lines), distinct(columns));
    let of_line = |&(line, times): &(u64, f64)| {
        let cells = columns.iter().map(|&(column, times)| times * expected_deviance(line, column, rows));
        times * total(cells)
    };
    // Added up in order, so that threads do not show.
    let by_line: Vec<f64> = lines.par_iter().map(of_line).collect();
    total(by_line.into_iter()) / rows.max(1) as f64
}

/// The sum of values of 0 or more, with what rounding lost (W. Kahan, A. Neumaier): within a digit of the exact one
/// however many they are.
fn total(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0);
    for value in values {
        let next = sum + value;
        lost += if sum >= value { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

/// The sizes of segments that have rows, and how often each occurs.
fn distinct(sizes: &[u64]) -> Vec<(u64, f64)> {
    let mut sizes: Vec<u64> = sizes.iter().copied().filter(|&n| n > 0).collect();
    sizes.sort_unstable();
    sizes.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect()
}

/// The mean deviance of the rows that two segments share by chance: a hypergeometric variable.
fn expected_deviance(line: u64, column: u64, rows: u64) -> f64 {
    if line == rows || column == rows {
        return 0.0;
    }
    let chance = Chance { line: line as f64, column: column as f64, rows: rows as f64 };
    let mean = chance.mean();
    if mean >= MANY { chance.by_moments() } else { chance.by_counts() }
}

struct Chance {
    line: f64,
    column: f64,
    rows: f64,
}

impl Chance {
    fn mean(&self) -> f64 {
        self.line * (self.column / self.rows)
    }

    /// From the most likely count in both directions, by ratios of neighbours, so that no probability is computed.
    fn by_counts(&self) -> f64 {
        let Chance { line, column, rows } = *self;
        let mean = self.mean();
        // Rows in neither segment, less the count.
        let rest = rows - line - column;
        let (first, last) = ((-rest).max(0.0), line.min(column));
        let mode = ((line + 1.0) * ((column + 1.0) / (rows + 2.0))).floor().clamp(first, last);
        let (mut sum, mut all) = (departure(mode, mean), 1.0);
        let (mut n, mut weight) = (mode, 1.0);
        while n < last {
            weight *= (line - n) * (column - n) / ((n + 1.0) * (rest + n + 1.0));
            n += 1.0;
            if weight < NEGLIGIBLE {
                break;
            }
            (sum, all) = (sum + weight * departure(n, mean), all + weight);
        }
        (n, weight) = (mode, 1.0);
        while n > first {
            weight *= n * (rest + n) / ((line - n + 1.0) * (column - n + 1.0));
            n -= 1.0;
            if weight < NEGLIGIBLE {
                break;
            }
            (sum, all) = (sum + weight * departure(n, mean), all + weight);
        }
        sum / all
    }

    /// `s2 / 2m - s3 / 6m^2 + s4 / 12m^3` with the central moments s of the count and its mean m.
    fn by_moments(&self) -> f64 {
        let Chance { line, column, rows } = *self;
        let (mean, share) = (self.mean(), line / rows);
        let [no_line, no_column] = [rows - line, rows - column];
        let second = mean * (no_line / rows) * (no_column / (rows - 1.0));
        let third = second * (1.0 - 2.0 * share) * ((rows - 2.0 * column) / (rows - 2.0));
        let above =
            (rows - 1.0) * rows * rows * (rows * (rows + 1.0) - 6.0 * line * no_line - 6.0 * column * no_column)
                + 6.0 * column * line * no_line * no_column * (5.0 * rows - 6.0);
        let below = column * line * no_line * no_column * (rows - 2.0) * (rows - 3.0);
        let fourth = second * second * (3.0 + above / below);
        second / (2.0 * mean) - third / (6.0 * mean * mean) + fourth / (12.0 * mean * mean * mean)
    }
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "17 digits, as Python prints them")]
mod tests {
    use super::*;

    /// Numbers below `k` by the generator of D. Knuth's MMIX, from which Python made the same ones.
    fn labels(rows: usize, k: u64, seed: u64) -> Vec<u32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % k) as u32
        };
        std::iter::repeat_with(next).take(rows).collect()
    }

    fn information(a: &[u32], b: &[u32]) -> LabelInformation {
        let mut counts = Contingency::new(64, 64);
        counts.push(a, b);
        LabelInformation::of(&counts)
    }

    fn indices(a: &[u32], b: &[u32]) -> [f64; 4] {
        let found = information(a, b);
        [found.adjusted(), found.homogeneity(), found.completeness(), found.v_measure()]
    }

    /// scikit-learn 1.9.1: adjusted_mutual_info_score and homogeneity_completeness_v_measure.
    #[test]
    fn indices_are_those_of_scikit_learn() {
        let near = |found: [f64; 4], expected: [f64; 4]| {
            let is_near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12);
            assert!(is_near, "{found:?}, expected {expected:?}");
        };
        let found = indices(&[0, 0, 0, 1, 1, 1, 2, 2, 2], &[0, 0, 1, 1, 1, 1, 2, 2, 0]);
        near(found, [0.4086705097217219, 0.5793801642856953, 0.6000000000000002, 0.5895098274473051]);
        let cases = [
            (
                (50, 4, 3),
                [-0.01862593638809218, 0.03447838585690687, 0.04183558171215882, 0.037802341426280736],
                [0.6946145201060686, 0.6458576819389545, 0.7924668940613546, 0.7116903093390786],
            ),
            (
                (500, 7, 11),
                [-0.005772853902284225, 0.025984778309932108, 0.02118180623975089, 0.023338749014743435],
                [0.6702635990311638, 0.7203553994994778, 0.645408803749528, 0.6808257465812443],
            ),
            (
                (3000, 40, 25),
                [9.96196349552072e-05, 0.04670168278854935, 0.053470289259384206, 0.049857309116542486],
                [0.6368098664729954, 0.6104980751921898, 0.7066340092067407, 0.6550576173731626],
            ),
        ];
        for ((rows, lines, columns), by_chance, alike) in cases {
            let [a, b] = [(lines, 1), (columns, 2)].map(|(k, seed)| labels(rows, k, seed));
            near(indices(&a, &b), by_chance);
            let mixed = |(i, (&a, &b)): (usize, (&u32, &u32))| (if i % 5 == 0 { b } else { a }) % columns as u32;
            let c: Vec<u32> = a.iter().zip(&b).enumerate().map(mixed).collect();
            near(indices(&a, &c), alike);
        }
    }

    #[test]
    fn labellings_of_one_segment_or_of_the_same_ones() {
        let a = labels(300, 9, 5);
        let renumbered: Vec<u32> = a.iter().map(|&label| 40 - 3 * label).collect();
        assert_eq!(indices(&a, &renumbered), [1.0; 4]);
        let one = [7; 300];
        assert_eq!(indices(&one, &one), [1.0; 4]);
        assert_eq!(indices(&a, &one), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(indices(&one, &a), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(indices(&[], &[]), [1.0; 4]);
        let apart: Vec<u32> = (0..50).collect();
        assert_eq!(indices(&apart, &apart), [1.0; 4]);
    }

    /// By the probability of each count, from logarithms of factorials.
    fn by_factorials(line: u64, column: u64, rows: u64) -> f64 {
        let ln_factorial = |n: u64| libm::lgamma(n as f64 + 1.0);
        let of = |n: u64| {
            let above = [line, column, rows - line, rows - column].map(ln_factorial).iter().sum::<f64>();
            let parts = [rows, n, line - n, column - n, rows + n - line - column];
            let mean = line as f64 * column as f64 / rows as f64;
            (above - parts.map(ln_factorial).iter().sum::<f64>()).exp() * n as f64 * (n as f64 / mean).ln()
        };
        ((line + column).saturating_sub(rows).max(1)..=line.min(column)).map(of).sum()
    }

    #[test]
    fn what_chance_gives_is_the_sum_over_all_counts() {
        for (line, column, rows) in [(3, 4, 10), (1, 1, 2), (9, 9, 10), (60, 70, 100), (200, 3, 5000), (900, 999, 1000)]
        {
            let (found, expected) = (expected_deviance(line, column, rows), by_factorials(line, column, rows));
            assert!((found - expected).abs() < 1e-11, "{line} {column} {rows}: {found}, expected {expected}");
        }
        assert_eq!((expected_deviance(5, 10, 10), expected_deviance(10, 3, 10)), (0.0, 0.0));
    }

    #[test]
    fn moments_continue_the_sum() {
        for (line, column, rows) in [(2e5, 3e5, 5e5), (1e6, 1e5, 1e6 + 7.0), (4e6, 9e6, 3e8), (1e11, 1e6, 1e12)] {
            let chance = Chance { line, column, rows };
            let (sum, moments) = (chance.by_counts(), chance.by_moments());
            let mean = chance.mean();
            assert!(mean > 9e4 && (sum - moments).abs() < 1.0 / (mean * mean) + 1e-11 * sum, "{sum} and {moments}");
        }
    }
}
