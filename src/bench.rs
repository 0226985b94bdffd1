//! The same fit on several backends: stage by stage, beside the machine's ceilings, with proof that the answers agree.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::event::Observer;
use crate::job::{self, FitRequest, PassRecord, StageTime};

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// The program.
    pub hyades_version: &'static str,
    /// Rows.
    pub rows: u64,
    /// Features that varied.
    pub features: usize,
    /// Segments.
    pub k: usize,
    /// Threads.
    pub threads: usize,
    /// What this machine's processor can do at most.
    pub ceilings: Ceilings,
    /// One entry a backend.
    pub runs: Vec<BenchRun>,
    /// Whether all backends gave the same labels and the same model.
    pub agree: bool,
}

/// Measured in the same run as the fits.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ceilings {
    /// f32 fused multiply-adds on all threads, counted as two operations.
    pub gflops: f64,
    /// Reading memory on all threads.
    pub read_gbs: f64,
}

/// One backend's fastest fit.
#[derive(Debug, Clone, Serialize)]
pub struct BenchRun {
    /// `reference`, `cpu` or `gpu`.
    pub backend: String,
    /// The device.
    pub device: String,
    /// The whole job, Parquet to labelled Parquet.
    pub seconds: f64,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
    /// The full passes.
    pub passes: Vec<PassRecord>,
    /// Median of the full passes after the first (or the first, if it is alone).
    pub pass_ms: f64,
    /// Rows a second in that pass.
    pub rows_a_second: f64,
    /// Bytes of tiles read a second in that pass, in GB.
    pub gbs: f64,
    /// Distance arithmetic a second in that pass: `2 rows k features`, in GFLOP.
    pub gflops: f64,
    /// Inertia in scaled units.
    pub inertia: f64,
    /// blake3 of the labels.
    pub labels_blake3: String,
    /// blake3 of the model.
    pub model_blake3: String,
}

/// Runs every request `repeat` times, in turn, and keeps each one's fastest.
///
/// # Errors
/// Those of the fits.
pub fn run(
    requests: &[(String, FitRequest)],
    repeat: usize,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<BenchReport> {
    let (_, first) = requests.first().ok_or_else(|| Error::Usage("no backend to compare".into()))?;
    let (ceilings, threads) = first.resources.install(|| Ok((Ceilings::measure(), rayon::current_num_threads())))?;
    let mut runs: Vec<Option<BenchRun>> = vec![None; requests.len()];
    let (mut rows, mut features) = (0, 0);
    for _ in 0..repeat {
        for ((_, request), best) in requests.iter().zip(&mut runs) {
            let start = Instant::now();
            let outcome = job::fit(request, observer, stop)?;
            let seconds = start.elapsed().as_secs_f64();
            (rows, features) = (outcome.plan.rows, outcome.model.n_features_in_);
            if best.as_ref().is_none_or(|b| seconds < b.seconds) {
                *best = Some(measured(outcome, seconds)?);
            }
        }
    }
    let runs: Vec<BenchRun> = runs.into_iter().flatten().collect();
    let same = |a: &BenchRun, b: &BenchRun| a.labels_blake3 == b.labels_blake3 && a.model_blake3 == b.model_blake3;
    let agree = runs.windows(2).all(|w| same(&w[0], &w[1]));
    Ok(BenchReport {
        hyades_version: env!("CARGO_PKG_VERSION"),
        rows,
        features,
        k: first.k,
        threads,
        ceilings,
        runs,
        agree,
    })
}

fn measured(outcome: job::FitOutcome, seconds: f64) -> Result<BenchRun> {
    let (rows, dim, k) =
        (outcome.plan.rows as f64, outcome.model.n_features_in_ as f64, outcome.model.n_clusters as f64);
    let mut later: Vec<f64> = outcome.passes.iter().skip(1).map(|p| p.seconds).collect();
    if later.is_empty() {
        later.extend(outcome.passes.first().map(|p| p.seconds));
    }
    later.sort_by(f64::total_cmp);
    let pass = later.get(later.len() / 2).copied().unwrap_or(f64::NAN);
    Ok(BenchRun {
        backend: outcome.plan.backend.clone(),
        device: outcome.plan.device.clone(),
        seconds,
        pass_ms: pass * 1e3,
        rows_a_second: rows / pass,
        gbs: rows * dim * 4.0 / pass / 1e9,
        gflops: 2.0 * rows * dim * k / pass / 1e9,
        inertia: outcome.model.inertia_,
        model_blake3: blake3::hash(outcome.model.to_json()?.as_bytes()).to_hex().to_string(),
        labels_blake3: outcome.labels.labels_blake3,
        stages: outcome.stages,
        passes: outcome.passes,
    })
}

impl BenchReport {
    /// Fails if the backends did not agree: that is a fault of the program.
    pub fn verdict(&self) -> Result<()> {
        if self.agree { Ok(()) } else { Err(Error::Internal("the backends gave different labels or models".into())) }
    }
}

impl Ceilings {
    /// Measures for about half a second, on the current thread pool.
    pub fn measure() -> Self {
        Ceilings { gflops: flops() / 1e9, read_gbs: read() / 1e9 }
    }
}

/// Rounds of a measurement; the best counts.
const ROUNDS: usize = 5;

fn best(work: impl Fn() -> f64) -> f64 {
    (0..ROUNDS).map(|_| work()).fold(0.0, f64::max)
}

fn flops() -> f64 {
    const STEPS: usize = 1 << 18;
    best(|| {
        let threads = rayon::current_num_threads();
        let start = Instant::now();
        let operations: f64 =
            (0..threads).into_par_iter().with_max_len(1).map(|_| crate::backend::cpu::spin(STEPS)).sum();
        operations / start.elapsed().as_secs_f64()
    })
}

fn read() -> f64 {
    // Larger than any cache.
    let data = vec![1u64; 32 << 20];
    best(|| {
        let start = Instant::now();
        let sum: u64 = data.par_chunks(1 << 16).map(|c| c.iter().fold(0u64, |a, &b| a.wrapping_add(b))).sum();
        black_box(sum);
        size_of_val(data.as_slice()) as f64 / start.elapsed().as_secs_f64()
    })
}
