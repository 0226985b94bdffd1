//! The GPU against the definition, row for row, on any Vulkan, Metal or DX12 adapter, including software adapters.

#![allow(clippy::unwrap_used)]

use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering};

use super::kernels::{Cut, FAR, Kernel, Params, TotalCells, WORKGROUP};
use super::pace::Pace;
use super::*;
use crate::backend::reference::Reference;
use crate::backend::{CentroidSums, Centroids, Labels};
use crate::error::Error;
use crate::event::{Event, Observer, Silent, Stage};
use crate::numeric::{GOLDEN, mix};
use crate::tiles::GRID_MAX;

/// A real GPU, or else a software one. Without any these tests fail: no test passes by being skipped. `tests/run`
/// leaves them out if there is no Vulkan device, and says so.
pub(super) fn any_gpu() -> Gpu {
    let best = adapters().into_iter().min_by_key(|info| info.kind);
    let best = best.expect("no Vulkan device; leave these tests out with `-- --skip backend::gpu`");
    Gpu::open(&DeviceChoice::Index(best.index)).unwrap()
}

/// A small generator (SplitMix64), so that the data are the same on every platform.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        let next = mix(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        next
    }

    fn grid(&mut self, limit: i32) -> i32 {
        (self.next() % (2 * limit as u64 + 1)) as i32 - limit
    }

    fn grids(&mut self, count: usize, limit: i32) -> Vec<i32> {
        (0..count).map(|_| self.grid(limit)).collect()
    }
}

fn labels(session: &mut dyn Session, centroids: &Centroids, margin: bool) -> Labels {
    let mut all = Labels { first_row: 0, labels: vec![], distance2: vec![], second2: margin.then(Vec::new) };
    let mut sink = |part: Labels| {
        assert_eq!(part.first_row, all.labels.len() as u64);
        assert_eq!(part.labels.len(), part.distance2.len());
        all.labels.extend(part.labels);
        all.distance2.extend(part.distance2);
        assert_eq!(part.second2.is_some(), margin);
        if let (Some(all), Some(part)) = (&mut all.second2, part.second2) {
            all.extend(part);
        }
        Ok(())
    };
    session.centroidal().label(centroids, margin, Watch::none(), &mut sink).unwrap();
    all
}

/// Runs the passes and label calls on both, and compares everything but `rechecked` (neither skips rows). Returns the
/// last `rechecked`.
fn compare(gpu: &dyn Backend, tiles: &Tiles, passes: &[Centroids]) -> CentroidSums {
    let k = passes.iter().map(Centroids::k).max().unwrap();
    let mut ours = gpu.open(tiles, k, Watch::none()).unwrap();
    let mut truth = Reference.open(tiles, k, Watch::none()).unwrap();
    let mut last = None;
    for (i, centroids) in passes.iter().enumerate() {
        let mut partial = ours.centroidal().pass(centroids, Watch::none()).unwrap();
        let expected = truth.centroidal().pass(centroids, Watch::none()).unwrap();
        let rechecked = std::mem::take(&mut partial.rechecked);
        assert!(partial == expected, "pass {i}");
        let (found, expected) = (
            ours.centroidal().farthest(centroids, Watch::none()),
            truth.centroidal().farthest(centroids, Watch::none()),
        );
        assert!(found.unwrap() == expected.unwrap(), "farthest rows of pass {i}");
        for margin in [false, true] {
            let (ours, truth) = (labels(&mut *ours, centroids, margin), labels(&mut *truth, centroids, margin));
            assert!(ours == truth, "labels of pass {i}, margin {margin}");
        }
        partial.rechecked = rechecked;
        last = Some(partial);
    }
    last.unwrap()
}

fn centroids(dim: usize, values: Vec<i32>) -> Centroids {
    Centroids::new(dim, values).unwrap()
}

