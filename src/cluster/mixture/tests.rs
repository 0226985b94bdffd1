use proptest::prelude::*;

use super::components::{Components, Scatter, VarianceBounds};
use super::em::{Mixture, MixtureFit};
use super::*;
use crate::backend::cpu::Cpu;
use crate::backend::{Centroids, Factors, Gaussians, MixtureLabels, MixtureSums, SecondMoments, UNIT, triangle};
use crate::event::Watch;
use crate::numeric::{Partial, exp_m1_wide, ln_1p};
use crate::simd::SimdLevel;
use crate::tiles::Tiles;

const ALL: [CovarianceType; 4] =
    [CovarianceType::Full, CovarianceType::Tied, CovarianceType::Diag, CovarianceType::Spherical];

fn cpu() -> Cpu {
    Cpu::new(None).unwrap()
}

/// As scikit-learn: no floor, and no tolerance.
fn plain(covariance: CovarianceType, max_iter: u32) -> Mixture {
    Mixture { covariance, reg_covar: 1e-6, variance_floor: 0.0, max_iter, tol: 0.0 }
}

fn fit(mixture: Mixture, tiles: &Tiles, centroids: &[i32]) -> MixtureFit {
    let centroids = Centroids::new(tiles.dim(), centroids.to_vec()).unwrap();
    mixture.fit(tiles, &cpu(), (&centroids, 1.0), Watch::none()).unwrap()
}

/// Three groups of 200 rows, skewed and turned.
fn groups() -> Vec<i32> {
    let base = [(0, 0), (3000, 1000), (1000, 4000)];
    let row = |i: usize| {
        let (a, b) = (i * 7919 % 1009, i * 104_729 % 997);
        let (x, y) = base[i % 3];
        [(x + a + b / 3 + i % 7 * 150) as i32, (y + b + i % 5 * 300) as i32]
    };
    (0..600).flat_map(row).collect()
}

const START: [i32; 6] = [500, 500, 3500, 1500, 1500, 3000];

fn near(found: &[f64], expected: &[f64], relative: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= relative * e.abs(), "{found:?}\n{expected:?}");
    }
}

/// scikit-learn 1.9.1, `GaussianMixture(3, covariance_type, tol=0, max_iter=8)` with the weights, means and precisions
/// of the labels of these centroids: `lower_bounds_`, and `weights_`, `means_` and `covariances_` after them.
#[test]
fn fits_are_those_of_scikit_learn() {
    let tiles = Tiles::from_rows(2, &groups(), None, 128).unwrap();
    let likelihoods = [
        [-16.394710328062526, -16.284423721394724, -16.216601109529815, -16.215995675077657],
        [-16.42843640857123, -16.21800016402185, -16.21792967040384, -16.2179296704038],
        [-16.4138781095787, -16.27210868764288, -16.226005434109997, -16.22594615433555],
        [-16.483858795458296, -16.255715232475012, -16.24356785223769, -16.24356785128192],
    ];
    let full = [
        187966.8829340183,
        35312.22003864546,
        246911.8960556353,
        174309.61203339693,
        23048.813453646177,
        248119.62428243403,
        180716.4099727759,
        32357.34728280175,
        291001.84807879385,
    ];
    let diag = [
        187967.29228747007,
        246911.11394661898,
        174310.34076443478,
        248119.17733900505,
        180716.52339528757,
        291002.4779318364,
    ];
    let tied = [180997.9427267172, 30239.673252886132, 262011.05927464186];
    let spherical = [217448.26202893048, 211237.8840984034, 235858.86999354442];
    let covariances: [&[f64]; 4] = [&full, &tied, &diag, &spherical];
    for ((covariance, likelihoods), covariances) in ALL.into_iter().zip(likelihoods).zip(covariances) {
        let found = fit(plain(covariance, 8), &tiles, &START);
        assert_eq!((found.log_likelihoods.len(), found.converged, found.floored), (8, false, 0));
        near(&found.log_likelihoods[..4], &likelihoods, 1e-9);
        near(&found.components.covariances, covariances, 1e-6);
        let [w, m] = [&found.components.weights, &found.components.means];
        near(w, &[1.0 / 3.0; 3], 1e-5);
        near(&m[..2], &[1124.362, 1092.04], 1e-5);
        // Rounded responsibilities are all that differs.
        let sum: f64 = w.iter().sum();
        assert!((sum - 1.0).abs() < 1e-15, "{sum}");
    }
}

