//! The kernels: their WGSL, their bindings, and a pipeline for every shape in use.
//!
//! The numbers of features and centroids are constants of the compiled kernel, so that its loops have fixed lengths.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};

use super::device::Device;
use crate::error::Result;

/// Invocations of a workgroup, each of which does one row at a time. The same as WORKGROUP in nearest.wgsl.
pub(super) const WORKGROUP: u32 = 256;
/// Workgroups of a dispatch; more rows are strided over. Enough to fill a large GPU eight times (132 x 8 = 1056).
pub(super) const MAX_GROUPS: u32 = 1024;
/// Rows that one workgroup may see in a dispatch, so that its sums fit 32 bits (see assign.wgsl).
pub(super) const MAX_GROUP_ROWS: u32 = 1 << 20;
/// Workgroup memory for sums, also where there is more: as much again would halve the rows that are in flight.
const LOCAL_BYTES: u64 = 16 << 10;
/// A block of centroids whose scores are computed together. The same as in nearest.wgsl.
pub(super) const BLOCK: usize = 8;
/// FAR in nearest.wgsl: the start value of the centroids that fill up the last block.
pub(super) const FAR: f32 = 3.0e38;

/// `Params` in nearest.wgsl.
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
    Assign { dim: usize, k: usize, weighted: bool },
    /// label.wgsl
    Label { dim: usize, k: usize, margin: bool },
}

impl Kernel {
    fn entry(self) -> &'static str {
        match self {
            Kernel::Assign { .. } => "assign",
            Kernel::Label { .. } => "label",
        }
    }

    /// The WGSL, with `workgroup_bytes` of workgroup memory to be had.
    pub(super) fn source(self, workgroup_bytes: u32) -> String {
        let (Kernel::Assign { dim, k, .. } | Kernel::Label { dim, k, .. }) = self;
        let (constants, body) = match self {
            Kernel::Assign { weighted, .. } => {
                let local = !weighted && fits_workgroup(dim, k, workgroup_bytes);
                let (cells, segments) = if local { (k * dim, k) } else { (1, 1) };
                let constants = format!(
                    "const WEIGHTED: bool = {weighted};\nconst LOCAL: bool = {local};\n\
                     const CELLS: u32 = {cells}u;\nconst SEGMENTS: u32 = {segments}u;\n"
                );
                (constants, include_str!("../../../shaders/assign.wgsl"))
            }
            Kernel::Label { margin, .. } => {
                (format!("const MARGIN: bool = {margin};\n"), include_str!("../../../shaders/label.wgsl"))
            }
        };
        [
            &format!("const D: u32 = {dim}u;\nconst K: u32 = {k}u;\n{constants}"),
            include_str!("../../../shaders/wide.wgsl"),
            include_str!("../../../shaders/nearest.wgsl"),
            body,
        ]
        .concat()
    }
}

/// Whether two u32 a sum, one a count, and the two counters of assign.wgsl fit workgroup memory.
fn fits_workgroup(dim: usize, k: usize, workgroup_bytes: u32) -> bool {
    (8 * k * dim + 4 * k + 8) as u64 <= LOCAL_BYTES.min(u64::from(workgroup_bytes))
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
    pub(super) model: wgpu::BindGroupLayout,
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
            model: layout("model", &[Uniform, read, read, read]),
            assign: layout("assign", &[write, read, write]),
            label: layout("label", &[write, write, write]),
            pipelines: Mutex::default(),
        }
    }

    /// The pipeline of a kernel, compiled when it is first asked for.
    pub(super) fn pipeline(&self, device: &Device, kernel: Kernel) -> Result<wgpu::ComputePipeline> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&kernel) {
            return Ok(pipeline.clone());
        }
        let last = match kernel {
            Kernel::Assign { .. } => &self.assign,
            Kernel::Label { .. } => &self.label,
        };
        let source = kernel.source(device.limits.max_compute_workgroup_storage_size);
        let raw = &device.raw;
        let layout = raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.entry()),
            bind_group_layouts: &[Some(&self.rows), Some(&self.model), Some(last)],
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
