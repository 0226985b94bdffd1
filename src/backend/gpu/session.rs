//! Passes on the device: from centroids to totals or labels. The host only cuts the work into short dispatches and adds
//! up the integers that come back.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::clock::Clock;
use super::device::{Device, Mappable};
use super::kernels::{Cut, FAR, Kernel, MAX_GROUP_ROWS, Params, TotalCells, WORKGROUP_ROWS, block_floats};
use super::opened::Gpu;
use super::pace::Pace;
use super::results::{Champions, Results, wide};
use super::slabs::Slabs;
use crate::backend::{CentroidSums, Centroidal, Centroids, Certificate, DeviceWork, Farthest, Labels, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::tiles::{TILE_ROWS, Tiles};

/// Submissions in flight: one running, one queued, one in preparation.
const IN_FLIGHT: usize = 3;
/// Rows labelled at a time: two times 5 MiB of results on the device and on the host.
const LABEL_ROWS: u64 = 1 << 18;
/// The cost of adding a feature of a row to the sums, in multiply-adds of the filter. The overhead of a row counts as
/// four features.
const MOVE_COST: usize = 8;
/// The cost of a multiply-add of the integer definition, in multiply-adds of the f32 filter.
const INTEGER_COST: u64 = 8;

/// Tiles on the device, and the state that the last pass left there.
pub(super) struct GpuSession<'a> {
    gpu: &'a Gpu,
    tiles: &'a Tiles,
    slabs: Slabs,
    clock: Clock,
    model: Option<DeviceModel>,
    /// The totals of the rows, by the labels on the device.
    running: Option<CentroidSums>,
}

impl<'a> GpuSession<'a> {
    /// Opens a session on the tiles in `range`.
    pub(super) fn open(gpu: &'a Gpu, tiles: &'a Tiles, range: Range<u64>, k: usize, watch: Watch<'_>) -> Result<Self> {
        check_model(gpu, tiles, k)?;
        let slabs = Slabs::open(&gpu.device, tiles, range, k, gpu.options, watch)?;
        Ok(GpuSession { gpu, tiles, slabs, clock: Clock::new(&gpu.device)?, model: None, running: None })
    }

    /// The centroids on the device, in buffers that are recreated when their number changes.
    fn model(&mut self, centroids: &Centroids) -> Result<DeviceModel> {
        if centroids.dim() != self.tiles.dim() {
            return Err(Error::Internal(format!(
                "centroids of {} features on tiles of {}",
                centroids.dim(),
                self.tiles.dim()
            )));
        }
        let mut model = match self.model.take() {
            Some(model) if model.k == centroids.k() => model,
            _ => {
                check_model(self.gpu, self.tiles, centroids.k())?;
                late(DeviceModel::new(self.gpu, centroids, self.tiles.weights().is_some()))?
            }
        };
        model.put(&self.gpu.device, centroids);
        Ok(model)
    }

    /// Runs assign.wgsl over all rows, adding up into `model.totals`.
    fn assign(&mut self, model: &DeviceModel, fresh: bool, watch: Watch<'_>) -> Result<()> {
        let Gpu { device, kernels, .. } = self.gpu;
        let (dim, k) = (self.tiles.dim(), model.k);
        let kernel = Kernel::Assign { dim, k, weighted: self.tiles.weights().is_some(), bare: self.gpu.bare };
        let pipeline = kernels.pipeline(device, kernel)?;
        let cost = (k * dim + MOVE_COST * (dim + 4)) as u64;
        let mut flight =
            Flight { device, pace: &self.gpu.pace, watch, submitted: VecDeque::new(), last: Instant::now() };
        for i in 0..self.slabs.slabs.len() {
            let rows = self.slabs.rows(self.gpu, self.tiles, i, watch)?;
            let slab = &self.slabs.slabs[i];
            let own = device.bind(
                "assign",
                &kernels.assign,
                &[slab.labels.as_entire_binding(), slab.weights.as_entire_binding(), model.totals.as_entire_binding()],
            );
            let mut first = 0;
            while first < slab.rows {
                let end = slab.rows.min(first.saturating_add(dispatch_rows(self.gpu, dim, k, cost)));
                model.aim(device, first, end, fresh);
                self.clock.make_room(device, 1)?;
                let mut encoder = device.encoder();
                let work = KernelDispatch {
                    kernel,
                    pipeline: &pipeline,
                    groups: [&rows, &model.group, &own],
                    rows: end - first,
                };
                work.encode(self.gpu, &mut self.clock, &mut encoder);
                flight.push(device.submit(encoder), u64::from(end - first), cost)?;
                first = end;
            }
        }
        flight.land()
    }
}

