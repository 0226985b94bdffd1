//! Tiles on the device: which part is where, and how values get there from the host.
//!
//! A **slab** is a run of tiles that one dispatch can bind. Its labels, norms and weights always stay on the device;
//! its values do if they fit, and are copied once per pass otherwise.

use std::ops::Range;

use rayon::prelude::*;

use super::device::{Device, Mappable};
use super::opened::{Gpu, GpuOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::tiles::{Buffer, TILE_ROWS, Tiles};

/// The most bytes of values in a slab, even if a binding may be larger. One GiB takes a large GPU a third of a
/// millisecond, which hides a submission; a slab is also the unit that is streamed when memory is short.
const SLAB_BYTES: u64 = 1 << 30;
/// If memory is short, slabs shrink down to this.
const SMALLEST_SLAB_BYTES: u64 = 1 << 20;
/// Device memory reserved for centroids, totals, results and the driver.
const HEADROOM_BYTES: u64 = 64 << 20;
/// Bytes of a staging buffer: enough for a chunk of the default size.
const STAGING_BYTES: u64 = 2 << 20;
/// Staging buffers: two per thread, one to fill while the other is being copied; the least and the most.
const STAGING_BUFFERS: (usize, usize) = (4, 32);
const VALUES: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_DST);
/// Device buffers shared by streamed slabs in turn.
const STREAM_BUFFERS: usize = 2;

/// A run of tiles.
pub(super) struct Slab {
    /// Numbers of its tiles.
    pub(super) tiles: Range<u64>,
    /// Rows, padding not counted.
    pub(super) rows: u32,
    /// None: streamed.
    pub(super) values: Option<wgpu::Buffer>,
    pub(super) norms: wgpu::Buffer,
    pub(super) labels: wgpu::Buffer,
    /// A single unread value if rows have no weights.
    pub(super) weights: wgpu::Buffer,
}

impl Slab {
    /// Row number of its first row.
    pub(super) fn first_row(&self) -> u64 {
        self.tiles.start * TILE_ROWS as u64
    }

    fn tile_count(&self) -> u64 {
        self.tiles.end - self.tiles.start
    }
}

/// All slabs of some tiles.
pub(super) struct Slabs {
    pub(super) slabs: Vec<Slab>,
    stream: Vec<wgpu::Buffer>,
    feeder: Feeder,
    /// Bytes of values in every slab but the last.
    slab_bytes: u64,
    /// Whether slabs are smaller than wanted, for lack of device memory.
    shrunk: bool,
}

impl Slabs {
    /// Allocates everything for passes over the tiles in `range` with up to `k` centroids, and uploads what stays.
    pub(super) fn open(
        device: &Device,
        tiles: &Tiles,
        range: Range<u64>,
        k: usize,
        options: GpuOptions,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let tile_bytes = tile_bytes(tiles);
        let most = device.max_binding().min(SLAB_BYTES);
        if most < tile_bytes {
            return Err(Error::environment(format!(
                "the GPU can bind {most} bytes at a time, but one tile needs {tile_bytes}; run on the CPU"
            ))
            .of_kind(ErrorKind::Device));
        }
        let bytes = (range.end - range.start) * tile_bytes;
        let wanted = options.slab_bytes.unwrap_or(most).clamp(tile_bytes, most);
        let mut most = wanted;
        let mut slabs = loop {
            let slab_tiles = slab_tiles(tiles, &range, most / tile_bytes);
            let ranges =
                range.clone().step_by(slab_tiles as usize).map(|first| first..range.end.min(first + slab_tiles));
            let mut slabs = Slabs {
                slabs: ranges.map(|range| slab(device, tiles, range)).collect::<Result<_>>()?,
                stream: Vec::new(),
                feeder: Feeder::new(device, bytes)?,
                slab_bytes: slab_tiles * tile_bytes,
                shrunk: most < wanted,
            };
            let resident = match options.resident_bytes {
                Some(resident) if resident < bytes => resident / slabs.slab_bytes,
                _ => u64::MAX,
            };
            if slabs.place(device, resident as usize, k as u64 * tile_bytes)? {
                break slabs;
            }
            if most < 2 * SMALLEST_SLAB_BYTES.max(tile_bytes) {
                return Err(device.full(slabs.slab_bytes, "values"));
            }
            most /= 2;
        };
        let resident = slabs.slabs.iter().filter(|slab| slab.values.is_some());
        let bytes = resident.map(|slab| slab.tile_count() * tile_bytes).sum();
        watch.stage(Stage::Upload, bytes, "bytes", || slabs.upload(device, tiles, watch))?;
        Ok(slabs)
    }