#[test]
fn parameters_are_counted_as_by_scikit_learn() {
    // bic() - aic() of the fits above is parameters * (ln(600) - 2).
    let of = |bic: f64, aic: f64| ((bic - aic) / (600f64.ln() - 2.0)).round() as u64;
    let expected = [
        of(19567.942614224157, 19493.194810085482),
        of(19531.88183069194, 19483.51560448456),
        of(19560.692400374573, 19499.13538520155),
        of(19562.647647745678, 19514.2814215383),
    ];
    assert_eq!(ALL.map(|covariance| covariance.free_parameters(3, 2)), expected);
}

/// https://github.com/scikit-learn/scikit-learn/issues/30382: the variance of two single rows is `reg_covar`, although
/// they lie far apart.
#[test]
fn variances_of_single_rows_are_what_is_added() {
    let tiles = Tiles::from_rows(1, &[9999, 0], None, 64).unwrap();
    for covariance in ALL {
        let mixture = Mixture { reg_covar: 0.1, ..plain(covariance, 5) };
        let found = fit(mixture, &tiles, &[9999, 0]).components;
        let shared = if covariance == CovarianceType::Tied { 1 } else { 2 };
        assert_eq!(found.covariances, vec![0.1; shared]);
        assert_eq!(found.means, [9999.0, 0.0]);
    }
}

#[test]
fn the_floor_keeps_a_spike_from_collapsing() {
    // 99.9 % of the rows are 0 in both features.
    let rows: Vec<i32> =
        (0..20_000i32).flat_map(|i| if i % 1000 == 0 { [1000 + i, i * 7919 % 30_011] } else { [0, 0] }).collect();
    let tiles = Tiles::from_rows(2, &rows, None, 1024).unwrap();
    for covariance in ALL {
        for reg_covar in [0.0, 1e-6] {
            let mixture = Mixture { covariance, reg_covar, ..Mixture::default() };
            let found = fit(mixture, &tiles, &[0, 0, 5000, 15_000, 16_000, 48_000]);
            assert!(found.log_likelihoods.iter().all(|v| v.is_finite()), "{found:?}");
            assert!(covariance == CovarianceType::Tied || found.floored > 0, "{covariance:?}");
            assert!(found.components.gaussians().is_ok());
        }
    }
    let mixture = Mixture { reg_covar: 0.0, ..plain(CovarianceType::Diag, 5) };
    let centroids = Centroids::new(2, vec![0, 0, 5000, 15_000]).unwrap();
    let refused = mixture.fit(&tiles, &cpu(), (&centroids, 1.0), Watch::none()).unwrap_err().to_string();
    let start =
        "the covariance of component 0 (weight 9.990e-1) cannot be inverted: its rows are the same in a feature";
    assert!(refused.starts_with(start), "{refused}");
}

#[test]
fn a_component_that_loses_its_rows_stays() {
    // Nothing is nearest to the last centroid.
    let tiles = Tiles::from_rows(1, &[0, 1, 2, 3, 100, 101, 102], None, 64).unwrap();
    for covariance in ALL {
        let found = fit(plain(covariance, 4), &tiles, &[1, 101, 5000]).components;
        assert_eq!(found.weights[2], 0.0);
        assert!(found.means.iter().chain(&found.covariances).all(|v| v.is_finite()));
        let mut labels: Vec<u32> = Vec::new();
        let gaussians = found.gaussians().unwrap();
        let mut sink = |part: MixtureLabels| {
            labels.extend(&part.labels.labels);
            assert!(part.posteriors.iter().all(|p| p.first > 0.99), "{part:?}");
            Ok(())
        };
        cpu().mixture_labels(&tiles, &gaussians, Watch::none(), &mut sink).unwrap();
        assert_eq!(labels, [0, 0, 0, 0, 1, 1, 1]);
    }
}

