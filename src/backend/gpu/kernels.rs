//! The kernels: their WGSL, their bindings, and a pipeline for every shape in use.
//!
//! The numbers of features and centroids are constants of the compiled kernel, so that its loops have fixed lengths.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};

use super::device::Device;
use super::template::expand;
use crate::error::Result;

/// Invocations of a workgroup, each of which does four rows at a time. The same as WORKGROUP in rows.wgsl.
pub(super) const WORKGROUP: u32 = 256;
/// Rows that a workgroup does at a time.
pub(super) const WORKGROUP_ROWS: u32 = 4 * WORKGROUP;
/// Workgroups of a dispatch; more rows are strided over. An H100 holds about as many at a time (132 x 8), and every one
/// costs a flush of its sums.
pub(super) const MAX_GROUPS: u32 = 1024;
/// Rows that one workgroup may see in a dispatch, so that its sums fit 32 bits (see assign.wgsl).
pub(super) const MAX_GROUP_ROWS: u32 = 1 << 20;
/// Workgroup memory for sums, also where there is more: 64 segments of 32 features fit, and as much again would halve the
/// rows that are in flight.
const LOCAL_BYTES: u64 = 24 << 10;
/// The most bytes of centroids that a uniform buffer may hold: what every GPU has. On Mesa lavapipe a pass over
/// 2^20 x 16 rows with 64 centroids takes 1.6 s so and 2.4 s from a storage buffer, where larger models must go (two busy
/// cores, medians of alternating runs of `time_of_a_pass`).
const UNIFORM_BYTES: u64 = 64 << 10;
/// Features in a step of the integer definition.
const UNROLL: usize = 16;
/// FAR in score.wgsl: the start value of the centroids that fill up the last block.
pub(super) const FAR: f32 = 3.0e38;

/// How score.wgsl is cut for a number of features: the table of variants.
///
/// Four rows are 4 registers a feature, and a centroid's four scores are 4 registers. Up to 16 features stay in registers
/// for all centroids (64 registers, with 8 centroids' 32 leaving room for two workgroups on a multiprocessor with 65,536);
/// of more features every value is read anew for every block of centroids, from the caches, so that blocks are twice as
/// large: 64 multiply-adds a load of four values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Features in registers.
    held: usize,
    /// Features in a step of the loop, which is unrolled.
    step: usize,
    /// Quads of centroids in a block.
    quads: usize,
}

impl Cut {
    pub(super) fn of(dim: usize) -> Self {
        if dim <= 16 { Cut { held: dim, step: 1, quads: 2 } } else { Cut { held: 0, step: 8, quads: 4 } }
    }

    /// Centroids in a block.
    pub(super) fn block(self) -> usize {
        4 * self.quads
    }

    /// The constants of the templates: HELD, LOOPED, STEP, REST and QUADS of score.wgsl; WHOLE, UNROLL and TAIL of
    /// distance32.wgsl and distance64.wgsl.
    fn counts(self, dim: usize) -> [(&'static str, usize); 8] {
        let rest = (dim - self.held) % self.step;
        let looped = dim - self.held - rest;
        let tail = dim % UNROLL;
        [
            ("HELD", self.held),
            ("LOOPED", looped),
            ("STEP", self.step),
            ("REST", rest),
            ("QUADS", self.quads),
            ("WHOLE", dim - tail),
            ("UNROLL", UNROLL),
            ("TAIL", tail),
        ]
    }

    /// The most turns of loops that a kernel makes for one quad of rows: the filter, every row decided by integers, and
    /// every row moved. A loop of n turns counts n + 1: the one that only finds out that it is over counts too.
    pub(super) fn turns(self, dim: usize, k: usize) -> u64 {
        let looped = (dim - self.held) / self.step;
        let filter = k.div_ceil(self.block()) * (looped + 2) + 1;
        let integers = 4 * (k * (dim / UNROLL + 2) + 1) + 5;
        (filter + integers + 8 * (dim + 1) + 5 + 1) as u64
    }
}

/// `Params` in rows.wgsl.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Params {
    pub(super) first_row: u32,
    pub(super) end_row: u32,
    pub(super) fresh: u32,
    pub(super) spread_factor: f32,
}

