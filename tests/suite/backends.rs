//! One suite for every backend: its results equal those of the reference implementation, row for row. A deliberately
//! broken backend must fail the same suite.

use hyades::backend::cpu::Cpu;
use hyades::backend::gpu::{DeviceChoice, Gpu, GpuOptions};
use hyades::backend::reference::Reference;
use hyades::backend::{Backend, CentroidSums, Centroidal, Centroids, Labels, Session};
use hyades::event::Watch;
use hyades::simd::SimdLevel;
use hyades::tiles::{GRID_MAX, Tiles};
use libtest_mimic::Trial;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::harness::{gpu_test, test};

/// Rows and three sets of centroids, for three consecutive passes.
#[derive(Debug, Clone)]
struct Case {
    dim: usize,
    rows: Vec<i32>,
    weights: Option<Vec<u32>>,
    chunk_rows: usize,
    centroids: Vec<Vec<i32>>,
}

/// What makes rows difficult.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Values anywhere on the grid.
    Anywhere,
    /// Few distinct values: many exact ties.
    Lattice,
    /// Few distinct rows, each repeated many times; centroids among them.
    Duplicates,
    /// Close together, with some rows at the end of the grid.
    Outliers,
    /// Close together and far from the origin: large norms, small differences.
    FarOff,
}

fn value(shape: Shape) -> BoxedStrategy<i32> {
    match shape {
        Shape::Anywhere => (-GRID_MAX..=GRID_MAX).boxed(),
        Shape::Lattice => (-2..=2).prop_map(|v| v * 1000).boxed(),
        Shape::Duplicates => prop_oneof![Just(0), Just(5), Just(-70_000)].boxed(),
        Shape::Outliers => prop_oneof![30 => -300..300, 1 => Just(GRID_MAX), 1 => Just(-GRID_MAX)].boxed(),
        Shape::FarOff => (GRID_MAX - 40..=GRID_MAX).boxed(),
    }
}

/// Cases with up to `dims` features and `ks` segments.
fn cases(dims: std::ops::RangeInclusive<usize>, ks: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Case> {
    let shape = prop_oneof![
        Just(Shape::Anywhere),
        Just(Shape::Lattice),
        Just(Shape::Duplicates),
        Just(Shape::Outliers),
        Just(Shape::FarOff)
    ];
    let chunk_rows = prop_oneof![Just(64usize), Just(192), Just(4096)];
    (shape, dims, ks, 1..400usize, chunk_rows, any::<bool>()).prop_flat_map(
        |(shape, dim, k, n, chunk_rows, weighted)| {
            let row = proptest::collection::vec(value(shape), n * dim);
            let weights = proptest::collection::vec(0u32..(1 << 20), if weighted { n } else { 0 });
            let centroids = proptest::collection::vec(proptest::collection::vec(value(shape), k * dim), 3);
            (row, weights, centroids).prop_map(move |(rows, weights, centroids)| Case {
                dim,
                rows,
                weights: weighted.then_some(weights),
                chunk_rows,
                centroids,
            })
        },
    )
}

/// The results of a backend: a partial for every pass, then all labels, with and without margins.
type Answer = (Vec<CentroidSums>, Vec<Labels>);

fn answer(backend: &dyn Backend, case: &Case) -> hyades::Result<Answer> {
    let tiles = Tiles::from_rows(case.dim, &case.rows, case.weights.clone(), case.chunk_rows)?;
    let sets: Vec<Centroids> =
        case.centroids.iter().map(|c| Centroids::new(case.dim, c.clone())).collect::<hyades::Result<_>>()?;
    let mut session = backend.open(&tiles, sets[0].k(), Watch::none())?;
    let mut partials = Vec::new();
    for centroids in &sets {
        let mut partial = session.centroidal().pass(centroids, Watch::none())?;
        // The number of rows that a filter could not decide depends on the filter.
        (partial.rechecked, partial.skipped) = (0, 0);
        partials.push(partial);
    }
    let mut labels = Vec::new();
    for margin in [false, true] {
        let mut all = Labels { first_row: 0, labels: vec![], distance2: vec![], second2: margin.then(Vec::new) };
        session.centroidal().label(&sets[1], margin, Watch::none(), &mut |part| {
            assert_eq!(part.first_row, all.labels.len() as u64, "labels come in the order of the rows");
            all.labels.extend(part.labels);
            all.distance2.extend(part.distance2);
            if let (Some(all), Some(part)) = (&mut all.second2, part.second2) {
                all.extend(part);
            }
            Ok(())
        })?;
        labels.push(all);
    }
    Ok((partials, labels))
}

/// The suite: `count` cases, always the same.
fn run(backend: &dyn Backend, cases: impl Strategy<Value = Case>, count: u32) -> Result<(), String> {
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&cases, |case| {
        let expected = answer(&Reference, &case).expect("the definition answers");
        let got = answer(backend, &case).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(got, expected);
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, case)) => {
            let why: String = why.to_string().chars().take(300).collect();
            Err(format!(
                "{} features, {} rows, {} values of centroids: {why}",
                case.dim,
                case.rows.len(),
                case.centroids[0].len()
            ))
        }
        Err(other) => Err(other.to_string().chars().take(300).collect()),
    }
}