impl Session for GpuSession<'_> {
    fn centroidal(&mut self) -> &mut dyn Centroidal {
        self
    }

    fn remark(&self) -> Option<String> {
        self.slabs.remark(&self.gpu.info.name)
    }

    fn device_work(&self) -> Option<DeviceWork> {
        let (to_device, from_device) = self.gpu.device.traffic();
        Some(DeviceWork { kernels: self.clock.work().to_vec(), to_device, from_device })
    }
}

impl Centroidal for GpuSession<'_> {
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<CentroidSums> {
        watch.check()?;
        let mut model = self.model(centroids)?;
        let first = self.running.is_none();
        let mut running = match self.running.take() {
            Some(running) if running.k() == centroids.k() => Some(running),
            _ => None,
        };
        self.gpu.device.check()?;
        model.clear(&self.gpu.device);
        self.assign(&model, running.is_none(), watch)?;
        let totals = model.read_totals(&self.gpu.device)?;
        self.clock.settle(&self.gpu.device)?;
        let sum = running.get_or_insert_with(|| CentroidSums::empty(centroids.k(), centroids.dim()));
        let rows = model.cells;
        add_totals(sum, rows, &totals);
        sum.rechecked = totals[TotalCells::RECHECKED];
        sum.changed = (!first).then_some(totals[TotalCells::CHANGED]);
        let answer = sum.clone();
        self.running = running;
        self.model = Some(model);
        Ok(answer)
    }

    fn label(
        &mut self,
        centroids: &Centroids,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        watch.check()?;
        let model = self.model(centroids)?;
        let Gpu { device, kernels, .. } = self.gpu;
        let (dim, k) = (self.tiles.dim(), model.k);
        let kernel = Kernel::Label { dim, k, margin };
        let pipeline = kernels.pipeline(device, kernel)?;
        let cost = (k * dim) as u64 * if margin { INTEGER_COST } else { 1 };
        let step = LABEL_ROWS.min(u64::from(dispatch_rows(self.gpu, dim, k, cost))) as u32;
        let mut results = [late(Results::new(self.gpu, step))?, late(Results::new(self.gpu, step))?];
        let mut turn = 0;
        for i in 0..self.slabs.slabs.len() {
            let rows = self.slabs.rows(self.gpu, self.tiles, i, watch)?;
            let slab = &self.slabs.slabs[i];
            for first in (0..slab.rows).step_by(step as usize) {
                watch.check()?;
                let out = &mut results[turn % 2];
                out.deliver(device, margin, watch, sink)?;
                let end = slab.rows.min(first.saturating_add(step));
                model.aim(device, first, end, false);
                self.clock.make_room(device, 1)?;
                let mut encoder = device.encoder();
                let groups = [&rows, &model.group, &out.group];
                let work = KernelDispatch { kernel, pipeline: &pipeline, groups, rows: end - first };
                work.encode(self.gpu, &mut self.clock, &mut encoder);
                out.fetch(device, encoder, slab.first_row() + u64::from(first), end - first, margin);
                turn += 1;
            }
        }
        for _ in 0..2 {
            results[turn % 2].deliver(device, margin, watch, sink)?;
            turn += 1;
        }
        self.clock.settle(device)?;
        self.model = Some(model);
        Ok(())
    }

    fn farthest(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<Vec<Option<Farthest>>> {
        watch.check()?;
        let model = self.model(centroids)?;
        let Gpu { device, kernels, .. } = self.gpu;
        let (dim, k) = (self.tiles.dim(), model.k);
        let label = Kernel::Label { dim, k, margin: false };
        let rounds = [0, 1, 2].map(|round| Kernel::Farthest { dim, k, round });
        let steps = [label, rounds[0], rounds[1], rounds[2]]
            .map(|kernel| Ok((kernel, kernels.pipeline(device, kernel)?)))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let step = LABEL_ROWS.min(u64::from(dispatch_rows(self.gpu, dim, k, (k * dim) as u64))) as u32;
        let mut champions = late(Champions::new(self.gpu, step, k))?;
        let mut farthest = vec![None; k];
        for i in 0..self.slabs.slabs.len() {
            let rows = self.slabs.rows(self.gpu, self.tiles, i, watch)?;
            let slab = &self.slabs.slabs[i];
            for first in (0..slab.rows).step_by(step as usize) {
                watch.check()?;
                let end = slab.rows.min(first.saturating_add(step));
                model.aim(device, first, end, false);
                champions.clear(device);
                self.clock.make_room(device, steps.len())?;
                let mut encoder = device.encoder();
                for (kernel, pipeline) in &steps {
                    let own = if *kernel == label { &champions.labels.group } else { &champions.group };
                    let groups = [&rows, &model.group, own];
                    let work = KernelDispatch { kernel: *kernel, pipeline, groups, rows: end - first };
                    work.encode(self.gpu, &mut self.clock, &mut encoder);
                }
                champions.fetch(device, encoder, slab.first_row() + u64::from(first), &mut farthest)?;
            }
        }
        self.clock.settle(device)?;
        self.model = Some(model);
        Ok(farthest)
    }
}