    /// Allocates memory for the values of the first slabs: at most `resident` of them, or as many as fit. The others
    /// share two more buffers, or one. `model_bytes` is the memory that the centroids and their totals may take. False
    /// if not even one slab fits.
    fn place(&mut self, device: &Device, resident: usize, model_bytes: u64) -> Result<bool> {
        let (count, slab_bytes) = (self.slabs.len(), self.slab_bytes);
        let resident = resident.min(count);
        let headroom = HEADROOM_BYTES.min(4 * slab_bytes) + model_bytes;
        let headroom = device.try_buffer("headroom", headroom.min(device.limits.max_buffer_size), VALUES)?;
        let mut buffers = Vec::new();
        while buffers.len() < count.min(resident + STREAM_BUFFERS)
            && let Some(buffer) = device.try_buffer("values", slab_bytes, VALUES)?
        {
            buffers.push(buffer);
        }
        drop(headroom);
        if buffers.is_empty() && count > 0 {
            return Ok(false);
        }
        let room = if buffers.len() == count { count } else { buffers.len().saturating_sub(STREAM_BUFFERS) };
        self.stream = buffers.split_off(resident.min(room));
        self.slabs.iter_mut().zip(buffers).for_each(|(slab, buffer)| slab.values = Some(buffer));
        Ok(true)
    }

    fn upload(&mut self, device: &Device, tiles: &Tiles, watch: Watch<'_>) -> Result<()> {
        let norms = tiles.norms();
        for slab in &self.slabs {
            let at = slab.tiles.start as usize..slab.tiles.end as usize;
            self.feeder.write(device, &slab.norms, 0, bytemuck::cast_slice(&norms[at]))?;
            if let Some(weights) = tiles.weights() {
                let at = slab.first_row() as usize;
                let weights = &weights[at..at + slab.rows as usize];
                self.feeder.write(device, &slab.weights, 0, bytemuck::cast_slice(weights))?;
            }
            if let Some(values) = &slab.values {
                self.feeder.feed(device, tiles, &slab.tiles, values, watch, Some(Stage::Upload))?;
            }
        }
        self.feeder.finish(device)
    }

    /// Group 0 of the kernels for a slab.
    pub(super) fn rows(&mut self, gpu: &Gpu, tiles: &Tiles, slab: usize, watch: Watch<'_>) -> Result<wgpu::BindGroup> {
        let values = self.values(&gpu.device, tiles, slab, watch)?;
        let parts = [values.as_entire_binding(), self.slabs[slab].norms.as_entire_binding()];
        Ok(gpu.device.bind("rows", &gpu.kernels.rows, &parts))
    }

    /// The values of a slab on the device; those of a streamed slab are uploaded now. The queue preserves the order, so
    /// a buffer is overwritten only after previously submitted work has finished with it.
    fn values(&mut self, device: &Device, tiles: &Tiles, slab: usize, watch: Watch<'_>) -> Result<wgpu::Buffer> {
        if let Some(values) = &self.slabs[slab].values {
            return Ok(values.clone());
        }
        let target = &self.stream[slab % self.stream.len()];
        self.feeder.feed(device, tiles, &self.slabs[slab].tiles, target, watch, None)?;
        self.feeder.flush(device)?;
        Ok(target.clone())
    }

