//! The same bytes everywhere: a whole job on every backend, with any number of threads, tile size and placement.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use hyades::backend::cpu::Cpu;
use hyades::backend::gpu::{DeviceChoice, Gpu};
use hyades::backend::reference::Reference;
use hyades::backend::{Backend, Centroids};
use hyades::cluster::{Effort, Fit, Init, KMeans, Limits, Stop};
use hyades::event::{Event, Observer, Silent, Watch};
use hyades::input::Source;
use hyades::job::{
    BackendKind, ClusteringOptions, DeviceOptions, FitOutcome, FitRequest, InputOptions, RecipeSource, Resources, fit,
};
use hyades::prepare::{ColumnChoice, Design, Placement, Prepared, Recipe, Transform, prepare};
use hyades::roles::RoleRequest;
use hyades::simd::SimdLevel;
use hyades::tiles::Tiles;
use libtest_mimic::Trial;

use crate::harness::{gpu_test, root, test};

fn request() -> FitRequest {
    FitRequest {
        input: InputOptions::of([root().join("data/customers.parquet")]),
        clustering: ClusteringOptions { tol: Some(0.0), seed: Some(3), ..ClusteringOptions::of(8) },
        device: DeviceOptions { backend: Some(BackendKind::Cpu), ..DeviceOptions::default() },
        ..FitRequest::default()
    }
}

fn outcome(request: &FitRequest) -> FitOutcome {
    let outcome = fit(request, &Silent, &AtomicBool::new(false)).expect("the fit succeeds");
    let falls = outcome.passes[0].windows(2).all(|w| w[1].inertia <= w[0].inertia);
    assert!(falls, "the inertia rose: {:?}", outcome.passes);
    outcome
}

/// Model and labels, as text that differs if a single bit does.
fn fingerprint(outcome: &FitOutcome) -> String {
    outcome.model.to_json().expect("a model is JSON") + &outcome.labels.labels_blake3
}

fn same_as_the_definition(other: FitRequest) {
    let definition = FitRequest {
        device: DeviceOptions { backend: Some(BackendKind::Reference), ..Default::default() },
        ..request()
    };
    let expected = outcome(&definition);
    let counts = expected.labels.counts();
    assert_eq!(counts.iter().sum::<u64>(), 20_000);
    assert!(counts.is_sorted_by(|a, b| a >= b), "segment 0 is the largest");
    assert_eq!(fingerprint(&outcome(&other)), fingerprint(&expected));
}

fn with_backend(kind: BackendKind, device: Option<usize>, simd: Option<SimdLevel>) -> FitRequest {
    FitRequest {
        device: DeviceOptions {
            backend: Some(kind),
            device: device.map(|d| d.to_string()),
            simd,
            ..DeviceOptions::default()
        },
        ..request()
    }
}

fn with_resources(change: impl FnOnce(&mut Resources)) -> FitRequest {
    let mut request = request();
    change(&mut request.resources);
    request
}

fn prepared(scratch: bool, chunk_rows: Option<usize>) -> Prepared {
    let source = Source::open(&request().input.paths).expect("the data is there");
    let roles = RoleRequest::default().resolve(&source).expect("columns are found");
    let spec = Recipe::default();
    let design = Design::new(&source, &roles, &spec).expect("features");
    let scratch = scratch.then(std::env::temp_dir);
    let placement = Placement { chunk_rows, scratch, ..Placement::default() };
    prepare(&source, &roles, &design, &spec, &placement, Watch::none()).expect("prepared")
}

fn kmeans() -> KMeans {
    KMeans {
        k: 8,
        n_init: 2,
        init: Init::PlusPlus,
        effort: Effort::Normal,
        limits: Limits { max_iter: 300, tol: 0.0 },
        seed: 3,
    }
}

fn fit_on(prepared: &Prepared, backend: &dyn Backend) -> Fit {
    let cpu = Cpu::new(None).expect("a CPU");
    kmeans().fit(&prepared.tiles, backend, &cpu, &|_| None, Watch::none()).expect("fitted").0
}