#[test]
fn shader_constants_and_layouts_are_those_of_rust() {
    for (kernel, int64) in [
        (Kernel::Assign { dim: 16, k: 16, weighted: false, bare: false }, false),
        (Kernel::Assign { dim: 300, k: 500, weighted: true, bare: false }, true),
        (Kernel::Label { dim: 1, k: 1, margin: true }, true),
        (Kernel::Farthest { dim: 2, k: 3, round: 2 }, false),
    ] {
        let module = naga::front::wgsl::parse_str(&kernel.source(&wgpu::Limits::default(), int64)).unwrap();
        let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).unwrap();
        let naga::TypeInner::Struct { members, span } = &params.inner else { panic!("Params is a struct") };
        let offsets: Vec<_> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
        let expected = [
            ("first_row", offset_of!(Params, first_row)),
            ("end_row", offset_of!(Params, end_row)),
            ("fresh", offset_of!(Params, fresh)),
            ("spread_factor", offset_of!(Params, spread_factor)),
        ];
        assert_eq!(offsets, expected);
        assert_eq!(*span as usize, size_of::<Params>());

        let [entry] = &module.entry_points[..] else { panic!("one entry point a file") };
        assert_eq!(entry.workgroup_size, [WORKGROUP, 1, 1]);
        // The results of label.wgsl are pairs of u32, eight bytes apart.
        for (_, variable) in module.global_variables.iter() {
            let inner = &module.types[variable.ty].inner;
            if let (Some("out_best" | "out_second"), naga::TypeInner::Array { stride, .. }) =
                (variable.name.as_deref(), inner)
            {
                assert_eq!(*stride, 8);
            }
        }
        let value = |name: &str| {
            let (_, constant) = module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name))?;
            match module.global_expressions[constant.init] {
                naga::Expression::Literal(naga::Literal::U32(v)) => Some(f64::from(v)),
                naga::Expression::Literal(naga::Literal::F32(v)) => Some(f64::from(v)),
                _ => None,
            }
        };
        assert_eq!(value("FAR"), Some(f64::from(FAR)));
        if let Kernel::Assign { dim, k, weighted, .. } = kernel {
            let cells = TotalCells::new(dim, k, weighted);
            let ours = [TotalCells::CHANGED, TotalCells::RECHECKED, TotalCells::COUNTS, cells.mass, cells.sums];
            let theirs = ["CHANGED", "RECHECKED", "COUNTS", "MASS", "SUMS"].map(|name| value(name).unwrap() as usize);
            assert_eq!(theirs, ours);
        }
    }
}

#[test]
fn random_rows_and_moved_centroids() {
    let gpu = any_gpu();
    for dim in [1, 2, 3, 16, 17, 130] {
        for k in [1, 2, 7, 64, 300] {
            let mut random = Random((1000 * dim + k) as u64);
            let limit = if dim % 2 == 0 { GRID_MAX } else { 2000 };
            let rows = 700 + random.next() as usize % 200;
            let tiles = Tiles::from_rows(dim, &random.grids(rows * dim, limit), None, 128).unwrap();
            let first = random.grids(k * dim, limit);
            let second = first.iter().map(|v| (v + random.grid(limit / 8)).clamp(-GRID_MAX, GRID_MAX)).collect();
            let passes = [centroids(dim, first), centroids(dim, second)];
            let last = compare(&gpu, &tiles, &passes);
            assert!(last.rechecked < rows as u64 / 2, "the filter decides most rows: {dim} x {k}");
        }
    }
}

#[test]
fn exact_ties_go_to_the_lowest_index() {
    let gpu = any_gpu();
    let mut random = Random(7);
    for (dim, k) in [(1, 9), (3, 20), (16, 16)] {
        let lattice = |random: &mut Random, count: usize| -> Vec<i32> {
            (0..count).map(|_| 1_000_003 * (random.grid(2))).collect()
        };
        let tiles = Tiles::from_rows(dim, &lattice(&mut random, 900 * dim), None, 256).unwrap();
        let passes = [(); 3].map(|()| centroids(dim, lattice(&mut random, k * dim)));
        let last = compare(&gpu, &tiles, &passes);
        assert!(last.rechecked > 0, "a tie is never certain");
    }
    let same = Tiles::from_rows(5, &[123_457; 5 * 777], None, 64).unwrap();
    compare(&gpu, &same, &[centroids(5, vec![123_457; 5 * 12]), centroids(5, vec![-5; 5 * 3])]);
}

