//! The cost of exactness: passes with the near-tie certificate and integer sums, compared with passes without them.
//! They are timed in alternating pairs, since machines are noisy: `cargo bench --features bare --bench exactness`.
//!
//! In `first` every row is added to the sums; in `stable` no row moves, as hardly any does in most later passes. The
//! ratio is the median over the pairs. Bounds are not kept, since they would leave rows out.

#![allow(clippy::print_stdout)]

mod generated;

use std::time::Instant;

use hyades::Result;
use hyades::backend::cpu::{Bare, Cpu};
#[cfg(feature = "gpu")]
use hyades::backend::gpu::{self, DeviceChoice, Gpu};
use hyades::backend::{Backend, CentroidSums, Session};
use hyades::event::Watch;

use generated::generated;

const CASES: [(usize, usize, usize); 4] =
    [(1_000_000, 16, 16), (1_000_000, 16, 64), (500_000, 32, 64), (500_000, 32, 256)];

/// The fewest pairs for a median; short passes are repeated for a second.
const PAIRS: usize = 15;

fn main() -> Result<()> {
    let cpu = Cpu::new(None)?.with_skipping(false);
    header(&cpu.device());
    for case in CASES {
        on_cpu(&cpu, case)?;
    }
    #[cfg(feature = "gpu")]
    if let Some(best) = gpu::adapters().into_iter().min_by_key(|a| a.kind) {
        let open = || Gpu::open(&DeviceChoice::Index(best.index));
        let (exact, bare) = (open()?, open()?.bare());
        header(&exact.device());
        for (n, d, k) in CASES {
            // A software device is slow.
            on_gpu(&exact, &bare, (if best.is_real() { 50 * n } else { n / 2 }, d, k))?;
        }
    }
    Ok(())
}

fn header(device: &str) {
    println!("{device}, medians, milliseconds a pass");
    println!("{:26}{:>8}{:>8}{:>8}{:>8}{:>12}", "", "exact", "bare", "ratio", "pairs", "rechecked");
}

fn on_cpu(cpu: &Cpu, (n, d, k): (usize, usize, usize)) -> Result<()> {
    let (tiles, centroids) = generated(n, d, k);
    let open = || cpu.open(&tiles, k, Watch::none());
    let first = || {
        let (mut exact, mut bare) = (open()?, Bare::new(cpu, &tiles));
        Ok((timed(|| exact.centroidal().pass(&centroids, Watch::none()))?, timed(|| bare.pass(&centroids))?))
    };
    pairs(first)?.print(&format!("n{n}_d{d}_k{k}/first"));
    let (mut exact, mut bare) = (open()?, Bare::new(cpu, &tiles));
    exact.centroidal().pass(&centroids, Watch::none())?;
    bare.pass(&centroids)?;
    let stable =
        || Ok((timed(|| exact.centroidal().pass(&centroids, Watch::none()))?, timed(|| bare.pass(&centroids))?));
    pairs(stable)?.print(&format!("n{n}_d{d}_k{k}/stable"));
    Ok(())
}

#[cfg(feature = "gpu")]
fn on_gpu(exact: &Gpu, bare: &Gpu, (n, d, k): (usize, usize, usize)) -> Result<()> {
    let (tiles, centroids) = generated(n, d, k);
    let pass = |session: &mut dyn Session| timed(|| session.centroidal().pass(&centroids, Watch::none()));
    let first = || {
        let (mut exact, mut bare) = (exact.open(&tiles, k, Watch::none())?, bare.open(&tiles, k, Watch::none())?);
        Ok((pass(&mut *exact)?, pass(&mut *bare)?))
    };
    pairs(first)?.print(&format!("n{n}_d{d}_k{k}/first"));
    let (mut exact, mut bare) = (exact.open(&tiles, k, Watch::none())?, bare.open(&tiles, k, Watch::none())?);
    pass(&mut *exact)?;
    pass(&mut *bare)?;
    pairs(|| Ok((pass(&mut *exact)?, pass(&mut *bare)?)))?.print(&format!("n{n}_d{d}_k{k}/stable"));
    Ok(())
}

/// Seconds of passes, and their medians.
struct Paired {
    exact: f64,
    bare: f64,
    ratio: f64,
    pairs: usize,
    rechecked: u64,
}

impl Paired {
    fn print(&self, name: &str) {
        let Paired { exact, bare, ratio, pairs, rechecked } = self;
        println!("{name:26}{:8.2}{:8.2}{ratio:8.3}{pairs:8}{rechecked:12}", exact * 1e3, bare * 1e3);
    }
}

/// A pass and its seconds.
type Timed = (CentroidSums, f64);

/// Times both in turn until there are enough pairs.
fn pairs(mut both: impl FnMut() -> Result<(Timed, Timed)>) -> Result<Paired> {
    let ((a, _), (b, _)) = both()?;
    let differ: u64 = a.counts.iter().zip(&b.counts).map(|(a, b)| a.abs_diff(*b)).sum();
    assert!(differ * 1000 <= a.counts.iter().sum(), "it is not the same work: {differ} rows more or less");
    let (mut exacts, mut bares) = (Vec::new(), Vec::new());
    while exacts.len() < PAIRS || exacts.iter().sum::<f64>() < 1.0 {
        let ((_, exact), (_, bare)) = both()?;
        exacts.push(exact);
        bares.push(bare);
    }
    let ratios: Vec<f64> = exacts.iter().zip(&bares).map(|(exact, bare)| exact / bare).collect();
    let pairs = ratios.len();
    Ok(Paired { exact: median(exacts), bare: median(bares), ratio: median(ratios), pairs, rechecked: a.rechecked })
}

fn timed(pass: impl FnOnce() -> Result<CentroidSums>) -> Result<Timed> {
    let start = Instant::now();
    let partial = pass()?;
    Ok((partial, start.elapsed().as_secs_f64()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