/// Fails if the device cannot bind the totals of `k` segments (the largest buffer of a model) as a whole, or cannot
/// handle so many segments and features at all.
fn check_model(gpu: &Gpu, tiles: &Tiles, k: usize) -> Result<()> {
    let bytes = 8 * TotalCells::new(tiles.dim(), k, tiles.weights().is_some()).len as u64;
    let most = gpu.device.max_binding();
    if Cut::of(tiles.dim()).turns(tiles.dim(), k) > gpu.device.max_turns {
        return Err(Error::environment(format!(
            "{k} segments of {} features are too many for {}, which ends loops after some {} iterations; run on the CPU",
            tiles.dim(),
            gpu.info.name,
            gpu.device.max_turns
        ))
        .of_kind(ErrorKind::Device));
    }
    if bytes <= most {
        return Ok(());
    }
    Err(Error::environment(format!(
        "{k} segments of {} features need {bytes} bytes of totals, but {} can bind {most}; run on the CPU",
        tiles.dim(),
        gpu.info.name
    ))
    .of_kind(ErrorKind::Device))
}

/// Too little memory once the session is open counts as a lost device: when reopened, it keeps fewer tiles.
fn late<T>(outcome: Result<T>) -> Result<T> {
    outcome.map_err(|e| match e {
        Error::Environment(text) => Error::DeviceLost(text.to_string()),
        other => other,
    })
}

/// Rows of a dispatch, in whole tiles, at a cost of `cost` multiply-adds each.
fn dispatch_rows(gpu: &Gpu, dim: usize, k: usize, cost: u64) -> u32 {
    let tiles = (gpu.pace.work() / cost / TILE_ROWS as u64).max(1);
    let quads =
        (gpu.device.max_turns / Cut::of(dim).turns(dim, k)).clamp(1, u64::from(MAX_GROUP_ROWS / WORKGROUP_ROWS));
    (tiles * TILE_ROWS as u64).min(u64::from(gpu.max_groups * WORKGROUP_ROWS) * quads) as u32
}

/// One dispatch over some rows.
struct KernelDispatch<'a> {
    kernel: Kernel,
    pipeline: &'a wgpu::ComputePipeline,
    groups: [&'a wgpu::BindGroup; 3],
    rows: u32,
}

impl KernelDispatch<'_> {
    fn encode(&self, gpu: &Gpu, clock: &mut Clock, encoder: &mut wgpu::CommandEncoder) {
        let rows = u64::from(self.rows);
        let (bytes, operations) = self.kernel.work();
        let mut pass = clock.compute_pass(encoder, self.kernel.entry(), rows * bytes, rows * operations);
        pass.set_pipeline(self.pipeline);
        for (i, group) in (0u32..).zip(self.groups) {
            pass.set_bind_group(i, group, &[]);
        }
        pass.dispatch_workgroups(self.rows.div_ceil(WORKGROUP_ROWS).min(gpu.max_groups), 1, 1);
    }
}

/// Adds the device's 64-bit totals, which are differences in two's complement.
fn add_totals(sum: &mut CentroidSums, cells: TotalCells, totals: &[u64]) {
    let k = sum.k();
    let counts = &totals[TotalCells::COUNTS..][..k];
    let mass = if cells.mass == cells.sums { counts } else { &totals[cells.mass..][..k] };
    sum.counts.iter_mut().zip(counts).for_each(|(a, &b)| *a = a.wrapping_add(b));
    sum.mass.iter_mut().zip(mass).for_each(|(a, &b)| *a = a.wrapping_add(b as i64));
    sum.sums.iter_mut().zip(&totals[cells.sums..]).for_each(|(a, &b)| *a = a.wrapping_add(b as i64));
}

/// Submissions not yet waited for; their times set the pace.
struct Flight<'a> {
    device: &'a Device,
    pace: &'a Pace,
    watch: Watch<'a>,
    submitted: VecDeque<Submitted>,
    /// When the last of them finished, or the first began.
    last: Instant,
}

struct Submitted {
    index: wgpu::SubmissionIndex,
    rows: u64,
    cost: u64,
}