#[test]
fn a_row_of_weight_n_is_n_rows() {
    let rows: Vec<i32> = groups()[..300].to_vec();
    let weights: Vec<u32> = (0..150).map(|i| i % 4).collect();
    let repeated: Vec<i32> = (0..150).flat_map(|i| rows[2 * i..2 * i + 2].repeat(weights[i] as usize)).collect();
    let weighted = Tiles::from_rows(2, &rows, Some(weights), 64).unwrap();
    let repeated = Tiles::from_rows(2, &repeated, None, 192).unwrap();
    for covariance in ALL {
        let of = |tiles| fit(plain(covariance, 6), tiles, &START);
        assert_eq!(of(&weighted), of(&repeated), "{covariance:?}");
    }
    // Weights of 32 bits.
    let heavy = Tiles::from_rows(2, &rows, Some(vec![u32::MAX; 150]), 64).unwrap();
    let light = Tiles::from_rows(2, &rows, None, 64).unwrap();
    for covariance in ALL {
        let of = |tiles| fit(plain(covariance, 6), tiles, &START);
        let (heavy, light) = (of(&heavy), of(&light));
        near(&heavy.log_likelihoods, &light.log_likelihoods, 1e-12);
        near(&heavy.components.covariances, &light.components.covariances, 1e-9);
    }
}

#[test]
fn threads_chunks_and_scratch_files_change_nothing() {
    let rows: Vec<i32> = (0..9000).map(|i: i64| ((i % 3) * 9000 + i * 7919 % 5003) as i32).collect();
    let folder = tempfile::tempdir().unwrap();
    let resident = Tiles::from_rows(3, &rows, None, 1024).unwrap();
    let small = Tiles::from_rows(3, &rows, None, 64).unwrap();
    let streamed = Tiles::from_rows(3, &rows, None, 192).unwrap().into_scratch(folder.path()).unwrap();
    for covariance in ALL {
        let of = |tiles: &Tiles, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(plain(covariance, 5), tiles, &[0, 0, 0, 9000, 9000, 9000, 18_000, 20_000, 20_000]))
        };
        let expected = of(&resident, 1);
        for (tiles, threads) in [(&resident, 7), (&small, 2), (&streamed, 2)] {
            assert_eq!(of(tiles, threads), expected, "{covariance:?}, {threads} threads");
        }
    }
}

/// The squared Mahalanobis distance, one row and feature at a time.
fn distance2(row: &[f64], of: &Gaussians, j: usize) -> f64 {
    let turned = |row: &[f64], origin: &[f64], triangle_of: &[f64], c: usize| {
        let column = &triangle_of[triangle(c)..][..=c];
        row.iter().zip(origin).zip(column).fold(0.0, |sum, ((x, o), p)| sum + (x - o) * p)
    };
    let squares = |terms: &mut dyn Iterator<Item = f64>| terms.fold(0.0, |sum, t| sum + t * t);
    match &of.factors {
        Factors::Scales(scales) => {
            let scales = &scales[j * of.dim..][..of.dim];
            squares(&mut row.iter().zip(of.mean(j)).zip(scales).map(|((x, m), s)| (x - m) * s))
        }
        Factors::Triangles(all) => {
            let own = &all[j * triangle(of.dim)..][..triangle(of.dim)];
            squares(&mut (0..of.dim).map(|c| turned(row, of.mean(j), own, c)))
        }
        Factors::Triangle(one) => {
            let at = |row: &[f64], c: usize| turned(row, of.mean(0), one, c);
            squares(&mut (0..of.dim).map(|c| at(row, c) - at(of.mean(j), c)))
        }
    }
}

