use proptest::prelude::*;

use super::*;
use crate::backend::cpu::Cpu;
use crate::backend::reference::Reference;

fn cpu() -> Cpu {
    Cpu::new(None).unwrap()
}

fn ward(k: usize, micro: Option<usize>) -> Ward {
    Ward { k, micro, seed: 3 }
}

/// The fit of some rows.
fn fit(ward: &Ward, tiles: &Tiles) -> Result<WardFit> {
    match ward.leaves(tiles, &cpu(), Watch::none())? {
        WardLeaves::Rows(leaves) => ward.exact(leaves, tiles, Watch::none()),
        WardLeaves::Micro(found) => {
            let cpu = cpu();
            let mut session = cpu.open(tiles, found.centroids.k(), Watch::none())?;
            ward.over_micro(&found, (tiles, &cpu), session.as_mut(), Watch::none())
        }
    }
}

/// The segments of all rows.
fn segments(fit: &WardFit, tiles: &Tiles) -> Vec<u32> {
    let mut session = Reference.open(tiles, fit.micro.k(), Watch::none()).unwrap();
    let mut all = Vec::new();
    let mut sink = |labels: Labels| {
        all.extend(labels.labels.iter().map(|&micro| fit.segment_of[micro as usize]));
        Ok(())
    };
    fit.label(tiles, Some(session.as_mut()), Watch::none(), &mut sink).unwrap();
    all
}

/// Ten rows in the order of their values.
const ROWS: [i32; 20] = [0, 0, 0, 9, 1, 5, 3, 2, 10, 30, 12, 34, 20, 2, 21, 9, 23, 3, 50, 50];

/// Golden values: `scipy.cluster.hierarchy.linkage(rows, "ward")` of scipy 1.17.1, and below of the rows repeated.
#[test]
fn heights_and_merges_are_those_of_scipy() {
    let tiles = Tiles::from_rows(2, &ROWS, None, 64).unwrap();
    let fit = fit(&ward(3, None), &tiles).unwrap();
    let expected = [
        (6, 8, 3.1622776601683795, 2),
        (0, 3, 3.605551275463989, 2),
        (1, 2, 4.123105625617661, 2),
        (4, 5, 4.47213595499958, 2),
        (7, 10, 7.5277265270908105, 3),
        (11, 12, 8.602325267042627, 4),
        (14, 15, 37.670248460125926, 7),
        (13, 16, 48.935980206083116, 9),
        (9, 17, 75.47420457053889, 10),
    ];
    for (merge, (a, b, height, size)) in fit.linkage(&[1; 10], 1.0).iter().zip(expected) {
        assert_eq!((merge.0, merge.1, merge.3), (a, b, size));
        assert!((merge.2 - height).abs() <= 1e-14 * height, "{} {height}", merge.2);
    }
    // Numbered by size.
    assert_eq!(segments(&fit, &tiles), [0, 0, 0, 0, 1, 1, 0, 0, 0, 2]);
}

#[test]
fn a_weight_is_as_many_rows() {
    let weights = [3, 1, 2, 1, 5, 1, 1, 4, 2, 1];
    let weighted = Tiles::from_rows(2, &ROWS, Some(weights.to_vec()), 64).unwrap();
    let repeated: Vec<i32> = ROWS.chunks(2).zip(weights).flat_map(|(row, n)| row.repeat(n as usize)).collect();
    let repeated = Tiles::from_rows(2, &repeated, None, 64).unwrap();
    let [a, b] = [&weighted, &repeated].map(|tiles| fit(&ward(3, None), tiles).unwrap());
    assert_eq!(a.linkage(&[1; 10], 1.0), b.linkage(&[1; 10], 1.0));
    assert_eq!((a.inertia, &a.micro, &a.centroids), (b.inertia, &b.micro, &b.centroids));
    let heights: Vec<f64> = a.linkage(&[1; 10], 1.0).iter().map(|merge| merge.2).collect();
    for (height, golden) in heights.iter().zip([
        3.6514837167011076,
        4.163331998932265,
        5.773502691896258,
        6.454972243679028,
        9.992854590012948,
        11.872336794093274,
        55.490024843595585,
        57.77625150609234,
        89.22150071858348,
    ]) {
        assert!((height - golden).abs() <= 1e-14 * golden, "{height} {golden}");
    }
}