/// A kernel and what is built into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    /// assign.wgsl
    Assign { dim: usize, k: usize, weighted: bool, bare: bool },
    /// label.wgsl
    Label { dim: usize, k: usize, margin: bool },
    /// farthest.wgsl
    Farthest { dim: usize, k: usize, round: u32 },
}

impl Kernel {
    /// Its entry point and file.
    pub(super) fn entry(self) -> &'static str {
        match self {
            Kernel::Assign { .. } => "assign",
            Kernel::Label { .. } => "label",
            Kernel::Farthest { .. } => "farthest",
        }
    }

    fn shape(self) -> (usize, usize) {
        let (Kernel::Assign { dim, k, .. } | Kernel::Label { dim, k, .. } | Kernel::Farthest { dim, k, .. }) = self;
        (dim, k)
    }

    /// Bytes and operations that it cannot do without, a row.
    pub(super) fn work(self) -> (u64, u64) {
        let (dim, k) = self.shape();
        let written = match self {
            // The label of the pass before.
            Kernel::Assign { .. } => 4,
            Kernel::Label { margin, .. } => 12 + if margin { 8 } else { 0 },
            Kernel::Farthest { .. } => return (12, 0),
        };
        ((4 * dim + written) as u64, (2 * dim * k) as u64)
    }

    /// The WGSL for a device with these limits, with or without 64-bit integers.
    pub(super) fn source(self, limits: &wgpu::Limits, int64: bool) -> String {
        let (dim, k) = self.shape();
        let counts = Cut::of(dim).counts(dim);
        let bare = matches!(self, Kernel::Assign { bare: true, .. });
        let mut constants = format!("const D: u32 = {dim}u;\nconst K: u32 = {k}u;\nconst BARE: bool = {bare};\n");
        for (name, count) in counts {
            constants += &format!("const {name}: u32 = {count}u;\n");
        }
        constants += &if fits_uniform(dim, k, limits) {
            format!("@group(1) @binding(1) var<uniform> blocks: array<vec4<f32>, {}>;\n", block_floats(dim, k) / 4)
        } else {
            "@group(1) @binding(1) var<storage, read> blocks: array<vec4<f32>>;\n".into()
        };
        let body = match self {
            Kernel::Assign { weighted, .. } => {
                let local = !weighted && fits_workgroup(dim, k, limits);
                let (cells, segments) = if local { (k * pitch(dim), k) } else { (1, 1) };
                constants += &format!(
                    "const WEIGHTED: bool = {weighted};\nconst LOCAL: bool = {local};\nconst PITCH: u32 = {}u;\n\
                     const CELLS: u32 = {cells}u;\nconst SEGMENTS: u32 = {segments}u;\n",
                    pitch(dim)
                );
                include_str!("../../../shaders/assign.wgsl")
            }
            Kernel::Label { margin, .. } => {
                constants += &format!("const MARGIN: bool = {margin};\n");
                include_str!("../../../shaders/label.wgsl")
            }
            Kernel::Farthest { round, .. } => {
                constants += &format!("const ROUND: u32 = {round}u;\n");
                include_str!("../../../shaders/farthest.wgsl")
            }
        };
        let exact = if int64 {
            include_str!("../../../shaders/distance64.wgsl")
        } else {
            include_str!("../../../shaders/distance32.wgsl")
        };
        [
            &constants,
            include_str!("../../../shaders/wide.wgsl"),
            include_str!("../../../shaders/rows.wgsl"),
            &expand(include_str!("../../../shaders/score.wgsl"), &counts),
            &expand(exact, &counts),
            include_str!("../../../shaders/exact.wgsl"),
            body,
        ]
        .concat()
    }
}

/// Cells from one segment's sums to the next in workgroup memory: odd, so that they begin in different banks.
fn pitch(dim: usize) -> usize {
    dim | 1
}

