//! Times the same fit on several backends, stage by stage, compares it with the machine's ceilings, computes its cost,
//! and verifies that the results agree.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use crate::backend::{DeviceCeilings, KernelWork};
use crate::cluster::Algorithm;
use crate::error::{Error, Result};
use crate::event::{Observer, Watch};
use crate::job::{self, FitRequest, PassRecord, StageTime};
use crate::output::NewFiles;

/// A fit to time, and the price of the machine that runs it.
#[derive(Debug, Clone)]
pub struct Contender {
    /// The fit.
    pub fit: FitRequest,
    /// For [`BenchRun::cost_per_million`].
    pub price: Option<Price>,
}

/// The price of an hour of a machine, in any currency: a number above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price(f64);

impl Price {
    /// # Errors
    /// An amount that is not above 0, or not finite.
    pub fn per_hour(amount: f64) -> Result<Self> {
        if amount > 0.0 && amount.is_finite() {
            Ok(Price(amount))
        } else {
            Err(Error::usage(format!("a price per hour is a number above 0, not {amount}")))
        }
    }

    /// The cost of a million rows, if `rows` of them take `seconds`.
    pub(crate) fn per_million(self, rows: u64, seconds: f64) -> f64 {
        self.0 * (seconds / 3600.0) * (1e6 / rows as f64)
    }
}

/// The results.
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
    /// The ceilings of this machine's processor.
    pub ceilings: Ceilings,
    /// One entry per backend.
    pub runs: Vec<BenchRun>,
    /// Whether all backends gave the same labels and the same model.
    pub agree: bool,
}

/// The processor's ceilings, measured in the same run as the fits.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ceilings {
    /// f32 fused multiply-adds per second on all threads, counted as two operations, in GFLOP/s.
    pub gflops: f64,
    /// Memory read on all threads, in GB/s.
    pub read_gbs: f64,
}

/// Bytes over the bus of a device.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Bus {
    /// Tiles, centroids and parameters.
    pub to_device: u64,
    /// Totals, labels and times.
    pub from_device: u64,
}

/// One backend's fastest fit. For a divided bank, the figures of a pass are those of the part with the most rows.
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
    /// Milliseconds of a pass: the median of the full passes after the first (or the first, if it is the only one).
    pub pass_ms: f64,
    /// Rows per second in that pass.
    pub rows_a_second: f64,
    /// Bytes of tiles read per second in that pass, in GB; rows that were skipped do not count.
    pub gbs: f64,
    /// Distance arithmetic per second in that pass, in GFLOP: `2 rows k features`; rows that were skipped do not count.
    pub gflops: f64,
    /// What the GPU's kernels did in the whole fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelWork>,
    /// Bytes copied to the GPU and back in the whole fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<Bus>,
    /// The ceilings of the GPU; None for other backends, and if they could not be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_ceilings: Option<DeviceCeilings>,
    /// Cost of the whole job per million customers, in the currency of the price, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_million: Option<f64>,
    /// Inertia in scaled units.
    pub inertia: f64,
    /// blake3 of the labels.
    pub labels_blake3: String,
    /// blake3 of the model.
    pub model_blake3: String,
}

/// Runs every contender `repeat` times, in turn, and keeps each one's fastest.
///
/// Each fit writes what its own request asks for: nothing, if it names no folder. The report is also written to the
/// file `json`, if there is one.
///
/// # Errors
/// Those of the fits; a file that a fit reads, or that cannot be written.
///
/// # Examples
/// ```no_run
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::bench::{Contender, run};
/// use hyades::event::Silent;
/// use hyades::job::{BackendKind, ClusteringOptions, DeviceOptions, FitRequest, InputOptions};
///
/// let on = |backend| Contender {
///     fit: FitRequest {
///         input: InputOptions::of(["data/customers.parquet"]),
///         clustering: ClusteringOptions::of(6),
///         device: DeviceOptions { backend: Some(backend), ..DeviceOptions::default() },
///         ..FitRequest::default()
///     },
///     price: None,
/// };
/// let report = run(&[on(BackendKind::Cpu), on(BackendKind::Gpu)], 3, None, &Silent, &AtomicBool::new(false))?;
/// assert!(report.agree);
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn run(
    contenders: &[Contender],
    repeat: usize,
    json: Option<&Path>,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<BenchReport> {
    let first = &contenders.first().ok_or_else(|| Error::usage("no backend to compare".into()))?.fit;
    if let Some(other) = contenders.iter().map(|of| of.fit.clustering.algorithm()).find(|of| *of != Algorithm::KMeans) {
        let text = format!("bench times the passes of kmeans, and --algorithm {other} has none; leave --algorithm out");
        return Err(Error::usage(text).of_option("--algorithm"));
    }
    if let Some(range) = first.clustering.range() {
        let text = format!("k = {range}: bench times one number of segments; give it");
        return Err(Error::usage(text).of_option("--k"));
    }
    let mut files = NewFiles::default();
    json.map_or(Ok(()), |path| files.add(path, &first.arguments()))?;
    let (ceilings, threads) = first.resources.install(|| Ok((Ceilings::measure(), rayon::current_num_threads())))?;
    let mut runs: Vec<Option<BenchRun>> = vec![None; contenders.len()];
    let (mut rows, mut features) = (0, 0);
    for _ in 0..repeat {
        for (contender, best) in contenders.iter().zip(&mut runs) {
            let start = Instant::now();
            let outcome = job::fit(&contender.fit, observer, stop)?;
            let seconds = start.elapsed().as_secs_f64();
            (rows, features) = (outcome.plan.rows, features_of(&outcome));
            if best.as_ref().is_none_or(|b| seconds < b.seconds) {
                *best = Some(measured(outcome, seconds, contender.price)?);
            }
        }
    }
    let mut runs: Vec<BenchRun> = runs.into_iter().flatten().collect();
    let fits = contenders.iter().map(|contender| &contender.fit);
    measure_devices(&mut runs, fits, Watch::new(observer, stop))?;
    let same = |a: &BenchRun, b: &BenchRun| a.labels_blake3 == b.labels_blake3 && a.model_blake3 == b.model_blake3;
    let agree = runs.windows(2).all(|w| same(&w[0], &w[1]));
    let report = BenchReport {
        hyades_version: env!("CARGO_PKG_VERSION"),
        rows,
        features,
        k: first.clustering.number().unwrap_or(0),
        threads,
        ceilings,
        runs,
        agree,
    };
    if let Some(path) = json {
        files.text(path, &(report.to_json()? + "\n"))?;
        files.commit()?;
    }
    Ok(report)
}

/// Adds the ceilings of the GPUs, each measured once. The devices are opened only for this: the fits are done.
fn measure_devices<'a>(
    runs: &mut [BenchRun],
    fits: impl Iterator<Item = &'a FitRequest>,
    watch: Watch<'_>,
) -> Result<()> {
    let mut known: Vec<(String, Option<DeviceCeilings>)> = Vec::new();
    for (run, fit) in runs.iter_mut().zip(fits).filter(|(run, _)| run.backend == "gpu") {
        watch.check()?;
        if let Some((_, ceilings)) = known.iter().find(|(device, _)| *device == run.device) {
            run.device_ceilings = *ceilings;
            continue;
        }
        // A failed measurement must not discard the fits.
        run.device_ceilings = fit
            .device
            .device_ceilings()
            .inspect_err(|e| watch.warn(format!("the ceilings of {} could not be measured: {e}", run.device)))
            .ok();
        known.push((run.device.clone(), run.device_ceilings));
    }
    Ok(())
}

