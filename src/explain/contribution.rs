//! Squared distances, feature by feature: integers that add up exactly.

use crate::backend::Centroids;

/// Where a row stands between its two nearest centroids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NearestTwo {
    pub(crate) segment: usize,
    pub(crate) distance2: u64,
    /// The second-nearest centroid and its squared distance; None where there is only one.
    pub(crate) runner_up: Option<(usize, u64)>,
    /// By feature: the squared difference from the nearest centroid.
    pub(crate) squared: Vec<u64>,
    /// By feature: that from the runner-up, minus that from the nearest.
    pub(crate) to_runner_up: Option<Vec<i64>>,
}

/// By value: the squared difference of two rows.
fn squares(a: &[i32], b: &[i32]) -> Vec<u64> {
    let square = |(&a, &b): (&i32, &i32)| {
        let difference = i64::from(a) - i64::from(b);
        (difference * difference) as u64
    };
    a.iter().zip(b).map(square).collect()
}

/// Where a row stands: ties go to the lowest index, as with labels.
pub(crate) fn nearest_two(row: &[i32], centroids: &Centroids) -> NearestTwo {
    let distances: Vec<u64> = centroids.iter().map(|centroid| squares(row, centroid).iter().sum()).collect();
    let nearest = |but: Option<usize>| {
        let others = distances.iter().enumerate().filter(|(j, _)| Some(*j) != but);
        others.min_by_key(|(j, d)| (**d, *j)).map(|(j, d)| (j, *d))
    };
    let (segment, distance2) = nearest(None).unwrap_or((0, 0));
    let runner_up = nearest(Some(segment));
    let squared = squares(row, centroids.row(segment));
    let to_runner_up = runner_up.map(|(j, _)| {
        let there = squares(row, centroids.row(j));
        there.iter().zip(&squared).map(|(there, here)| *there as i64 - *here as i64).collect()
    });
    NearestTwo { segment, distance2, runner_up, squared, to_runner_up }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::reference::nearest;

    proptest! {
        #[test]
        fn contributions_add_up_exactly(
            row in prop::collection::vec(-8_388_607i32..8_388_607, 3),
            centroids in prop::collection::vec(-8_388_607i32..8_388_607, 12),
        ) {
            let centroids = Centroids::new(3, centroids).unwrap();
            let found = nearest_two(&row, &centroids);
            let (label, best, second) = nearest(&row, &centroids);
            prop_assert_eq!((found.segment, found.distance2), (label as usize, best));
            prop_assert_eq!(found.runner_up.map(|(_, d)| d), Some(second));
            prop_assert_eq!(found.squared.iter().sum::<u64>(), best);
            prop_assert_eq!(found.to_runner_up.unwrap().iter().sum::<i64>(), (second - best) as i64);
        }
    }
}