/// Whether two u32 a sum, one a count, and the two counters of assign.wgsl fit workgroup memory.
fn fits_workgroup(dim: usize, k: usize, limits: &wgpu::Limits) -> bool {
    (8 * k * pitch(dim) + 4 * k + 8) as u64 <= LOCAL_BYTES.min(u64::from(limits.max_compute_workgroup_storage_size))
}

/// Whether `blocks` is a uniform buffer.
fn fits_uniform(dim: usize, k: usize, limits: &wgpu::Limits) -> bool {
    4 * block_floats(dim, k) as u64 <= UNIFORM_BYTES.min(limits.max_uniform_buffer_binding_size)
}

/// The size of `blocks` in rows.wgsl: a start value and the features of every centroid, whole blocks.
pub(super) fn block_floats(dim: usize, k: usize) -> usize {
    k.next_multiple_of(Cut::of(dim).block()) * (dim + 1)
}

/// The cells of the totals, 64 bits each: where assign.wgsl puts what.
#[derive(Debug, Clone, Copy)]
pub(super) struct TotalCells {
    pub(super) mass: usize,
    pub(super) sums: usize,
    pub(super) len: usize,
}

impl TotalCells {
    pub(super) const CHANGED: usize = 0;
    pub(super) const RECHECKED: usize = 1;
    pub(super) const COUNTS: usize = 2;

    pub(super) fn new(dim: usize, k: usize, weighted: bool) -> Self {
        let mass = Self::COUNTS + k;
        let sums = mass + if weighted { k } else { 0 };
        TotalCells { mass, sums, len: sums + k * dim }
    }
}

/// The bind group layouts, and the pipelines that were made so far.
pub(super) struct Kernels {
    pub(super) rows: wgpu::BindGroupLayout,
    small_model: wgpu::BindGroupLayout,
    large_model: wgpu::BindGroupLayout,
    pub(super) assign: wgpu::BindGroupLayout,
    pub(super) label: wgpu::BindGroupLayout,
    pipelines: Mutex<HashMap<Kernel, wgpu::ComputePipeline>>,
}

impl Kernels {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        use wgpu::BufferBindingType::{Storage, Uniform};
        let (read, write) = (Storage { read_only: true }, Storage { read_only: false });
        let layout = |label, types: &[wgpu::BufferBindingType]| {
            let entries: Vec<_> = (0u32..)
                .zip(types)
                .map(|(binding, &ty)| wgpu::BindGroupLayoutEntry {
                    binding,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                    count: None,
                })
                .collect();
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
        };
        Kernels {
            rows: layout("rows", &[read, read]),
            small_model: layout("small model", &[Uniform, Uniform, read, read]),
            large_model: layout("large model", &[Uniform, read, read, read]),
            assign: layout("assign", &[write, read, write]),
            label: layout("label", &[write, write, write]),
            pipelines: Mutex::default(),
        }
    }

    /// The layout of group 1.
    pub(super) fn model(&self, device: &Device, dim: usize, k: usize) -> &wgpu::BindGroupLayout {
        if fits_uniform(dim, k, &device.limits) { &self.small_model } else { &self.large_model }
    }

    /// The pipeline of a kernel, compiled when it is first asked for.
    pub(super) fn pipeline(&self, device: &Device, kernel: Kernel) -> Result<wgpu::ComputePipeline> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&kernel) {
            return Ok(pipeline.clone());
        }
        let last = match kernel {
            Kernel::Assign { .. } => &self.assign,
            Kernel::Label { .. } | Kernel::Farthest { .. } => &self.label,
        };
        let source = kernel.source(&device.limits, device.int64);
        let (dim, k) = kernel.shape();
        let raw = &device.raw;
        let layout = raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.entry()),
            bind_group_layouts: &[Some(&self.rows), Some(self.model(device, dim, k)), Some(last)],
            immediate_size: 0,
        });
        let module = raw.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.entry()),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.entry()),
            layout: Some(&layout),
            module: &module,
            entry_point: Some(kernel.entry()),
            // assign.wgsl clears its workgroup memory itself, with all invocations.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: None,
        });
        device.check()?;
        pipelines.insert(kernel, pipeline.clone());
        Ok(pipeline)
    }
}