/// Features of the part with the most rows.
fn features_of(outcome: &job::FitOutcome) -> usize {
    outcome.model.parts[largest(outcome)].preparation.columns.len()
}

/// The part with the most rows: a model has at least one.
fn largest(outcome: &job::FitOutcome) -> usize {
    let rows = |&i: &usize| (outcome.model.parts[i].rows, std::cmp::Reverse(i));
    (0..outcome.model.parts.len()).max_by_key(rows).unwrap_or(0)
}

fn measured(outcome: job::FitOutcome, seconds: f64, price: Option<Price>) -> Result<BenchRun> {
    let all = outcome.plan.rows;
    let part = largest(&outcome);
    let rows = outcome.model.parts[part].rows;
    let (dim, k) = (features_of(&outcome) as f64, outcome.model.parts[part].fitted.segments() as f64);
    let mut later: Vec<&PassRecord> = outcome.passes[part].iter().skip(1).collect();
    if later.is_empty() {
        later.extend(outcome.passes[part].first());
    }
    later.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let median = later.get(later.len() / 2);
    let pass = median.map_or(f64::NAN, |p| p.seconds);
    // Counting skipped rows would lift a pass above the ceilings.
    let worked = rows.saturating_sub(median.map_or(0, |p| p.skipped)) as f64;
    Ok(BenchRun {
        backend: outcome.plan.backend.clone(),
        device: outcome.plan.device.clone(),
        seconds,
        pass_ms: pass * 1e3,
        rows_a_second: rows as f64 / pass,
        gbs: worked * dim * 4.0 / pass / 1e9,
        gflops: 2.0 * worked * dim * k / pass / 1e9,
        bus: outcome.device_work[part].as_ref().map(|w| Bus { to_device: w.to_device, from_device: w.from_device }),
        kernels: outcome.device_work[part].clone().map_or_else(Vec::new, |w| w.kernels),
        device_ceilings: None,
        cost_per_million: price.map(|price| price.per_million(all, seconds)),
        inertia: outcome.model.parts.iter().map(|part| part.fitted.inertia()).sum(),
        model_blake3: blake3::hash(outcome.model.to_json()?.as_bytes()).to_hex().to_string(),
        labels_blake3: outcome.labels.labels_blake3,
        stages: outcome.stages,
        passes: outcome.passes.into_iter().flatten().collect(),
    })
}

impl BenchReport {
    /// The ceilings for a run, in GFLOP/s and GB/s: those of its GPU, or of the processor.
    pub fn ceilings_of(&self, run: &BenchRun) -> Option<(f64, f64)> {
        match run.backend.as_str() {
            "gpu" => run.device_ceilings.map(|c| (c.gflops, c.copy_gbs)),
            _ => Some((self.ceilings.gflops, self.ceilings.read_gbs)),
        }
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// None expected: the report is plain data.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::Internal(e.to_string()))
    }

    /// Fails if the backends did not agree, which is a fault of the program.
    pub fn verdict(&self) -> Result<()> {
        if self.agree { Ok(()) } else { Err(Error::Internal("the backends gave different labels or models".into())) }
    }
}

impl Ceilings {
    /// Measures for about half a second, on the current thread pool.
    pub(crate) fn measure() -> Self {
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