    /// How the slabs fall short of holding everything in large slabs, if they do.
    pub(super) fn remark(&self, name: &str) -> Option<String> {
        let streamed = self.slabs.iter().filter(|slab| slab.values.is_none()).count();
        let mut remarks = Vec::new();
        if self.shrunk {
            remarks.push(format!("slabs of {} MiB, since {name} has no memory for larger ones", self.slab_bytes >> 20));
        }
        if streamed > 0 {
            let all = self.slabs.len();
            remarks.push(format!(
                "{streamed} of {all} slabs do not fit into {name}'s memory and are copied to it in every pass"
            ));
        }
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }
}

fn tile_bytes(tiles: &Tiles) -> u64 {
    (tiles.dim() * TILE_ROWS * 4) as u64
}

/// Tiles of every slab but the last, of those in `range`, at most `most`. Slabs are about equal, since each gets the
/// same memory; they hold whole chunks if those are small enough, so that a chunk in a scratch file is read once.
fn slab_tiles(tiles: &Tiles, range: &Range<u64>, most: u64) -> u64 {
    let total = (range.end - range.start).max(1);
    let chunk = (tiles.layout().chunk_rows() / TILE_ROWS) as u64;
    let unit = if chunk <= most { chunk } else { 1 };
    let most = most - most % unit;
    total.div_ceil(total.div_ceil(most)).next_multiple_of(unit)
}

fn slab(device: &Device, tiles: &Tiles, range: Range<u64>) -> Result<Slab> {
    let count = range.end - range.start;
    let rows = (tiles.rows() - range.start * TILE_ROWS as u64).min(count * TILE_ROWS as u64);
    let weights = if tiles.weights().is_some() { 4 * rows } else { 4 };
    Ok(Slab {
        tiles: range,
        // A slab has less than 2^31 bytes.
        rows: rows as u32,
        values: None,
        norms: device.storage("norms", 4 * count)?,
        // Whole quads.
        labels: device.storage("labels", 4 * count * TILE_ROWS as u64)?,
        weights: device.storage("weights", weights)?,
    })
}