fn streamed_equals_resident() {
    let cpu = Cpu::new(None).expect("a CPU");
    let resident = prepared(false, None);
    let expected = fit_on(&resident, &cpu);
    for chunk_rows in [64, 1000, 16_384] {
        let streamed = prepared(true, Some(chunk_rows));
        assert!(!streamed.tiles.is_resident());
        assert_eq!(streamed.recipe, resident.recipe);
        assert_eq!(streamed.tiles.sum_squares(), resident.tiles.sum_squares());
        for row in [0, 63, 64, 9_999, 19_999] {
            assert_eq!(streamed.tiles.row(row).expect("a row"), resident.tiles.row(row).expect("a row"));
        }
        assert_eq!(fit_on(&streamed, &cpu), expected, "chunks of {chunk_rows} rows");
    }
}

/// Records how many rows each pass skipped, and the notes.
#[derive(Default)]
struct Heard {
    skips: Mutex<Vec<u64>>,
    notes: Mutex<Vec<String>>,
}

impl Observer for Heard {
    fn event(&self, event: Event) {
        match event {
            Event::Pass { skipped, .. } => self.skips.lock().expect("no panic").push(skipped),
            Event::Note(text) => self.notes.lock().expect("no panic").push(text),
            _ => {}
        }
    }
}

/// Skipping saves work, and changes nothing.
fn skipping_changes_nothing() {
    let prepared = prepared(false, None);
    let rows: Vec<i32> = (0..8).flat_map(|r| prepared.tiles.row(r).expect("a row")).collect();
    let start = Centroids::new(prepared.tiles.dim(), rows).expect("centroids");
    let kmeans = KMeans { init: Init::Given(start), ..kmeans() };
    let fit = |cpu: Cpu| {
        let (heard, stop) = (Heard::default(), AtomicBool::new(false));
        let fit = kmeans.fit(&prepared.tiles, &cpu, &cpu, &|_| None, Watch::new(&heard, &stop)).expect("fitted").0;
        (fit, heard.skips.into_inner().expect("no panic"))
    };
    let cpu = Cpu::new(None).expect("a CPU");
    let ((fitted, skips), (plain, none)) = (fit(cpu), fit(cpu.with_skipping(false)));
    assert_eq!(fitted, plain);
    assert!(none.iter().all(|&n| n == 0), "{none:?}");
    assert!(skips.last() > Some(&19_000), "of 20,000 rows were skipped: {skips:?}");
}

/// Enough rows for a larger sample, on which seeding continues; in a mixture of two that splits into many segments
/// slowly.
fn larger_samples_are_the_same_everywhere() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 44) as i32
    };
    let rows: Vec<i32> = (0..2_200_000).map(|i| random() + random() + if i % 3 == 0 { 3_000_000 } else { 0 }).collect();
    let tiles = |folder: Option<&std::path::Path>| {
        let tiles = Tiles::from_rows(1, &rows, None, 16_384).expect("tiles");
        match folder {
            None => tiles.subset(|_| true, Watch::none()),
            Some(folder) => tiles.into_scratch(folder),
        }
        .expect("tiles")
    };
    assert_eq!(hyades::cluster::larger_samples(2_200_000, 1, 12), [262_144], "the test is about such a sample");
    let kmeans = KMeans { k: 12, limits: Limits { max_iter: 40, tol: 1e-6 }, ..kmeans() };
    let fit = |tiles: &Tiles, backend: &dyn Backend| {
        let (heard, stop) = (Heard::default(), AtomicBool::new(false));
        let fit = kmeans.fit(tiles, backend, backend, &|_| None, Watch::new(&heard, &stop)).expect("fitted").0;
        let notes = heard.notes.into_inner().expect("no panic");
        assert!(notes.iter().any(|note| note.contains("the start continues on 2")), "{notes:?}");
        fit
    };
    let folder = tempfile::tempdir().expect("a folder");
    let expected = fit(&tiles(None), &Reference);
    let cpu = Cpu::new(None).expect("a CPU");
    assert_eq!(fit(&tiles(None), &cpu), expected);
    assert_eq!(fit(&tiles(Some(folder.path())), &cpu.with_skipping(false)), expected);
}

/// Scale, missing values and transforms are fitted by all threads at once, without affecting the result.
fn every_recipe_is_the_same_with_any_threads() {
    for transform in [Transform::None, Transform::SignedLog1p, Transform::Auto] {
        for scale in ["zscore", "robust", "minmax", "none"] {
            let toml = format!("[defaults]\nscale = \"{scale}\"\nmissing = \"mean\"");
            let mut recipe: Recipe = toml::from_str(&toml).expect("a recipe");
            recipe.defaults = ColumnChoice { transform: Some(transform), ..recipe.defaults.clone() };
            let of = |threads| {
                let mut request = with_resources(|r| r.threads = Some(threads));
                request.preparation.recipe = Some(RecipeSource::Inline(Box::new(recipe.clone())));
                fingerprint(&outcome(&request))
            };
            assert_eq!(of(1), of(5), "{} {scale}", transform.name());
        }
    }
}

