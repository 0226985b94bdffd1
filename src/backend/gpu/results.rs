//! Results per row or per segment: labels with distances, and farthest rows. Dispatches fill the buffers, the host
//! fetches them.

use super::device::{Device, Mappable};
use super::opened::Gpu;
use crate::backend::{Farthest, Labels};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::tiles::TILE_ROWS;

/// Pairs of u32, low half first, as 64-bit integers.
pub(super) fn wide(bytes: &[u8]) -> Vec<u64> {
    bytemuck::pod_collect_to_vec::<u8, u32>(bytes)
        .chunks_exact(2)
        .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
        .collect()
}

/// Labels and distances of one dispatch, in transfer to the host: labels, then nearest, then second-nearest.
pub(super) struct Results {
    capacity: u64,
    buffer: wgpu::Buffer,
    pub(super) group: wgpu::BindGroup,
    readback: Mappable,
    /// First row and number of rows in transfer.
    under_way: Option<(u64, u32)>,
}

fn part(buffer: &wgpu::Buffer, offset: u64, size: u64) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(size) })
}

impl Results {
    pub(super) fn new(gpu: &Gpu, rows: u32) -> Result<Self> {
        // Whole tiles: 64 labels are 256 bytes, the largest alignment that a binding may require.
        let capacity = u64::from(rows).next_multiple_of(TILE_ROWS as u64);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffer = gpu.device.buffer("results", 20 * capacity, usage)?;
        let parts = [(0, 4), (4, 8), (12, 8)].map(|(offset, size)| part(&buffer, offset * capacity, size * capacity));
        let group = gpu.device.bind("results", &gpu.kernels.label, &parts);
        let readback = Mappable::readback(&gpu.device, 20 * capacity)?;
        Ok(Results { capacity, buffer, group, readback, under_way: None })
    }

    /// Offset and bytes of the three parts.
    fn parts(&self, rows: u32, margin: bool) -> [(u64, u64); 3] {
        let rows = u64::from(rows);
        [(0, 4 * rows), (4 * self.capacity, 8 * rows), (12 * self.capacity, if margin { 8 * rows } else { 0 })]
    }

    /// Submits the dispatch and the copies of its results.
    pub(super) fn fetch(
        &mut self,
        device: &Device,
        mut encoder: wgpu::CommandEncoder,
        first_row: u64,
        rows: u32,
        margin: bool,
    ) {
        for (offset, bytes) in self.parts(rows, margin) {
            encoder.copy_buffer_to_buffer(&self.buffer, offset, &self.readback.buffer, offset, bytes);
        }
        self.readback.map_after(device.submit(encoder));
        self.under_way = Some((first_row, rows));
    }

    /// Delivers the results in transfer, if any.
    pub(super) fn deliver(
        &mut self,
        device: &Device,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        let Some((first_row, rows)) = self.under_way.take() else { return Ok(()) };
        let [labels, best, second] = self.parts(rows, margin);
        let labels = bytemuck::pod_collect_to_vec(&self.readback.view(device, labels.0, labels.1)?);
        let distance2 = wide(&self.readback.view(device, best.0, best.1)?);
        let second2 = if margin { Some(wide(&self.readback.view(device, second.0, second.1)?)) } else { None };
        self.readback.unmap();
        watch.advance(Stage::Labels, u64::from(rows));
        sink(Labels { first_row, labels, distance2, second2 })
    }
}

/// The farthest row of every segment among those of one dispatch, for farthest.wgsl.
pub(super) struct Champions {
    /// Labels and distances, by label.wgsl.
    pub(super) labels: Results,
    pub(super) group: wgpu::BindGroup,
    buffer: wgpu::Buffer,
    readback: Mappable,
    k: usize,
}

impl Champions {
    pub(super) fn new(gpu: &Gpu, rows: u32, k: usize) -> Result<Self> {
        let labels = Results::new(gpu, rows)?;
        let bytes = 12 * k as u64;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = gpu.device.buffer("champions", bytes, usage)?;
        let parts = [
            part(&labels.buffer, 0, 4 * labels.capacity),
            part(&labels.buffer, 4 * labels.capacity, 8 * labels.capacity),
            buffer.as_entire_binding(),
        ];
        let group = gpu.device.bind("champions", &gpu.kernels.label, &parts);
        let readback = Mappable::readback(&gpu.device, bytes)?;
        Ok(Champions { labels, group, buffer, readback, k })
    }

    /// Clears the champions before the next submission.
    pub(super) fn clear(&self, device: &Device) {
        let mut start = vec![0u32; 3 * self.k];
        start[2 * self.k..].fill(u32::MAX);
        device.put(&self.buffer, bytemuck::cast_slice(&start));
    }

    /// Submits the dispatches, waits for them, and offers the champion of each segment.
    pub(super) fn fetch(
        &mut self,
        device: &Device,
        mut encoder: wgpu::CommandEncoder,
        first_row: u64,
        farthest: &mut [Option<Farthest>],
    ) -> Result<()> {
        let bytes = 12 * self.k as u64;
        encoder.copy_buffer_to_buffer(&self.buffer, 0, &self.readback.buffer, 0, bytes);
        self.readback.map_after(device.submit(encoder));
        let found: Vec<u32> = bytemuck::pod_collect_to_vec(&self.readback.view(device, 0, bytes)?);
        self.readback.unmap();
        let (high, rest) = found.split_at(self.k);
        let (low, rows) = rest.split_at(self.k);
        for (j, best) in farthest.iter_mut().enumerate() {
            let distance2 = u64::from(high[j]) << 32 | u64::from(low[j]);
            Farthest { distance2, row: first_row + u64::from(rows[j]) }.offer_to(best);
        }
        Ok(())
    }
}