/// Rows of weight 0 shape nothing, and are labelled all the same.
#[test]
fn rows_of_no_weight_are_labelled_only() {
    let rows = [ROWS.as_slice(), &[49, 49], &[-900, 0]].concat();
    let weights = [vec![1; 10], vec![0, 0]].concat();
    let with = Tiles::from_rows(2, &rows, Some(weights), 64).unwrap();
    let without = Tiles::from_rows(2, &ROWS, None, 64).unwrap();
    let [a, b] = [&with, &without].map(|tiles| fit(&ward(3, None), tiles).unwrap());
    assert_eq!((a.leaves, a.inertia), (10, b.inertia));
    let labels = segments(&a, &with);
    assert_eq!(labels[..10], segments(&b, &without));
    assert_eq!(labels[10..], [labels[9], labels[0]]);
}

/// By all pairs, again after each merge: heights, and the cluster of each row where `k` are left.
fn naive(rows: &[Vec<f64>], weights: &[f64], k: usize) -> (Vec<f64>, Vec<u32>) {
    let mut clusters: Vec<(f64, Vec<f64>, Vec<usize>)> =
        rows.iter().zip(weights).enumerate().map(|(i, (row, &mass))| (mass, row.clone(), vec![i])).collect();
    let (mut heights, mut labels) = (Vec::new(), vec![0; rows.len()]);
    loop {
        if clusters.len() == k {
            for (number, cluster) in clusters.iter().enumerate() {
                cluster.2.iter().for_each(|&row| labels[row] = number as u32);
            }
        }
        let mut best = (f64::INFINITY, 0, 0);
        for (i, a) in clusters.iter().enumerate() {
            for (j, b) in clusters.iter().enumerate().skip(i + 1) {
                let squared: f64 = a.1.iter().zip(&b.1).map(|(x, y)| (x - y).powi(2)).sum();
                let cost = squared * a.0 * b.0 / (a.0 + b.0);
                best = if cost < best.0 { (cost, i, j) } else { best };
            }
        }
        let (cost, i, j) = best;
        if clusters.len() == 1 {
            return (heights, labels);
        }
        heights.push((2.0 * cost).sqrt());
        let b = clusters.remove(j);
        let a = &mut clusters[i];
        let mass = a.0 + b.0;
        a.1.iter_mut().zip(&b.1).for_each(|(x, y)| *x = (*x * a.0 + y * b.0) / mass);
        (a.0, a.2) = (mass, [&a.2[..], &b.2].concat());
    }
}

proptest! {
    #[test]
    fn the_tree_is_that_of_all_pairs(
        rows in prop::collection::vec((prop::collection::vec(-4000i32..4000, 3), 1u32..5), 2..40),
        k in 1usize..5,
        turn in 0usize..40,
    ) {
        let flat = |rows: &[(Vec<i32>, u32)]| rows.iter().flat_map(|(row, _)| row.clone()).collect::<Vec<i32>>();
        let weights = |rows: &[(Vec<i32>, u32)]| rows.iter().map(|(_, w)| *w).collect::<Vec<u32>>();
        let tiles = |rows: &[(Vec<i32>, u32)]| Tiles::from_rows(3, &flat(rows), Some(weights(rows)), 64).unwrap();
        let mut distinct = rows.iter().map(|(row, _)| row).collect::<Vec<_>>();
        distinct.sort();
        distinct.dedup();
        let k = k.min(distinct.len());
        let own = tiles(&rows);
        let tree = fit(&ward(k, None), &own).unwrap();
        let heights: Vec<f64> = tree.linkage(&vec![1; tree.leaves], 1.0).iter().map(|merge| merge.2).collect();
        let values: Vec<Vec<f64>> = rows.iter().map(|(row, _)| row.iter().map(|&v| f64::from(v)).collect()).collect();
        let masses: Vec<f64> = rows.iter().map(|(_, w)| f64::from(*w)).collect();
        let (expected, by_pairs) = naive(&values, &masses, k);
        // Equal rows are one leaf.
        let expected = &expected[rows.len() - tree.leaves..];
        prop_assert_eq!(heights.len(), expected.len());
        for (height, expected) in heights.iter().zip(expected) {
            prop_assert!((height - expected).abs() <= 1e-9 * (1.0 + expected), "{} {}", height, expected);
        }
        let labels = segments(&tree, &own);
        // Without ties the segments are the same; with ties there may be others of the same heights.
        let gap = expected.windows(2).all(|two| two[1] - two[0] > 1e-6);
        if gap {
            let mut counts = Contingency::new(k, k);
            counts.push(&labels, &by_pairs);
            prop_assert_eq!(counts.adjusted_rand(), 1.0);
        }
        // The order of rows does not matter.
        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len());
        let other = tiles(&turned);
        let again = fit(&ward(k, None), &other).unwrap();
        prop_assert_eq!(again.linkage(&vec![1; again.leaves], 1.0), tree.linkage(&vec![1; tree.leaves], 1.0));
        let mut back = segments(&again, &other);
        back.rotate_right(turn % rows.len());
        prop_assert_eq!(back, labels);
    }
}