/// Answers as the definition does, but ties go to the highest index.
struct Broken;

struct BrokenSession<'a>(Box<dyn Session + 'a>);

impl Backend for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn device(&self) -> String {
        "none".into()
    }

    fn open<'a>(&'a self, tiles: &'a Tiles, k: usize, watch: Watch<'_>) -> hyades::Result<Box<dyn Session + 'a>> {
        Ok(Box::new(BrokenSession(Reference.open(tiles, k, watch)?)))
    }
}

impl Session for BrokenSession<'_> {
    fn centroidal(&mut self) -> &mut dyn Centroidal {
        self
    }
}

impl Centroidal for BrokenSession<'_> {
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> hyades::Result<CentroidSums> {
        self.0.centroidal().pass(centroids, watch)
    }

    fn label(
        &mut self,
        centroids: &Centroids,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> hyades::Result<()>,
    ) -> hyades::Result<()> {
        let last = centroids.k() - 1;
        let order: Vec<usize> = (0..=last).rev().collect();
        self.0.centroidal().label(&centroids.reordered(&order), margin, watch, &mut |mut part| {
            part.labels.iter_mut().for_each(|l| *l = last as u32 - *l);
            sink(part)
        })
    }
}

fn on_threads(threads: usize, work: impl FnOnce() -> Result<(), String> + Send) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
    pool.install(work).expect("equal to the definition");
}

/// The tests of this module: the suite for every backend of this machine.
pub(crate) fn tests() -> Vec<Trial> {
    let mut tests: Vec<Trial> = SimdLevel::available()
        .flat_map(|level| [1, 3].map(|threads| (level, threads)))
        .map(|(level, threads)| {
            test(&format!("backends::{level}_{threads}_threads_equals_the_definition"), move || {
                let cpu = Cpu::new(Some(level)).expect("the level is available");
                on_threads(threads, || run(&cpu, cases(1..=130, 1..=300), 96));
            })
        })
        .collect();
    tests.push(test("backends::a_broken_backend_fails_the_suite", || {
        run(&Reference, cases(1..=16, 1..=8), 32).expect("the definition equals itself");
        run(&Broken, cases(1..=16, 1..=8), 32).expect_err("ties that go to the highest index are noticed");
    }));
    tests.push(gpu_test("backends::gpu_equals_the_definition", |device| {
        let gpu = Gpu::open(&DeviceChoice::Index(device)).expect("the device opens");
        // A pipeline is compiled for every shape, which takes a software device most of the time: few shapes.
        run(&gpu, cases(3..=3, 1..=5), 24).expect("small");
        run(&gpu, cases(1..=130, 1..=300), 12).expect("large");
    }));
    tests.push(gpu_test("backends::gpu_in_slabs_and_streamed_equals_the_definition", |device| {
        let gpu = Gpu::open(&DeviceChoice::Index(device)).expect("the device opens");
        let gpu = gpu.with_options(GpuOptions { slab_bytes: Some(4 << 10), resident_bytes: Some(8 << 10) });
        run(&gpu, cases(3..=3, 7..=7), 24).expect("in slabs");
        let gpu = gpu.with_options(GpuOptions { slab_bytes: None, resident_bytes: Some(0) });
        run(&gpu, cases(3..=3, 7..=7), 24).expect("streamed");
    }));
    tests
}
