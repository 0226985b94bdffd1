use super::*;
use crate::backend::reference::Reference;
use crate::tiles::GRID_MAX;

/// xorshift64*: a few lines, and the same numbers on every platform.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// `n` integers from `-limit` to `limit`.
    fn integers(&mut self, n: usize, limit: i32) -> Vec<i32> {
        (0..n).map(|_| (self.next() % (2 * limit as u64 + 1)) as i32 - limit).collect()
    }
}

/// All results of some passes and two labellings.
fn answers(backend: &dyn Backend, tiles: &Tiles, steps: &[Centroids]) -> (Vec<CentroidSums>, [Vec<Labels>; 2]) {
    let mut session = backend.open(tiles, 1, Watch::none()).unwrap();
    let mut passes: Vec<_> = steps.iter().map(|step| session.centroidal().pass(step, Watch::none()).unwrap()).collect();
    passes.iter_mut().for_each(|partial| (partial.rechecked, partial.skipped) = (0, 0));
    let labels = [false, true].map(|margin| {
        let mut all = Vec::new();
        let mut sink = |labels| {
            all.push(labels);
            Ok(())
        };
        session.centroidal().label(&steps[0], margin, Watch::none(), &mut sink).unwrap();
        all
    });
    (passes, labels)
}

/// Every level of this machine, with 1 and 3 threads, agrees with the reference.
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

/// Far from the origin on an odd lattice, every row lies between two centroids: only integers can decide.
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
    let partial = cpu.open(&tiles, 3, Watch::none()).unwrap().centroidal().pass(&centroids, Watch::none()).unwrap();
    assert_eq!((partial.rechecked, partial.counts), (100, vec![100, 0, 0]));
    let centroids = Centroids::new(1, vec![900, 5, -900]).unwrap();
    let partial = cpu.open(&tiles, 3, Watch::none()).unwrap().centroidal().pass(&centroids, Watch::none()).unwrap();
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
    let error = cpu.open(&tiles, 1, watch).unwrap().centroidal().pass(&centroids, watch).unwrap_err();
    assert!(matches!(error, crate::Error::Interrupted));
}

/// Passes with centroids that hardly move, as at the end of a fit, by the definition and at every level: the results
/// agree, whatever was skipped. Returns the share of rows skipped in the passes after the first.
fn check_skipping(what: &str, dim: usize, rows: &[i32], weights: Option<Vec<u32>>, steps: &[Centroids]) -> f64 {
    let tiles = Tiles::from_rows(dim, rows, weights, 192).unwrap();
    let expected = answers(&Reference, &tiles, steps);
    let mut skipped = 0;
    for level in SimdLevel::available() {
        let cpu = Cpu::new(Some(level)).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        for cpu in [cpu, cpu.with_skipping(false)] {
            assert!(pool.install(|| answers(&cpu, &tiles, steps)) == expected, "{what}: {level} differs, dim {dim}");
        }
        let skips = |cpu: Cpu| -> Vec<u64> {
            let mut session = cpu.open(&tiles, 1, Watch::none()).unwrap();
            steps.iter().map(|step| session.centroidal().pass(step, Watch::none()).unwrap().skipped).collect()
        };
        assert_eq!(skips(cpu.with_skipping(false)).iter().sum::<u64>(), 0);
        assert_eq!(skips(cpu)[0], 0, "nothing is known before the first pass");
        skipped = skips(cpu).iter().sum();
    }
    skipped as f64 / (tiles.rows() * (steps.len() as u64 - 1)).max(1) as f64
}

/// Centroids that move by up to `by` per feature from step to step; halfway through, one of them jumps far away.
fn drifting(random: &mut Random, dim: usize, k: usize, limit: i32, by: i32) -> Vec<Centroids> {
    let mut values = random.integers(k * dim, limit);
    let mut steps = Vec::new();
    for step in 0..9 {
        steps.push(Centroids::new(dim, values.clone()).unwrap());
        for (value, moved) in values.iter_mut().zip(random.integers(k * dim, by)) {
            *value = (*value + moved).clamp(-GRID_MAX, GRID_MAX);
        }
        if step == 5 {
            values[..dim].copy_from_slice(&random.integers(dim, limit));
        }
    }
    steps
}

#[test]
fn what_is_skipped_could_not_have_changed() {
    let mut random = Random(7);
    for (dim, k, n) in
        [(1, 1, 100), (1, 7, 1000), (2, 5, 1999), (3, 40, 1000), (16, 16, 1500), (33, 9, 700), (130, 70, 300)]
    {
        for (limit, by) in [(8, 1), (40, 1), (1000, 3), (1 << 20, 1 << 10), (GRID_MAX, 1), (GRID_MAX, 1 << 14)] {
            let rows = random.integers(n * dim, limit);
            let steps = drifting(&mut random, dim, k, limit, by);
            check_skipping("drifting", dim, &rows, None, &steps);
            let weights = (0..n).map(|_| (random.next() % (1 << 20)) as u32).collect();
            check_skipping("drifting, weighted", dim, &rows, Some(weights), &steps);
        }
    }
}

/// On a small lattice far from the origin, boundaries run through rows, and squared norms hide the last digits of
/// distances.
#[test]
fn what_is_skipped_on_a_far_lattice_could_not_have_changed() {
    let mut random = Random(8);
    for (dim, far) in [(1, GRID_MAX - 60), (2, 5_000_011), (8, GRID_MAX - 60)] {
        for spread in [3, 20, 50] {
            let shift = |values: Vec<i32>| -> Vec<i32> { values.iter().map(|v| far + v).collect() };
            let rows = shift(random.integers(700 * dim, spread));
            let steps: Vec<_> = drifting(&mut random, dim, 6, spread, 1)
                .iter()
                .map(|step| Centroids::new(dim, shift(step.values().to_vec())).unwrap())
                .collect();
            check_skipping("far lattice", dim, &rows, None, &steps);
        }
    }
}

#[test]
fn rows_far_from_borders_are_skipped() {
    let mut random = Random(9);
    for (dim, k) in [(1, 1), (2, 8), (16, 30), (40, 5)] {
        let centres = random.integers(k * dim, 1 << 21);
        let noise = random.integers(3000 * dim, 1 << 12);
        let rows: Vec<i32> = (0..3000)
            .flat_map(|r| (0..dim).map(move |f| (r, f)))
            .map(|(r, f)| centres[r % k * dim + f] + noise[r * dim + f])
            .collect();
        let steps: Vec<_> = (0..6)
            .map(|_| {
                let moved = random.integers(k * dim, 16);
                Centroids::new(dim, centres.iter().zip(moved).map(|(c, m)| c + m).collect()).unwrap()
            })
            .collect();
        let share = check_skipping("clusters", dim, &rows, None, &steps);
        assert!(share > 0.95, "{share} of the rows were skipped, dim {dim}, k {k}");
    }
}
