//! The kernels: their WGSL, their bindings, and a pipeline for every shape in use.
//!
//! The numbers of features and centroids are compile-time constants of a kernel, so its loops have fixed lengths.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};

use super::device::Device;
use super::template::expand;
use crate::error::Result;

/// Invocations of a workgroup, each of which handles four rows at a time. The same as WORKGROUP in rows.wgsl.
pub(super) const WORKGROUP: u32 = 256;
/// Rows that a workgroup handles at a time.
pub(super) const WORKGROUP_ROWS: u32 = 4 * WORKGROUP;
/// Workgroups of a dispatch; the kernel strides over more rows. An H100 runs about as many at once (132 x 8), and each
/// flushes its sums once.
pub(super) const MAX_GROUPS: u32 = 1024;
/// Rows that one workgroup may see in a dispatch, so that its sums fit 32 bits (see assign.wgsl).
pub(super) const MAX_GROUP_ROWS: u32 = 1 << 20;
/// Workgroup memory for sums, even if more is available: 64 segments of 32 features fit, and doubling it would halve
/// the rows in flight.
const LOCAL_BYTES: u64 = 24 << 10;
/// The most bytes of centroids in a uniform buffer: the size every GPU supports. On Mesa lavapipe a pass over 2^20 x 16
/// rows with 64 centroids takes 1.6 s this way and 2.4 s from a storage buffer, which larger models must use (two busy
/// cores, medians of alternating runs of `time_of_a_pass`).
const UNIFORM_BYTES: u64 = 64 << 10;
/// Features per step of the integer definition.
const UNROLL: usize = 16;
/// FAR in score.wgsl: the start value of the padding centroids in the last block.
pub(super) const FAR: f32 = 3.0e38;

/// The shape of score.wgsl for a number of features: the table of variants.
///
/// Four rows take 4 registers per feature, and the four scores of a centroid take 4. Up to 16 features stay in
/// registers for all centroids (64 registers, plus 32 for 8 centroids, which leaves room for two workgroups on a
/// multiprocessor with 65,536). With more features every value is read again from the caches for every block of
/// centroids, so blocks are twice as large: 64 multiply-adds per load of four values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Features in registers.
    held: usize,
    /// Features per step of the loop, which is unrolled.
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

    /// The most loop iterations that a kernel makes for one quad of rows: the filter, every row decided by integers,
    /// and every row moved. A loop of n iterations counts n + 1, for the final test.
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

/// A kernel and its compile-time constants.
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

    /// The minimum of bytes and operations per row.
    pub(super) fn work(self) -> (u64, u64) {
        let (dim, k) = self.shape();
        let written = match self {
            // The label of the previous pass.
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

/// The stride between the sums of segments in workgroup memory: odd, so that they begin in different banks.
fn pitch(dim: usize) -> usize {
    dim | 1
}

/// Whether two u32 per sum, one per count, and the two counters of assign.wgsl fit workgroup memory.
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

/// The layout of the totals of assign.wgsl, in cells of 64 bits.
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

/// The bind group layouts, and the pipelines compiled so far.
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

    /// The pipeline of a kernel, compiled on first use.
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
            // assign.wgsl clears its workgroup memory itself, in parallel.
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
