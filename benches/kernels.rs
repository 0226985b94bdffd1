//! One full pass over tiles in memory, at every SIMD level of this machine and on its GPU (a software one if there is
//! no other): `cargo bench --bench kernels [-- filter]`. Names contain n, d, k and the level.
//!
//! `first` labels rows that had no label, so every row is added to the sums. In `stable` no row moves, which is nearly
//! true of most passes.

mod generated;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hyades::backend::Backend;
use hyades::backend::cpu::Cpu;
use hyades::backend::gpu::{DeviceChoice, Gpu, adapters};
use hyades::event::Watch;
use hyades::simd::SimdLevel;

use generated::generated;

const CASES: [(usize, usize, usize); 5] =
    [(1_000_000, 16, 16), (1_000_000, 16, 64), (500_000, 32, 64), (500_000, 32, 256), (1_000_000, 8, 5)];

fn passes(criterion: &mut Criterion) {
    let gpu = any_gpu();
    for (n, d, k) in CASES {
        let (tiles, centroids) = generated(n, d, k);
        let mut group = criterion.benchmark_group(format!("pass/n{n}_d{d}_k{k}"));
        group.throughput(Throughput::Elements(n as u64)).measurement_time(Duration::from_secs(3)).sample_size(20);
        let levels = SimdLevel::available().map(|level| {
            (level.to_string(), Box::new(Cpu::new(Some(level)).expect("it is available")) as Box<dyn Backend>)
        });
        for (name, backend) in levels.collect::<Vec<_>>().iter().chain(&gpu) {
            let open = || backend.open(&tiles, k, Watch::none()).expect("tiles in memory open");
            group.bench_function(BenchmarkId::new("first", name), |bencher| {
                bencher.iter(|| open().centroidal().pass(&centroids, Watch::none()));
            });
            group.bench_function(BenchmarkId::new("stable", name), |bencher| {
                let mut session = open();
                session.centroidal().pass(&centroids, Watch::none()).expect("nothing stops the pass");
                bencher.iter(|| session.centroidal().pass(&centroids, Watch::none()));
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

criterion_group!(benches, passes);
criterion_main!(benches);
