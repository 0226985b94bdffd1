//! How far two labellings of the same rows agree.

/// Counts of rows by two labellings, from which indices of agreement follow. Merges by addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contingency {
    columns: usize,
    /// `lines x columns`, row-major.
    counts: Vec<u64>,
}

impl Contingency {
    /// Of no rows, for labels below `lines` and `columns`.
    pub(crate) fn new(lines: usize, columns: usize) -> Self {
        Contingency { columns, counts: vec![0; lines * columns] }
    }

    /// Of these counts, line by line.
    pub(crate) fn of(columns: usize, counts: Vec<u64>) -> Self {
        Contingency { columns, counts }
    }

    /// The counts of each line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks(self.columns.max(1))
    }

    /// The rows of each line, and of each column.
    pub(crate) fn totals(&self) -> (Vec<u64>, Vec<u64>) {
        let mut columns = vec![0; self.columns];
        let mut add = |line: &[u64]| {
            columns.iter_mut().zip(line).for_each(|(column, n)| *column += n);
            line.iter().sum()
        };
        let lines = self.lines().map(&mut add).collect();
        (lines, columns)
    }

    /// Adds the rows of two labellings of the same length.
    pub(crate) fn push(&mut self, a: &[u32], b: &[u32]) {
        a.iter().zip(b).for_each(|(&a, &b)| self.counts[a as usize * self.columns + b as usize] += 1);
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, a: usize, b: usize) {
        self.counts[a * self.columns + b] += 1;
    }

    /// The adjusted Rand index (L. Hubert and P. Arabie, "Comparing Partitions", Journal of Classification 2, 1985): 1
    /// where the labellings are the same but for their numbers, 0 on average by chance; 1 without a pair to compare.
    ///
    /// Pairs are counted exactly; the index is within a few units of the last place.
    pub(crate) fn adjusted_rand(&self) -> f64 {
        let pairs = |n: u64| u128::from(n) * u128::from(n.saturating_sub(1)) / 2;
        let (lines, columns) = self.totals();
        let rows = lines.iter().sum();
        let both: u128 = self.counts.iter().map(|&n| pairs(n)).sum();
        let [first, second] = [lines, columns].map(|sizes| sizes.into_iter().map(pairs).sum::<u128>());
        let (both, first, second, all) = (both as f64, first as f64, second as f64, pairs(rows) as f64);
        let by_chance = if all > 0.0 { first * (second / all) } else { 0.0 };
        let most = (first + second) / 2.0;
        if most == by_chance { 1.0 } else { (both - by_chance) / (most - by_chance) }
    }

    /// By line, the share of the pairs of its rows that are in one column; None for a line without rows, 0 for a single
    /// row, which has no pair.
    pub(crate) fn pairs_kept(&self) -> Vec<Option<f64>> {
        let pairs = |n: u64| u128::from(n) * u128::from(n.saturating_sub(1)) / 2;
        let kept = |line: &[u64]| {
            let total: u64 = line.iter().sum();
            let together: u128 = line.iter().map(|&n| pairs(n)).sum();
            (total > 0).then(|| together as f64 / pairs(total).max(1) as f64)
        };
        self.counts.chunks(self.columns).map(kept).collect()
    }

    /// By line, the largest Jaccard index of its rows and those of a column: rows of both, of all rows of either. None
    /// for a line without rows.
    pub(crate) fn jaccard(&self) -> Vec<Option<f64>> {
        let (_, columns) = self.totals();
        let best = |line: &[u64]| {
            let total: u64 = line.iter().sum();
            let index = |(&both, &column): (&u64, &u64)| both as f64 / (total + column - both).max(1) as f64;
            (total > 0).then(|| line.iter().zip(&columns).map(index).fold(0.0, f64::max))
        };
        self.lines().map(best).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(a: &[u32], b: &[u32]) -> Contingency {
        let mut counts = Contingency::new(4, 4);
        counts.push(a, b);
        counts
    }

    /// By all pairs of rows.
    fn naive(a: &[u32], b: &[u32]) -> f64 {
        let (mut both, mut first, mut second, mut all) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..a.len() {
            for j in 0..i {
                let [x, y] = [a[i] == a[j], b[i] == b[j]].map(|same| f64::from(u8::from(same)));
                (both, first, second, all) = (both + x * y, first + x, second + y, all + 1.0);
            }
        }
        let by_chance = if all == 0.0 { 0.0 } else { first * second / all };
        let most = (first + second) / 2.0;
        if most == by_chance { 1.0 } else { (both - by_chance) / (most - by_chance) }
    }

    #[test]
    fn indices_of_small_tables() {
        // scikit-learn 1.9.1: adjusted_rand_score of these labels.
        let (a, b) = ([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 1, 2, 2, 0]);
        assert!(
            (of(&a, &b).adjusted_rand() - 0.357_142_857_142_857_15).abs() < 1e-12,
            "{}",
            of(&a, &b).adjusted_rand()
        );
        assert_eq!(of(&a, &a).adjusted_rand(), 1.0);
        assert_eq!(of(&[0, 0, 0], &[1, 1, 1]).adjusted_rand(), 1.0, "one segment each");
        assert_eq!(of(&[], &[]).adjusted_rand(), 1.0);
        let expected = [Some(0.5), Some(0.75), Some(2.0 / 3.0), None];
        assert_eq!(of(&a, &b).jaccard(), expected);
        // Of three pairs one, of three all, of three one.
        assert_eq!(of(&a, &b).pairs_kept(), [Some(1.0 / 3.0), Some(1.0), Some(1.0 / 3.0), None]);
        assert_eq!(of(&[0], &[1]).pairs_kept()[0], Some(0.0));
    }

    proptest! {
        #[test]
        fn pairs_are_those_of_all_rows(rows in prop::collection::vec((0u32..4, 0u32..4), 0..60)) {
            let (a, b): (Vec<u32>, Vec<u32>) = rows.into_iter().unzip();
            prop_assert!((of(&a, &b).adjusted_rand() - naive(&a, &b)).abs() < 1e-9);
        }
    }
}
