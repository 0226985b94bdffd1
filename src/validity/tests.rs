use proptest::prelude::*;

use super::*;
use crate::event::Watch;
use crate::tiles::Tiles;

const UNIT: Unit = Unit { step: 1.0, weight: 1.0 };

fn validity(tiles: &Tiles, segments: &[u16], k: usize) -> Validity {
    let sums = PartitionSums::of(tiles, segments, k, Watch::none()).unwrap();
    Validity::of(tiles, segments, &sums, UNIT, Watch::none()).unwrap()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12 * expected.abs().max(1.0)
}

#[test]
fn indices_are_those_of_scikit_learn() {
    let value = |i: i32, f: i32| (i * 7919 + f * 104_729 + (i % 4) * 3_000_000) % 8_000_001 - 4_000_000;
    let values: Vec<i32> = (0..60).flat_map(|i| (0..3).map(move |f| value(i, f))).collect();
    let segments: Vec<u16> = (0..60).map(|i| i % 4).collect();
    let found = validity(&Tiles::from_rows(3, &values, None, 64).unwrap(), &segments, 4);
    // scikit-learn 1.9.1: silhouette_score(X, y, metric="sqeuclidean"), calinski_harabasz_score, davies_bouldin_score,
    // and means of silhouette_samples by label.
    assert!(close(found.silhouette.unwrap(), 0.976_056_997_937_679_1), "{found:?}");
    assert!(close(found.calinski_harabasz.unwrap(), 5_244.289_745_970_965), "{found:?}");
    assert!(close(found.davies_bouldin.unwrap(), 0.164_970_802_643_519_93), "{found:?}");
    let by_segment = [0.959_521_168_756_860_1, 0.989_650_877_956_18, 0.995_534_776_280_817, 0.959_521_168_756_860_1];
    found.silhouettes.iter().zip(by_segment).for_each(|(found, known)| assert!(close(found.unwrap(), known)));
    assert_eq!((found.rows, found.segments, found.smallest), (60, 4, 15));
}

/// The mean silhouette by all pairs of rows.
fn by_pairs(rows: &[(Vec<i32>, u32, u16)], k: u16) -> f64 {
    let d2 = |a: &[i32], b: &[i32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let (mut total, mut mass) = (0.0, 0.0);
    for (x, weight, own) in rows.iter().filter(|row| row.2 != NO_SEGMENT) {
        let mean = |j: u16| {
            let of_segment = rows.iter().filter(|row| row.2 == j);
            let (sum, others) = of_segment.fold((0.0, 0.0), |(sum, n), (y, w, _)| {
                let w = f64::from(*w);
                (sum + w * d2(x, y), n + w)
            });
            let others = if j == *own { others - f64::from(*weight) } else { others };
            (others > 0.0).then(|| sum / others)
        };
        let other = (0..k).filter(|j| j != own).filter_map(mean).fold(f64::INFINITY, f64::min);
        let silhouette = match mean(*own) {
            Some(a) if a.max(other) > 0.0 => (other - a) / a.max(other),
            _ => 0.0,
        };
        total += f64::from(*weight) * silhouette;
        mass += f64::from(*weight);
    }
    total / mass
}

proptest! {
    #[test]
    fn the_silhouette_is_that_of_all_pairs(
        rows in prop::collection::vec((prop::collection::vec(-9i32..9, 2), 0u32..4, 0u16..5), 2..150),
        far in 0i32..2,
    ) {
        let rows: Vec<(Vec<i32>, u32, u16)> = rows
            .into_iter()
            .map(|(x, weight, j)| (x.iter().map(|v| v + far * 8_000_000).collect(), weight, if j == 4 { NO_SEGMENT } else { j }))
            .collect();
        let values: Vec<i32> = rows.iter().flat_map(|row| row.0.clone()).collect();
        let segments: Vec<u16> = rows.iter().map(|row| row.2).collect();
        let tiles = Tiles::from_rows(2, &values, Some(rows.iter().map(|row| row.1).collect()), 64).unwrap();
        let found = validity(&tiles, &segments, 4);
        if found.segments > 1 {
            let (one, two) = (found.silhouette.unwrap(), by_pairs(&rows, 4));
            prop_assert!((one - two).abs() < 1e-11, "{one} {two}");
        }
        prop_assert_eq!(found.rows, rows.iter().filter(|r| r.1 > 0 && r.2 != NO_SEGMENT).count() as u64);
    }
}

#[test]
fn chunks_threads_and_streaming_change_no_bit() {
    let value = |i: u64| (crate::numeric::mix(i) % 16_000_000) as i32 - 8_000_000;
    let values: Vec<i32> = (0..5 * 3000).map(value).collect();
    let segments: Vec<u16> = (0..3000).map(|i| if i % 50 == 7 { NO_SEGMENT } else { i % 7 }).collect();
    let found = validity(&Tiles::from_rows(5, &values, None, 3000).unwrap(), &segments, 8);
    let folder = tempfile::tempdir().unwrap();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let tiles = Tiles::from_rows(5, &values, None, 64).unwrap();
        let tiles = if threads == 2 { tiles.into_scratch(folder.path()).unwrap() } else { tiles };
        assert_eq!(pool.install(|| validity(&tiles, &segments, 8)), found);
    }
    assert_eq!((found.silhouettes[7], found.rows), (None, 2940));
}

#[test]
fn without_two_segments_or_variance_there_are_no_ratios() {
    let tiles = Tiles::from_rows(1, &[5; 100], None, 64).unwrap();
    let one = validity(&tiles, &[0; 100], 1);
    assert_eq!((one.silhouette, one.calinski_harabasz, one.davies_bouldin, one.explained), (None, None, None, 0.0));
    let halves: Vec<u16> = (0..100).map(|i| i % 2).collect();
    let same = validity(&tiles, &halves, 2);
    assert_eq!((same.silhouette, same.calinski_harabasz, same.davies_bouldin), (Some(0.0), None, Some(0.0)));
    let none = validity(&tiles, &[NO_SEGMENT; 100], 2);
    assert_eq!((none.rows, none.segments, none.silhouette), (0, 0, None));
}
