//! The competing Rust crates, on a prepared matrix from given centroids.
//!
//!     rivals NAME MATRIX STARTS FEATURES PASSES CENTERS
//!
//! Input: raw little-endian f32 matrices, row by row; NAME is `linfa` or `fastkmeans`. Output: the centroids in the
//! file CENTERS, in the same format, and one line of JSON: seconds of the fit and of its setup, iterations, and
//! milliseconds of each pass if the crate exposes them. Both stop at PASSES or when no centroid moves.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{env, fs, io};

use fastkmeans_rs::{KMeansConfig, kmeans_double_chunked};
use linfa::prelude::*;
use linfa_clustering::{KMeans, KMeansInit};
use linfa_nn::distance::{Distance, L2Dist};
use ndarray::{Array2, ArrayView, ArrayView1, Dimension, s};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

struct Fitted {
    centers: Array2<f32>,
    iterations: usize,
    fit_seconds: f64,
    setup_seconds: f64,
    passes_ms: Vec<f64>,
}

fn main() -> io::Result<()> {
    let given: Vec<String> = env::args().collect();
    let [_, name, matrix, starts, features, passes, out] = given.as_slice() else {
        panic!("rivals NAME MATRIX STARTS FEATURES PASSES CENTERS");
    };
    let (features, passes) = (number(features), number(passes));
    let (values, starts) = (read(matrix, features)?, read(starts, features)?);
    let fitted = match name.as_str() {
        "linfa" => linfa(values, starts, passes),
        "fastkmeans" => fastkmeans(values, starts, passes),
        _ => panic!("{name}: neither linfa nor fastkmeans"),
    };
    fs::write(out, fitted.centers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    println!(
        r#"{{"fit_seconds": {}, "setup_seconds": {}, "iterations": {}, "passes_ms": {:?}}}"#,
        fitted.fit_seconds, fitted.setup_seconds, fitted.iterations, fitted.passes_ms
    );
    Ok(())
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// Reads in pieces, so that peak memory is the matrix plus what the competitor adds.
fn read(path: &str, columns: usize) -> io::Result<Array2<f32>> {
    let mut file = fs::File::open(path)?;
    let bytes = file.metadata()?.len() as usize;
    let (mut values, mut piece) = (Vec::with_capacity(bytes / 4), vec![0; 1 << 20]);
    for at in (0..bytes).step_by(piece.len()) {
        let piece = &mut piece[..(bytes - at).min(1 << 20)];
        file.read_exact(piece)?;
        values.extend(piece.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())));
    }
    Ok(Array2::from_shape_vec((values.len() / columns, columns), values).expect("whole rows"))
}

/// Euclidean distance that records when it is called for the movement of centroids, which `KMeans::fit` does at the end
/// of each pass without reporting it.
#[derive(Clone)]
struct Watched(Arc<Mutex<Vec<Instant>>>);

impl Distance<f32> for Watched {
    fn distance<D: Dimension>(&self, a: ArrayView<f32, D>, b: ArrayView<f32, D>) -> f32 {
        self.0.lock().unwrap().push(Instant::now());
        L2Dist.distance(a, b)
    }

    #[inline]
    fn rdistance<D: Dimension>(&self, a: ArrayView<f32, D>, b: ArrayView<f32, D>) -> f32 {
        L2Dist.rdistance(a, b)
    }
}

fn linfa(values: Array2<f32>, starts: Array2<f32>, passes: usize) -> Fitted {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let data = DatasetBase::from(values);
    let (k, random) = (starts.nrows(), rand_xoshiro::Xoshiro256Plus::seed_from_u64(0));
    let params = KMeans::params_with(k, random, Watched(ends.clone()))
        .init_method(KMeansInit::Precomputed(starts))
        .n_runs(1)
        .max_n_iterations(passes as u64)
        // A tolerance of 0 is refused.
        .tolerance(f32::MIN_POSITIVE);
    let start = Instant::now();
    let model = params.fit(&data).expect("linfa fits");
    let fit_seconds = start.elapsed().as_secs_f64();
    let mut passes_ms = Vec::new();
    let mut before = start;
    for &end in ends.lock().unwrap().iter() {
        passes_ms.push((end - before).as_secs_f64() * 1e3);
        before = end;
    }
    let centers = model.centroids().clone();
    Fitted { centers, iterations: passes_ms.len(), fit_seconds, setup_seconds: 0.0, passes_ms }
}

/// For each start, a row of the matrix that equals it.
fn rows_equal_to(starts: &Array2<f32>, values: &Array2<f32>) -> Vec<usize> {
    let bits = |row: ArrayView1<f32>| row.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    let of: HashMap<_, _> = starts.rows().into_iter().enumerate().map(|(i, row)| (bits(row), i)).collect();
    let mut found = vec![usize::MAX; starts.nrows()];
    for (at, row) in values.rows().into_iter().enumerate() {
        if let Some(&i) = of.get(&bits(row)) {
            found[i] = at;
        }
    }
    assert!(!found.contains(&usize::MAX), "starts must be distinct rows of the matrix");
    found
}

/// `fastkmeans-rs` accepts no centroids: it draws rows. So the rows that it will draw are swapped with those that equal
/// the starts, and a fit of zero passes must return the starts to be accepted.
fn fastkmeans(mut values: Array2<f32>, starts: Array2<f32>, passes: usize) -> Fitted {
    let k = starts.nrows();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let rows: Vec<usize> = (0..values.nrows()).collect();
    let drawn: Vec<usize> = rows.choose_multiple(&mut random, k).copied().collect();
    drop(rows);
    let mut found = rows_equal_to(&starts, &values);
    for (i, &to) in drawn.iter().enumerate() {
        let from = found[i];
        let displaced = values.row(to).to_owned();
        values.row_mut(to).assign(&starts.row(i));
        values.row_mut(from).assign(&displaced);
        found.iter_mut().filter(|row| **row == to).for_each(|row| *row = from);
    }
    let config = |passes| KMeansConfig {
        k,
        max_iters: passes,
        // It stops below the tolerance, not at it.
        tol: f64::MIN_POSITIVE,
        seed: 0,
        max_points_per_centroid: None,
        ..KMeansConfig::default()
    };
    let fit = |passes| kmeans_double_chunked(&values.slice(s![.., ..]), &config(passes)).expect("fastkmeans-rs fits");
    let start = Instant::now();
    let none = fit(0);
    let setup_seconds = start.elapsed().as_secs_f64();
    assert_eq!(none.centroids, starts, "another version, which draws its rows otherwise");
    let start = Instant::now();
    let model = fit(passes);
    let fit_seconds = start.elapsed().as_secs_f64();
    let (centers, iterations) = (model.centroids, model.n_iterations);
    Fitted { centers, iterations, fit_seconds, setup_seconds, passes_ms: Vec::new() }
}
