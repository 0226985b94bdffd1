//! One full pass over tiles in memory, at every SIMD level of this machine and on its GPU (a software one, if there is
//! no other): `cargo bench --bench kernels [-- filter]`. Names carry n, d, k and the level.
//!
//! `first` labels rows that had no label: every row is added to the sums. `stable` is a pass in which no row moves, as
//! most passes nearly are.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hyades::backend::cpu::Cpu;
use hyades::backend::gpu::{DeviceChoice, Gpu, adapters};
use hyades::backend::{Backend, Centroids};
use hyades::data::{Layout, Tiles};
use hyades::event::Watch;
use hyades::simd::SimdLevel;

const CASES: [(usize, usize, usize); 5] =
    [(1_000_000, 16, 16), (1_000_000, 16, 64), (500_000, 32, 64), (500_000, 32, 256), (1_000_000, 8, 5)];

/// Standard deviation of a segment, in grid units.
const SIGMA: f64 = (1 << 17) as f64;

fn passes(criterion: &mut Criterion) {
    let gpu = any_gpu();
    for (n, d, k) in CASES {
        let (tiles, centroids) = mixture(n, d, k);
        let mut group = criterion.benchmark_group(format!("pass/n{n}_d{d}_k{k}"));
        group.throughput(Throughput::Elements(n as u64)).measurement_time(Duration::from_secs(3)).sample_size(20);
        let levels = SimdLevel::available().map(|level| {
            (level.to_string(), Box::new(Cpu::new(Some(level)).expect("it is available")) as Box<dyn Backend>)
        });
        for (name, backend) in levels.collect::<Vec<_>>().iter().chain(&gpu) {
            let open = || backend.open(&tiles, k, Watch::none()).expect("tiles in memory open");
            group.bench_function(BenchmarkId::new("first", name), |bencher| {
                bencher.iter(|| open().pass(&centroids, Watch::none()));
            });
            group.bench_function(BenchmarkId::new("stable", name), |bencher| {
                let mut session = open();
                session.pass(&centroids, Watch::none()).expect("nothing stops the pass");
                bencher.iter(|| session.pass(&centroids, Watch::none()));
            });
        }
        group.finish();
    }
}

/// The best GPU, by name.
fn any_gpu() -> Option<(String, Box<dyn Backend>)> {
    let best = adapters().into_iter().min_by_key(|a| !a.is_real())?;
    let gpu = Gpu::open(&DeviceChoice::Index(best.index)).ok()?;
    Some((best.name.replace(' ', "_"), Box::new(gpu)))
}

/// `n` rows about `k` centres that are spread as wide as the segments themselves, and centroids near those centres.
fn mixture(n: usize, d: usize, k: usize) -> (Tiles, Centroids) {
    let mut random = Random(1);
    let centres: Vec<f64> = (0..k * d).map(|_| random.normal() * 1.5 * SIGMA).collect();
    let mut rows = Vec::with_capacity(n * d);
    for _ in 0..n {
        let j = random.next() as usize % k;
        rows.extend(centres[j * d..][..d].iter().map(|centre| (centre + random.normal() * SIGMA) as i32));
    }
    let centroids = centres.iter().map(|centre| (centre + random.normal() * 0.1 * SIGMA) as i32).collect();
    let tiles = Tiles::from_rows(d, &rows, None, Layout::default_chunk_rows(d)).expect("values lie on the grid");
    (tiles, Centroids::new(d, centroids).expect("values lie on the grid"))
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// Nearly normal: the sum of three uniform numbers of 16 bits, with mean 0 and variance 1.
    fn normal(&mut self) -> f64 {
        let bits = self.next();
        let sum: u64 = (0..3).map(|i| (bits >> (16 * i)) & 0xffff).sum();
        (sum as f64 / 65536.0 - 1.5) * 2.0
    }
}

criterion_group!(benches, passes);
criterion_main!(benches);