#[test]
fn the_corners_of_the_grid() {
    let gpu = any_gpu();
    let mut random = Random(11);
    // 256 features at a time are summed in 32 bits: test fewer, exactly as many, and several times as many.
    for dim in [1, 16, 130, 256, 600] {
        let corner = |random: &mut Random| if random.next().is_multiple_of(2) { GRID_MAX } else { -GRID_MAX };
        let near = |random: &mut Random| (corner(random) + random.grid(1)).clamp(-GRID_MAX, GRID_MAX);
        let rows: Vec<i32> = (0..800 * dim).map(|_| near(&mut random)).collect();
        let tiles = Tiles::from_rows(dim, &rows, None, 320).unwrap();
        let passes = [(); 2].map(|()| centroids(dim, (0..6 * dim).map(|_| corner(&mut random)).collect()));
        compare(&gpu, &tiles, &passes);
    }
}

#[test]
fn the_largest_shapes() {
    let gpu = any_gpu();
    let mut random = Random(53);
    for (dim, k) in [(crate::tiles::MAX_DIM, 3), (2, crate::backend::MAX_K)] {
        // Opposite corners, at most 62 bits apart.
        let mut rows = vec![GRID_MAX; dim];
        rows.extend(vec![-GRID_MAX; dim]);
        rows.extend(random.grids(100 * dim, GRID_MAX));
        let tiles = Tiles::from_rows(dim, &rows, None, 64).unwrap();
        let mut first = vec![-GRID_MAX; dim];
        first.extend(random.grids((k - 1) * dim, GRID_MAX));
        compare(&gpu, &tiles, &[centroids(dim, first), centroids(dim, random.grids(k * dim, GRID_MAX))]);
    }
}

#[test]
fn what_a_software_device_would_leave_undone_is_refused() {
    let gpu = any_gpu();
    let mut random = Random(79);
    for dim in [17, 64, 512] {
        // The largest accepted model: every row is decided by integers, for a margin and as ties.
        let fits = |k: &usize| Cut::of(dim).turns(dim, *k) <= 49_152;
        let k = (1..=crate::backend::MAX_K).rev().find(fits).unwrap();
        let tiles = Tiles::from_rows(dim, &random.grids(dim * 70, GRID_MAX), None, 64).unwrap();
        let mut values = random.grids(dim * k, GRID_MAX);
        values.copy_within(..dim * (k / 2), dim * (k - k / 2));
        compare(&gpu, &tiles, &[centroids(dim, values)]);
        let beyond = gpu.open(&tiles, k + 2, Watch::none());
        let refused = matches!(beyond, Err(Error::Environment(_)));
        assert_eq!(refused, gpu.device.max_turns < u64::MAX && k < crate::backend::MAX_K, "{dim} x {k}");
    }
}

#[test]
fn a_workgroup_adds_up_as_many_rows_as_it_may() {
    let mut gpu = Gpu { max_groups: 1, pace: Pace::new(1 << 40), ..any_gpu() };
    // Few enough iterations even for 2^20 rows.
    gpu.device.max_turns = u64::MAX;
    let rows = 1 << 20;
    let tiles = Tiles::from_rows(1, &vec![-GRID_MAX; rows], None, 1 << 16).unwrap();
    let mut session = gpu.open(&tiles, 2, Watch::none()).unwrap();
    for (there, here) in [(0, 1), (1, 0)] {
        let mut values = vec![5; 2];
        values[here] = -GRID_MAX;
        let partial = session.centroidal().pass(&centroids(1, values), Watch::none()).unwrap();
        assert_eq!((partial.counts[here], partial.sums[here]), (rows as u64, -(rows as i64) * i64::from(GRID_MAX)));
        assert_eq!((partial.counts[there], partial.sums[there]), (0, 0));
    }
    assert_eq!(session.device_work().unwrap().kernels[0].dispatches, 2);
}

#[test]
fn weights_of_every_size() {
    let gpu = any_gpu();
    let mut random = Random(13);
    let rows = 1000;
    let weights = (0..rows).map(|i| if i % 5 == 0 { (1 << 20) - 1 } else { random.next() as u32 % 3 }).collect();
    let tiles = Tiles::from_rows(4, &random.grids(4 * rows, GRID_MAX), Some(weights), 192).unwrap();
    let passes = [(); 3].map(|()| centroids(4, random.grids(4 * 10, GRID_MAX)));
    compare(&gpu, &tiles, &passes);
}