/// Destroys a GPU when a pass ends.
struct Saboteur {
    gpu: Arc<Gpu>,
    at_pass: u32,
    warnings: Mutex<Vec<String>>,
}

impl Observer for Saboteur {
    fn event(&self, event: Event) {
        match event {
            Event::Pass { number, .. } if number == self.at_pass => self.gpu.destroy(),
            Event::Warning(text) => self.warnings.lock().expect("no panic").push(text),
            _ => {}
        }
    }
}

fn a_lost_device_changes_nothing(device: usize) {
    let cpu = Cpu::new(None).expect("a CPU");
    let prepared = prepared(false, None);
    // Bad starts, so that there are passes in which to lose the device.
    let rows: Vec<i32> = (0..8).flat_map(|r| prepared.tiles.row(r).expect("a row")).collect();
    let start = Centroids::new(prepared.tiles.dim(), rows).expect("centroids");
    let kmeans = KMeans { init: Init::Given(start), ..kmeans() };
    let expected = kmeans.fit(&prepared.tiles, &cpu, &cpu, &|_| None, Watch::none()).expect("fitted").0;
    assert!(expected.n_iter > 4, "{} passes are too few for this test", expected.n_iter);
    // The last pass is followed by one that only counts, unless the last one moved nothing.
    let kmeans = KMeans { limits: Limits { max_iter: 6, tol: 0.0 }, ..kmeans };
    let expected = kmeans.fit(&prepared.tiles, &cpu, &cpu, &|_| None, Watch::none()).expect("fitted").0;
    assert_eq!((expected.n_iter, expected.stop), (6, Stop::MaxIter));
    for at_pass in [1, 3, 6] {
        let gpu = Arc::new(Gpu::open(&DeviceChoice::Index(device)).expect("the device opens"));
        let saboteur = Saboteur { gpu: gpu.clone(), at_pass, warnings: Mutex::default() };
        let stop = AtomicBool::new(false);
        let watch = Watch::new(&saboteur, &stop);
        let recover = |lost: &hyades::Error| -> Option<&dyn Backend> {
            watch.warn(lost.to_string());
            Some(&cpu)
        };
        let (fit, _) = kmeans.fit(&prepared.tiles, gpu.as_ref(), &cpu, &recover, watch).expect("it goes on");
        assert_eq!(fit, expected, "lost at pass {at_pass}");
        assert_eq!(saboteur.warnings.lock().expect("no panic").len(), 1, "the loss is said");
    }
}

/// The tests of this module.
pub(crate) fn tests() -> Vec<Trial> {
    let mut tests: Vec<Trial> = SimdLevel::available()
        .map(|level| {
            test(&format!("equality::{level}"), move || {
                same_as_the_definition(with_backend(BackendKind::Cpu, None, Some(level)));
            })
        })
        .collect();
    for threads in [1, 2, 7] {
        tests.push(test(&format!("equality::{threads}_threads"), move || {
            same_as_the_definition(with_resources(|r| r.threads = Some(threads)));
        }));
    }
    for rows in [64, 1000, 65_536] {
        tests.push(test(&format!("equality::chunks_of_{rows}_rows"), move || {
            same_as_the_definition(with_resources(|r| r.chunk_rows = Some(rows)));
        }));
    }
    tests.push(test("equality::run_twice", || same_as_the_definition(request())));
    tests.push(test("equality::skipping_changes_nothing", skipping_changes_nothing));
    tests.push(test("equality::larger_samples_are_the_same_everywhere", larger_samples_are_the_same_everywhere));
    tests.push(test("equality::streamed_equals_resident", streamed_equals_resident));
    tests.push(test("equality::every_recipe_is_the_same_with_any_threads", every_recipe_is_the_same_with_any_threads));
    tests.push(gpu_test("equality::gpu", |device| {
        same_as_the_definition(with_backend(BackendKind::Gpu, Some(device), None));
    }));
    tests.push(gpu_test("equality::a_lost_device_changes_nothing", a_lost_device_changes_nothing));
    tests
}