impl Flight<'_> {
    fn push(&mut self, index: wgpu::SubmissionIndex, rows: u64, cost: u64) -> Result<()> {
        self.submitted.push_back(Submitted { index, rows, cost });
        if self.submitted.len() < IN_FLIGHT { self.watch.check() } else { self.oldest() }
    }

    fn land(mut self) -> Result<()> {
        while !self.submitted.is_empty() {
            self.oldest()?;
        }
        Ok(())
    }

    fn oldest(&mut self) -> Result<()> {
        self.watch.check()?;
        let Some(Submitted { index, rows, cost }) = self.submitted.pop_front() else { return Ok(()) };
        self.device.wait(index)?;
        let now = Instant::now();
        self.pace.learn(rows * cost, now - self.last);
        self.last = now;
        self.watch.advance(Stage::Passes, rows);
        Ok(())
    }
}

/// Centroids, constants of the certificate and totals on the device, for one number of centroids.
struct DeviceModel {
    k: usize,
    spread_factor: f32,
    cells: TotalCells,
    params: wgpu::Buffer,
    blocks: wgpu::Buffer,
    slack: wgpu::Buffer,
    centroids: wgpu::Buffer,
    group: wgpu::BindGroup,
    totals: wgpu::Buffer,
    readback: Mappable,
}

impl DeviceModel {
    fn new(gpu: &Gpu, centroids: &Centroids, weighted: bool) -> Result<Self> {
        let device = &gpu.device;
        let (k, dim) = (centroids.k(), centroids.dim());
        let cells = TotalCells::new(dim, k, weighted);
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let params = device.buffer("params", size_of::<Params>() as u64, uniform)?;
        let usage = uniform | wgpu::BufferUsages::STORAGE;
        let blocks = device.buffer("blocks", 4 * block_floats(dim, k) as u64, usage)?;
        let slack = device.storage("slack", 4 * k as u64)?;
        let exact = device.storage("centroids", (4 * k * dim) as u64)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let totals = device.buffer("totals", 8 * cells.len as u64, usage)?;
        let resources = [&params, &blocks, &slack, &exact].map(|buffer| buffer.as_entire_binding());
        let group = device.bind("model", gpu.kernels.model(device, dim, k), &resources);
        let readback = Mappable::readback(device, 8 * cells.len as u64)?;
        Ok(DeviceModel {
            k,
            spread_factor: 0.0,
            cells,
            params,
            blocks,
            slack,
            centroids: exact,
            group,
            totals,
            readback,
        })
    }

    /// Uploads the centroids and their certificate.
    fn put(&mut self, device: &Device, centroids: &Centroids) {
        let certificate = Certificate::new(centroids);
        self.spread_factor = certificate.spread_factor;
        device.put(&self.blocks, bytemuck::cast_slice(&blocks(centroids, &certificate)));
        device.put(&self.slack, bytemuck::cast_slice(&certificate.slack));
        device.put(&self.centroids, bytemuck::cast_slice(centroids.values()));
    }

    /// Sets the rows of the next dispatch.
    fn aim(&self, device: &Device, first_row: u32, end_row: u32, fresh: bool) {
        let params = Params { first_row, end_row, fresh: fresh.into(), spread_factor: self.spread_factor };
        device.put(&self.params, bytemuck::bytes_of(&params));
    }

    fn clear(&self, device: &Device) {
        let mut encoder = device.encoder();
        encoder.clear_buffer(&self.totals, 0, None);
        device.submit(encoder);
    }

    fn read_totals(&mut self, device: &Device) -> Result<Vec<u64>> {
        let bytes = 8 * self.cells.len as u64;
        let mut encoder = device.encoder();
        encoder.copy_buffer_to_buffer(&self.totals, 0, &self.readback.buffer, 0, bytes);
        self.readback.map_after(device.submit(encoder));
        let totals = wide(&self.readback.view(device, 0, bytes)?);
        self.readback.unmap();
        Ok(totals)
    }
}

/// The centroids in the layout of score.wgsl: in blocks, the start values and then -2c feature by feature.
fn blocks(centroids: &Centroids, certificate: &Certificate) -> Vec<f32> {
    let (k, dim) = (centroids.k(), centroids.dim());
    let (size, mut blocks) = (Cut::of(dim).block(), Vec::with_capacity(block_floats(dim, k)));
    for first in (0..k).step_by(size) {
        let members = first..first + size;
        blocks.extend(members.clone().map(|j| certificate.start.get(j).copied().unwrap_or(FAR)));
        for f in 0..dim {
            // Exact: the magnitude is at most 2^24.
            blocks.extend(members.clone().map(|j| if j < k { -2.0 * centroids.row(j)[f] as f32 } else { 0.0 }));
        }
    }
    blocks
}