#[test]
fn slabs_and_streams_give_the_same() {
    let mut gpu = any_gpu();
    let mut random = Random(17);
    let (dim, rows) = (6, 5000);
    let values = random.grids(dim * rows, 1 << 20);
    let weights = (0..rows).map(|_| random.next() as u32 % 1000).collect();
    let passes = [(); 3].map(|()| centroids(dim, random.grids(dim * 12, 1 << 20)));
    let tile = (dim * 64 * 4) as u64;
    // Streamed slabs of ten tiles; some resident and some streamed; slabs smaller than a chunk that do not divide it.
    for (slab_bytes, resident_bytes, remark) in [
        (10 * tile, None, false),
        (10 * tile, Some(0), true),
        (10 * tile, Some(35 * tile), true),
        (3 * tile, Some(9 * tile), true),
    ] {
        gpu = gpu.with_options(GpuOptions { slab_bytes: Some(slab_bytes), resident_bytes });
        for weights in [None, Some(Vec::clone(&weights))] {
            let tiles = Tiles::from_rows(dim, &values, weights, 320).unwrap();
            let session = gpu.open(&tiles, 12, Watch::none()).unwrap();
            assert_eq!(session.remark().is_some(), remark);
            drop(session);
            compare(&gpu, &tiles, &passes);
        }
        let folder = tempfile::tempdir().unwrap();
        let tiles = Tiles::from_rows(dim, &values, None, 192).unwrap().into_scratch(folder.path()).unwrap();
        compare(&gpu, &tiles, &passes);
    }
}

#[test]
fn another_number_of_centroids_and_no_rows() {
    let gpu = any_gpu();
    let mut random = Random(19);
    let tiles = Tiles::from_rows(3, &random.grids(3 * 1000, 5000), None, 256).unwrap();
    let passes = [5, 12, 12, 2].map(|k| centroids(3, random.grids(3 * k, 5000)));
    compare(&gpu, &tiles, &passes);
    let none = Tiles::from_rows(3, &[], None, 256).unwrap();
    compare(&gpu, &none, &passes[..1]);
}

#[test]
fn both_kinds_of_integers_give_the_same() {
    let mut random = Random(59);
    for int64 in [true, false] {
        let mut gpu = any_gpu();
        gpu.device.int64 &= int64;
        for dim in [1, 40, 300] {
            // Every row ties between the first two centroids: all are decided by integers.
            let tiles = Tiles::from_rows(dim, &random.grids(dim * 500, GRID_MAX), None, 128).unwrap();
            let mut values = random.grids(dim * 6, GRID_MAX);
            values.copy_within(..dim * 3, dim * 3);
            let last = compare(&gpu, &tiles, &[centroids(dim, values)]);
            assert_eq!(last.rechecked, 500);
        }
    }
}

#[test]
fn a_segment_of_more_rows_than_f32_can_count() {
    let gpu = any_gpu();
    let rows = (1 << 24) + 1001;
    let tiles = Tiles::from_rows(1, &vec![GRID_MAX; rows], None, 1 << 20).unwrap();
    let mut session = gpu.open(&tiles, 2, Watch::none()).unwrap();
    for (there, here) in [(0, 1), (1, 0)] {
        let mut values = vec![-5; 2];
        values[here] = GRID_MAX;
        let partial = session.centroidal().pass(&centroids(1, values), Watch::none()).unwrap();
        assert_eq!((partial.counts[here], partial.counts[there]), (rows as u64, 0));
        assert_eq!(partial.sums[here], rows as i64 * i64::from(GRID_MAX));
        assert_eq!(partial.sums[there], 0);
    }
}

#[test]
fn several_devices_share_the_rows() {
    let gpus = Gpus::new(vec![any_gpu(), any_gpu()]);
    let mut random = Random(61);
    let (dim, rows) = (7, 4000);
    let values = random.grids(dim * rows, 1 << 20);
    let weights = (0..rows).map(|_| random.next() as u32 % 1000).collect();
    let passes = [(); 3].map(|()| centroids(dim, random.grids(dim * 20, 1 << 20)));
    for weights in [None, Some(weights)] {
        let tiles = Tiles::from_rows(dim, &values, weights, 320).unwrap();
        compare(&gpus, &tiles, &passes);
    }
    // Fewer tiles than devices.
    let tiles = Tiles::from_rows(dim, &values[..dim * 3], None, 64).unwrap();
    compare(&gpus, &tiles, &passes);
    let session = gpus.open(&tiles, 20, Watch::none()).unwrap();
    assert!(session.remark().unwrap().starts_with("shared by measured speed: "), "{:?}", session.remark());
}