/// Divides `range` into pieces of at most `most` tiles, each within one chunk.
fn pieces(tiles: &Tiles, range: &Range<u64>, most: u64) -> impl Iterator<Item = Range<u64>> + use<> {
    let per_chunk = (tiles.layout().chunk_rows() / TILE_ROWS) as u64;
    let Range { mut start, end } = range.clone();
    std::iter::from_fn(move || {
        let piece = start..end.min(start + most).min((start / per_chunk + 1) * per_chunk);
        start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Copies the values of some tiles of one chunk.
fn copy_tiles(tiles: &Tiles, piece: &Range<u64>, mut to: wgpu::WriteOnly<'_, [u8]>, buffer: &mut Buffer) -> Result<()> {
    let per_chunk = (tiles.layout().chunk_rows() / TILE_ROWS) as u64;
    let index = piece.start / per_chunk;
    let chunk = tiles.read(index as usize, buffer)?;
    let stride = tiles.dim() * TILE_ROWS;
    let at = |tile: u64| (tile - index * per_chunk) as usize * stride;
    to.copy_from_slice(bytemuck::cast_slice(&chunk.values[at(piece.start)..at(piece.end)]));
    Ok(())
}

/// Copies host memory to the device through a ring of mapped staging buffers.
struct Feeder {
    ring: Vec<Mappable>,
    size: u64,
    next: usize,
    filling: Option<Filling>,
}

/// The staging buffer being filled, and the targets of its parts.
struct Filling {
    view: wgpu::BufferViewMut,
    used: u64,
    copies: Vec<(wgpu::Buffer, u64, Range<u64>)>,
}

impl Feeder {
    /// A feeder for about `bytes` bytes in total.
    fn new(device: &Device, bytes: u64) -> Result<Self> {
        let size = STAGING_BYTES.min(device.largest).min(bytes.max(4).next_multiple_of(4));
        let count = (2 * rayon::current_num_threads()).clamp(STAGING_BUFFERS.0, STAGING_BUFFERS.1);
        let ring = (0..count).map(|_| Mappable::staging(device, size)).collect::<Result<_>>()?;
        Ok(Feeder { ring, size, next: 0, filling: None })
    }

    /// Copies the values of some tiles to the start of `target`, on all threads: a single thread is slower than the
    /// bus.
    fn feed(
        &mut self,
        device: &Device,
        tiles: &Tiles,
        range: &Range<u64>,
        target: &wgpu::Buffer,
        watch: Watch<'_>,
        progress: Option<Stage>,
    ) -> Result<()> {
        self.flush(device)?;
        let tile_bytes = tile_bytes(tiles);
        let at = |tile: u64| (tile - range.start) * tile_bytes;
        let mut pieces = pieces(tiles, range, self.size / tile_bytes);
        loop {
            watch.check()?;
            let wave: Vec<Range<u64>> = pieces.by_ref().take(self.ring.len() / 2).collect();
            let Some((first, last)) = wave.first().zip(wave.last()) else { return Ok(()) };
            let slots: Vec<usize> = (0..wave.len()).map(|i| (self.next + i) % self.ring.len()).collect();
            let mut views = slots.iter().map(|&slot| self.ring[slot].view_mut(device)).collect::<Result<Vec<_>>>()?;
            wave.par_iter().zip(&mut views).with_max_len(1).try_for_each_init(
                Buffer::default,
                |buffer, (piece, view)| {
                    let bytes = at(piece.end) - at(piece.start);
                    copy_tiles(tiles, piece, view.slice(..bytes as usize), buffer)
                },
            )?;
            drop(views);
            let mut encoder = device.encoder();
            for (piece, &slot) in wave.iter().zip(&slots) {
                self.ring[slot].unmap();
                let bytes = at(piece.end) - at(piece.start);
                encoder.copy_buffer_to_buffer(&self.ring[slot].buffer, 0, target, at(piece.start), bytes);
            }
            let submission = device.submit(encoder);
            slots.iter().for_each(|&slot| self.ring[slot].map_after(submission.clone()));
            self.next = (self.next + wave.len()) % self.ring.len();
            let bytes = at(last.end) - at(first.start);
            device.sent(bytes);
            device.check()?;
            if let Some(stage) = progress {
                watch.advance(stage, bytes);
            }
        }
    }

    /// Copies bytes to `target` at `offset`, both multiples of 4. They arrive after [`flush`](Self::flush).
    fn write(&mut self, device: &Device, target: &wgpu::Buffer, mut offset: u64, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let filling = match &mut self.filling {
                Some(filling) => filling,
                none => {
                    none.insert(Filling { view: self.ring[self.next].view_mut(device)?, used: 0, copies: Vec::new() })
                }
            };
            let count = (bytes.len() as u64).min(self.size - filling.used);
            let (now, later) = bytes.split_at(count as usize);
            let place = filling.used..filling.used + count;
            filling.view.slice(place.start as usize..place.end as usize).copy_from_slice(now);
            filling.used = place.end;
            filling.copies.push((target.clone(), offset, place));
            (offset, bytes) = (offset + count, later);
            if filling.used == self.size {
                self.flush(device)?;
            }
        }
        Ok(())
    }

    /// Submits pending writes.
    fn flush(&mut self, device: &Device) -> Result<()> {
        let Some(Filling { view, copies, .. }) = self.filling.take() else { return Ok(()) };
        drop(view);
        let slot = &mut self.ring[self.next];
        slot.unmap();
        let mut encoder = device.encoder();
        for (target, offset, place) in copies {
            device.sent(place.end - place.start);
            encoder.copy_buffer_to_buffer(&slot.buffer, place.start, &target, offset, place.end - place.start);
        }
        slot.map_after(device.submit(encoder));
        self.next = (self.next + 1) % self.ring.len();
        device.check()
    }

    /// Submits pending writes and waits until all have arrived.
    fn finish(&mut self, device: &Device) -> Result<()> {
        self.flush(device)?;
        self.ring.iter_mut().try_for_each(|slot| slot.wait(device))
    }
}
