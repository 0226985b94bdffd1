use super::*;
use crate::backend::reference::Reference;
use crate::data::GRID_MAX;

/// xorshift64*: a few lines, and the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// `n` integers of at most `limit` either way.
    fn integers(&mut self, n: usize, limit: i32) -> Vec<i32> {
        (0..n).map(|_| (self.next() % (2 * limit as u64 + 1)) as i32 - limit).collect()
    }
}

/// Everything that some passes and two labellings say.
fn answers(backend: &dyn Backend, tiles: &Tiles, steps: &[Centroids]) -> (Vec<Partial>, [Vec<Labels>; 2]) {
    let mut session = backend.open(tiles, 1, Watch::none()).unwrap();
    let mut passes: Vec<_> = steps.iter().map(|step| session.pass(step, Watch::none()).unwrap()).collect();
    passes.iter_mut().for_each(|partial| (partial.rechecked, partial.skipped) = (0, 0));
    let labels = [false, true].map(|margin| {
        let mut all = Vec::new();
        let mut sink = |labels| {
            all.push(labels);
            Ok(())
        };
        session.label(&steps[0], margin, Watch::none(), &mut sink).unwrap();
        all
    });
    (passes, labels)
}

/// Every level of this machine, with 1 and 3 threads, answers as the reference does.
fn check(what: &str, dim: usize, rows: &[i32], weights: Option<Vec<u32>>, steps: &[Vec<i32>]) {
    let tiles = Tiles::from_rows(dim, rows, weights, 192).unwrap();
    let steps: Vec<_> = steps.iter().map(|values| Centroids::new(dim, values.clone()).unwrap()).collect();
    let expected = answers(&Reference, &tiles, &steps);
    for level in SimdLevel::available() {
        let cpu = Cpu::new(Some(level)).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| answers(&cpu, &tiles, &steps));
            assert!(found == expected, "{what}: {level} with {threads} threads differs, dim {dim}");
        }
    }
}

#[test]
fn random_grids() {
    let mut random = Random(1);
    for (dim, k, n) in [
        (1usize, 1usize, 1usize),
        (1, 2, 63),
        (2, 3, 64),
        (3, 4, 65),
        (4, 5, 1000),
        (5, 6, 700),
        (7, 7, 129),
        (8, 16, 640),
        (16, 64, 777),
        (17, 9, 401),
        (33, 300, 257),
        (130, 31, 321),
    ] {
        for limit in [3, 1 << 17, GRID_MAX] {
            let rows = random.integers(n * dim, limit);
            let steps = [k, k, k.div_ceil(2), k + 1].map(|k| random.integers(k * dim, limit));
            check("unweighted", dim, &rows, None, &steps);
            let weights = (0..n).map(|_| (random.next() % (1 << 20)) as u32).collect();
            check("weighted", dim, &rows, Some(weights), &steps);
        }
    }
}

/// Far from the origin on an odd lattice, every row between two centroids: only integers can tell.
#[test]
fn lattice_of_ties() {
    for (dim, far) in [(1, GRID_MAX - 40), (2, 5_000_011), (3, 1_234_567), (8, GRID_MAX - 40)] {
        let mut random = Random(dim as u64);
        let rows: Vec<i32> = random.integers(500 * dim, 8).iter().map(|v| far + v).collect();
        let near: Vec<i32> = random.integers(20 * dim, 9).iter().map(|v| far + v).collect();
        let twice: Vec<i32> = [near.clone(), near.clone()].concat();
        check("lattice", dim, &rows, None, &[near, twice]);
    }
}

#[test]
fn the_filter_leaves_ties_to_the_integers() {
    let tiles = Tiles::from_rows(1, &[5; 100], None, 64).unwrap();
    let centroids = Centroids::new(1, vec![7, 3, 900]).unwrap();
    let cpu = Cpu::new(None).unwrap();
    let partial = cpu.open(&tiles, 3, Watch::none()).unwrap().pass(&centroids, Watch::none()).unwrap();
    assert_eq!((partial.rechecked, partial.counts), (100, vec![100, 0, 0]));
    let centroids = Centroids::new(1, vec![900, 5, -900]).unwrap();
    let partial = cpu.open(&tiles, 3, Watch::none()).unwrap().pass(&centroids, Watch::none()).unwrap();
    assert_eq!((partial.rechecked, partial.counts), (0, vec![0, 100, 0]));
}

#[test]
fn duplicates_and_extremes() {
    for dim in [1, 4, 9, 130] {
        let rows: Vec<i32> = (0..200).flat_map(|i| vec![[GRID_MAX, -GRID_MAX, 0][i % 3]; dim]).collect();
        let corners = [GRID_MAX, -GRID_MAX].map(|v| vec![v; dim]).concat();
        let edges = [-GRID_MAX, GRID_MAX, GRID_MAX, 1, 0, -1].map(|v| vec![v; dim]).concat();
        check("extremes", dim, &rows, None, &[corners.clone(), edges, corners]);
    }
}

#[test]
fn no_rows() {
    check("no rows", 3, &[], None, &[vec![0; 3], vec![0; 6]]);
}

#[test]
fn a_scratch_file_gives_the_same() {
    let rows = Random(5).integers(5000, 1 << 20);
    let steps = [Centroids::new(5, Random(6).integers(35, 1 << 20)).unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let tiles = || Tiles::from_rows(5, &rows, None, 64).unwrap();
    let streamed = tiles().into_scratch(folder.path()).unwrap();
    let cpu = Cpu::new(None).unwrap();
    assert!(answers(&cpu, &streamed, &steps) == answers(&Reference, &tiles(), &steps));
}

#[test]
fn the_stop_flag_stops() {
    let stop = std::sync::atomic::AtomicBool::new(true);
    let tiles = Tiles::from_rows(1, &[1; 100], None, 64).unwrap();
    let centroids = Centroids::new(1, vec![0]).unwrap();
    let cpu = Cpu::new(None).unwrap();
    let watch = Watch::new(&crate::event::Silent, &stop);
    let error = cpu.open(&tiles, 1, watch).unwrap().pass(&centroids, watch).unwrap_err();
    assert!(matches!(error, crate::Error::Interrupted));
}