#[test]
fn slabs_become_smaller_where_memory_is_short() {
    let mut gpu = any_gpu();
    let (dim, mib) = (4, 1 << 20);
    let rows = 6 * mib / (4 * dim);
    let mut random = Random(67);
    let tiles = Tiles::from_rows(dim, &random.grids(dim * rows, 9999), None, 4096).unwrap();
    let pass = centroids(dim, random.grids(dim * 3, 9999));
    let answer = |gpu: &Gpu| {
        let mut session = gpu.open(&tiles, 3, Watch::none())?;
        let mut partial = session.centroidal().pass(&pass, Watch::none())?;
        partial.rechecked = 0;
        Ok((partial, session.remark()))
    };
    let (expected, remark) = answer(&gpu).unwrap();
    assert_eq!(remark, None);
    gpu.device.largest = 2 * mib as u64;
    let (partial, remark) = answer(&gpu).unwrap();
    assert_eq!(partial, expected);
    assert!(remark.as_ref().is_some_and(|r| r.starts_with("slabs of 2 MiB, since ")), "{remark:?}");
    gpu.device.largest = mib as u64 / 4;
    let full: Result<_> = answer(&gpu);
    assert!(matches!(full, Err(Error::Environment(_))), "{full:?}");
}

#[test]
fn a_pass_moves_centroids_and_totals_over_the_bus_and_nothing_else() {
    let gpu = any_gpu();
    let mut random = Random(71);
    let traffic = [1000, 60_000].map(|rows| {
        let tiles = Tiles::from_rows(3, &random.grids(3 * rows, 9999), None, 4096).unwrap();
        let mut session = gpu.open(&tiles, 5, Watch::none()).unwrap();
        let mut pass = || {
            session.centroidal().pass(&centroids(3, random.grids(3 * 5, 9999)), Watch::none()).unwrap();
            session.device_work().unwrap()
        };
        let (before, after) = (pass(), pass());
        assert_eq!(after.kernels[0].dispatches, 2);
        assert_eq!(after.kernels[0].operations, 2 * 2 * 3 * 5 * rows as u64);
        assert_eq!(after.kernels[0].seconds.is_some(), gpu.device.timestamps);
        assert!(after.kernels[0].seconds.is_none_or(|s| s > 0.0 && s < 60.0), "{:?}", after.kernels);
        (after.to_device - before.to_device, after.from_device - before.from_device)
    });
    assert_eq!(traffic[0], traffic[1], "whatever the number of rows");
}

#[test]
fn many_dispatches_give_the_same() {
    let gpu = any_gpu();
    let gpu = Gpu { pace: Pace::new(64 * 9 * 16 * 5), ..gpu };
    let mut random = Random(23);
    let tiles = Tiles::from_rows(9, &random.grids(9 * 3000, 50_000), None, 512).unwrap();
    let passes = [(); 2].map(|()| centroids(9, random.grids(9 * 16, 50_000)));
    compare(&gpu, &tiles, &passes);
}

#[test]
fn more_dispatches_than_are_timed_at_a_time() {
    let gpu = Gpu { pace: Pace::new(1 << 12), ..any_gpu() };
    let mut random = Random(73);
    let (dim, k, dispatches) = (8, 8, 600);
    let tiles = Tiles::from_rows(dim, &random.grids(dim * 64 * dispatches, 50_000), None, 512).unwrap();
    let pass = centroids(dim, random.grids(dim * k, 50_000));
    let mut session = gpu.open(&tiles, k, Watch::none()).unwrap();
    let mut truth = Reference.open(&tiles, k, Watch::none()).unwrap();
    assert!(
        session.centroidal().farthest(&pass, Watch::none()).unwrap()
            == truth.centroidal().farthest(&pass, Watch::none()).unwrap()
    );
    assert!(labels(&mut *session, &pass, false) == labels(&mut *truth, &pass, false));
    let work = session.device_work().unwrap();
    let counts: Vec<_> = work.kernels.iter().map(|w| (w.kernel, w.dispatches)).collect();
    assert_eq!(counts, [("label", 2 * dispatches as u64), ("farthest", 3 * dispatches as u64)]);
}