/// What a pass must give, one row at a time.
fn by_the_definition(rows: &[Vec<i32>], weights: &[u32], of: &Gaussians, second: SecondMoments) -> MixtureSums {
    let mut sums = MixtureSums::empty(of.k(), of.dim, second);
    for (row, &weight) in rows.iter().zip(weights) {
        let x: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
        let logs: Vec<f64> = (0..of.k()).map(|j| of.constants[j] - 0.5 * distance2(&x, of, j)).collect();
        let best = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let densities: Vec<f64> = logs.iter().map(|log| exp_m1_wide(log - best) + 1.0).collect();
        let sum = densities.iter().fold(0.0, |a, b| a + b);
        let mut shares: Vec<i128> = densities.iter().map(|d| (d * (UNIT / sum)).round_ties_even() as i128).collect();
        let first = densities.iter().position(|d| *d >= 1.0).unwrap();
        shares[first] += UNIT as i128 - shares.iter().sum::<i128>();
        let weight = i128::from(weight);
        sums.log_density += weight * ((best + ln_1p(sum - 1.0)) * UNIT).round_ties_even() as i128;
        for (j, share) in shares.into_iter().enumerate() {
            let n = weight * share;
            sums.mass[j] += n;
            for f in 0..of.dim {
                sums.sums[j * of.dim + f] += n * i128::from(row[f]);
            }
            let pairs: Vec<(usize, usize)> = match second {
                SecondMoments::Without => Vec::new(),
                SecondMoments::Squares => (0..of.dim).map(|f| (f, f)).collect(),
                SecondMoments::Products => (0..of.dim).flat_map(|b| (0..=b).map(move |a| (a, b))).collect(),
            };
            let len = pairs.len();
            for (at, (a, b)) in pairs.into_iter().enumerate() {
                sums.products[j * len + at] += n * i128::from(row[a]) * i128::from(row[b]);
            }
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn passes_are_the_definition(
        dim in 1usize..6,
        k in 1usize..8,
        spread in prop::sample::select(vec![3i32, 900, (1 << 23) - 1]),
        values in prop::collection::vec(any::<i32>(), 60..6000),
        weighing in prop::option::of(1u32..=u32::MAX),
        (kind, chunk) in (0usize..4, 1usize..9),
    ) {
        let values: Vec<i32> = values.iter().map(|v| v % (spread + 1)).collect();
        let rows: Vec<Vec<i32>> = values.chunks_exact(dim).map(<[i32]>::to_vec).collect();
        let weights: Vec<u32> =
            (0..rows.len()).map(|i| weighing.map_or(1, |most| (i as u32).wrapping_mul(2_654_435_761) % most)).collect();
        prop_assume!(rows.len() >= k && weights.iter().any(|w| *w > 0));
        let tiles = |weights| Tiles::from_rows(dim, &rows.concat(), weights, 64 * chunk).unwrap();
        let tiles = tiles(weighing.map(|_| weights.clone()));
        let covariance = ALL[kind];
        let centroids = Centroids::new(dim, rows[..k].concat()).unwrap();
        let first = cpu().nearest_sums(&tiles, &centroids, covariance.first_moments(), Watch::none()).unwrap();
        let scatter = Scatter::of(&first);
        let bounds = VarianceBounds { added: 0.5, least: vec![0.25; dim] };
        let (components, _) = Components::of(covariance, &first, &scatter, &bounds, None);
        let gaussians = components.gaussians().unwrap();
        let second = covariance.moments();
        let expected = by_the_definition(&rows, &weights, &gaussians, second);
        for level in SimdLevel::available() {
            let cpu = Cpu::new(Some(level)).unwrap();
            let nearest = cpu.nearest_sums(&tiles, &centroids, covariance.first_moments(), Watch::none()).unwrap();
            prop_assert_eq!(&nearest, &first, "{}", level);
            let found = cpu.mixture_sums(&tiles, &gaussians, second, Watch::none()).unwrap();
            prop_assert_eq!(&found, &expected, "{}", level);
            let mut total = 0;
            let mut next = 0;
            let mut sink = |part: MixtureLabels| {
                let labels = &part.labels.labels;
                for (i, row) in (part.labels.first_row as usize..).take(labels.len()).enumerate() {
                    let x: Vec<f64> = rows[row].iter().map(|&v| f64::from(v)).collect();
                    let log = |j: usize| gaussians.constants[j] - 0.5 * distance2(&x, &gaussians, j);
                    let best = (1..k).fold(0, |best, j| if log(j) > log(best) { j } else { best });
                    assert_eq!(labels[i] as usize, best);
                    let others = (0..k).filter(|&j| j != best).reduce(|a, b| if log(b) > log(a) { b } else { a });
                    let posterior = part.posteriors[i];
                    assert_eq!(posterior.second.map(|second| second as usize), others);
                    assert!(posterior.first >= posterior.second_posterior && posterior.entropy >= 0.0);
                }
                next += labels.len();
                total += part.log_density;
                Ok(())
            };
            cpu.mixture_labels(&tiles, &gaussians, Watch::none(), &mut sink).unwrap();
            prop_assert_eq!((next, total), (rows.len(), expected.log_density));
        }
        let mut merged = expected.clone();
        merged.merge(&MixtureSums::empty(k, dim, second)).unwrap();
        prop_assert_eq!(merged, expected);
    }
}
