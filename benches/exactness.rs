//! What exactness costs: the near-tie certificate and integer sums, against the same pass without them, in pairs of one
//! after the other, as machines are noisy: `cargo bench --features bare --bench exactness`.
//!
//! `first` adds every row to the sums; in `stable` no row moves, as in most later passes hardly any does. The ratio is the
//! median of those of the pairs. Bounds are not kept: they would leave rows out.

#![allow(clippy::print_stdout)]

mod mixture;

use std::time::Instant;

use hyades::Result;
use hyades::backend::cpu::{Bare, Cpu};
use hyades::backend::{Backend, Partial};
use hyades::event::Watch;

use mixture::mixture;

const CASES: [(usize, usize, usize); 4] =
    [(1_000_000, 16, 16), (1_000_000, 16, 64), (500_000, 32, 64), (500_000, 32, 256)];

/// The fewest pairs of a median; short passes are repeated for a second.
const PAIRS: usize = 15;

fn main() -> Result<()> {
    let cpu = Cpu::new(None)?.with_skipping(false);
    println!("{}, medians, milliseconds a pass", cpu.device());
    println!("{:26}{:>8}{:>8}{:>8}{:>8}{:>12}", "", "exact", "bare", "ratio", "pairs", "rechecked");
    for (n, d, k) in CASES {
        let (tiles, centroids) = mixture(n, d, k);
        let name = format!("n{n}_d{d}_k{k}");
        let open = || cpu.open(&tiles, k, Watch::none());
        let first = pairs(|| open()?.pass(&centroids, Watch::none()), || Bare::new(&cpu, &tiles).pass(&centroids))?;
        first.print(&format!("{name}/first"));
        let (mut exact, mut bare) = (open()?, Bare::new(&cpu, &tiles));
        exact.pass(&centroids, Watch::none())?;
        bare.pass(&centroids)?;
        let stable = pairs(|| exact.pass(&centroids, Watch::none()), || bare.pass(&centroids))?;
        stable.print(&format!("{name}/stable"));
    }
    Ok(())
}

/// Seconds of passes, and the medians of them.
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

/// Times both in turn.
fn pairs(mut exact: impl FnMut() -> Result<Partial>, mut bare: impl FnMut() -> Result<Partial>) -> Result<Paired> {
    let (a, b) = (exact()?, bare()?);
    let differ: u64 = a.counts.iter().zip(&b.counts).map(|(a, b)| a.abs_diff(*b)).sum();
    assert!(differ * 1000 <= a.counts.iter().sum(), "it is not the same work: {differ} rows more or less");
    let (mut exacts, mut bares) = (Vec::new(), Vec::new());
    while exacts.len() < PAIRS || exacts.iter().sum::<f64>() < 1.0 {
        exacts.push(seconds(&mut exact)?);
        bares.push(seconds(&mut bare)?);
    }
    let ratios: Vec<f64> = exacts.iter().zip(&bares).map(|(exact, bare)| exact / bare).collect();
    let pairs = ratios.len();
    Ok(Paired { exact: median(exacts), bare: median(bares), ratio: median(ratios), pairs, rechecked: a.rechecked })
}

fn seconds(pass: &mut impl FnMut() -> Result<Partial>) -> Result<f64> {
    let start = Instant::now();
    pass()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