#[test]
fn a_lost_device_is_an_error() {
    let gpu = any_gpu();
    let tiles = Tiles::from_rows(4, &Random(29).grids(4 * 3000, 9999), None, 512).unwrap();
    let start = centroids(4, Random(31).grids(4 * 8, 9999));
    for resident_bytes in [None, Some(0)] {
        let gpu = Gpu::open(&DeviceChoice::Index(gpu.adapter().index)).unwrap();
        let gpu = gpu.with_options(GpuOptions { slab_bytes: Some(9 << 10), resident_bytes });
        let mut session = gpu.open(&tiles, 8, Watch::none()).unwrap();
        session.centroidal().pass(&start, Watch::none()).unwrap();
        gpu.destroy();
        let lost = session.centroidal().pass(&start, Watch::none());
        assert!(matches!(lost, Err(Error::DeviceLost(_))), "{lost:?}");
        let lost = session.centroidal().label(&start, true, Watch::none(), &mut |_| Ok(()));
        assert!(matches!(lost, Err(Error::DeviceLost(_))), "{lost:?}");
        assert!(matches!(gpu.open(&tiles, 8, Watch::none()), Err(Error::DeviceLost(_))));
    }
}

/// Destroys the device when the first rows are done.
struct Saboteur<'a>(&'a Gpu);

impl Observer for Saboteur<'_> {
    fn event(&self, event: Event) {
        if matches!(event, Event::Advance { stage: Stage::Passes | Stage::Upload, .. }) {
            self.0.destroy();
        }
    }
}

#[test]
fn a_device_may_be_lost_at_any_time() {
    let gpu = any_gpu();
    let tiles = Tiles::from_rows(4, &Random(41).grids(4 * 30_000, 9999), None, 512).unwrap();
    let start = centroids(4, Random(43).grids(4 * 8, 9999));
    let stop = AtomicBool::new(false);
    let fresh = |resident_bytes| {
        let gpu = Gpu::open(&DeviceChoice::Index(gpu.adapter().index)).unwrap();
        gpu.with_options(GpuOptions { slab_bytes: Some(9 << 10), resident_bytes })
    };
    for resident_bytes in [Some(0), Some(100 << 10), None] {
        let gpu = fresh(resident_bytes);
        let mut session = gpu.open(&tiles, 8, Watch::none()).unwrap();
        let lost = session.centroidal().pass(&start, Watch::new(&Saboteur(&gpu), &stop));
        assert!(matches!(lost, Err(Error::DeviceLost(_))), "{lost:?}");

        let gpu = fresh(resident_bytes);
        let mut session = gpu.open(&tiles, 8, Watch::none()).unwrap();
        let mut sink = |_| {
            gpu.destroy();
            Ok(())
        };
        let lost = session.centroidal().label(&start, false, Watch::none(), &mut sink);
        assert!(matches!(lost, Err(Error::DeviceLost(_))), "{lost:?}");
    }
    let gpu = fresh(None);
    let lost = gpu.open(&tiles, 8, Watch::new(&Saboteur(&gpu), &stop));
    assert!(matches!(lost, Err(Error::DeviceLost(_))));
}

#[test]
fn a_stop_is_heeded() {
    let gpu = any_gpu();
    let tiles = Tiles::from_rows(2, &Random(47).grids(2 * 500, 99), None, 64).unwrap();
    let start = centroids(2, vec![0, 0, 5, 5]);
    let stop = AtomicBool::new(false);
    let watch = Watch::new(&Silent, &stop);
    let mut session = gpu.open(&tiles, 2, watch).unwrap();
    session.centroidal().pass(&start, watch).unwrap();
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(session.centroidal().pass(&start, watch), Err(Error::Interrupted)));
    assert!(matches!(session.centroidal().label(&start, true, watch, &mut |_| Ok(())), Err(Error::Interrupted)));
    assert!(matches!(gpu.open(&tiles, 2, watch), Err(Error::Interrupted)));
}

#[test]
fn what_is_not_there_is_named() {
    let Err(Error::Environment(text)) = Gpu::open(&DeviceChoice::Name("no such GPU".into())) else { panic!("found") };
    assert!(text.to_string().contains("\"no such GPU\"") && text.to_string().contains("hyades doctor"), "{text}");
}