#[test]
fn bad_numbers_of_segments_are_refused() {
    let rows = [1, 1, 1, 5, 5, 9];
    let tiles = Tiles::from_rows(1, &rows, None, 64).unwrap();
    let fault = fit(&ward(4, None), &tiles).err().unwrap();
    assert_eq!(fault.to_string(), "k = 4, but only 3 rows are distinct after preparation; choose k up to 3");
    let of_one = Tiles::from_rows(1, &[7; 90], None, 64).unwrap();
    let one = fit(&ward(1, None), &of_one).unwrap();
    assert_eq!((one.leaves, one.inertia, one.linkage(&[90], 1.0)), (1, 0, Vec::new()));
    assert_eq!(segments(&one, &of_one), [0; 90]);
}

/// Groups far apart, each row of which is different.
fn groups(rows: i32) -> Vec<i32> {
    (0..rows).flat_map(|i| [(i % 3) * 100_000 + i * 7919 % 4001, i * 104_729 % 3989]).collect()
}

#[test]
fn micro_segments_find_groups_and_are_reproducible() {
    let rows = groups(3000);
    let tiles = Tiles::from_rows(2, &rows, None, 256).unwrap();
    let found = fit(&ward(3, Some(60)), &tiles).unwrap();
    assert!(!found.is_exact() && found.micro.k() == 60 && found.agreement == Some(1.0));
    let labels = segments(&found, &tiles);
    assert!((0..3000).all(|i| labels[i] == labels[i % 3]), "each group is a segment");
    let folder = tempfile::tempdir().unwrap();
    let streamed = Tiles::from_rows(2, &rows, None, 192).unwrap().into_scratch(folder.path()).unwrap();
    let again = fit(&ward(3, Some(60)), &streamed).unwrap();
    assert_eq!((&again.micro, &again.segment_of, again.inertia), (&found.micro, &found.segment_of, found.inertia));
    assert_eq!(again.linkage(&[1; 60], 1.0), found.linkage(&[1; 60], 1.0));
}

#[test]
fn threads_and_levels_change_nothing() {
    let rows: Vec<i32> = (0..700i32 * 5).map(|i| (i.wrapping_mul(i).wrapping_mul(48_271) % 10_007).abs()).collect();
    let mass = vec![1.0; 700];
    let values: Vec<f64> = rows.iter().map(|&v| f64::from(v)).collect();
    let merges = || chain::merges(Points::new(5, &mass, &values), Watch::none()).unwrap();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(merges);
    for level in crate::simd::SimdLevel::available() {
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let on = || Points::new(5, &mass, &values).by_all(level.dispatch().unwrap());
            assert_eq!(pool.install(|| chain::merges(on(), Watch::none()).unwrap()), alone, "{level}, {threads}");
        }
    }
}
