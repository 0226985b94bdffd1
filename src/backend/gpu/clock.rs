//! The work of each kernel, with times from the device's own clock if it has one.

use super::device::{Device, Mappable};
use crate::backend::KernelWork;
use crate::error::Result;

/// Dispatches timed before the times are fetched. Not a multiple of those in a submission, so that tests exercise
/// making room.
const SLOTS: u32 = 510;

/// Counts dispatches, and times them if the device can.
pub(super) struct Clock {
    work: Vec<KernelWork>,
    stopwatch: Option<Stopwatch>,
}

/// Timestamps at the start and end of every dispatch.
struct Stopwatch {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readback: Mappable,
    /// Seconds per tick.
    tick: f64,
    /// The kernel of each used slot, as an index of `work`.
    used: Vec<usize>,
}

impl Clock {
    pub(super) fn new(device: &Device) -> Result<Self> {
        Ok(Clock { work: Vec::new(), stopwatch: Stopwatch::new(device)? })
    }

    /// Makes room for timing `dispatches` dispatches; call it before any of them is encoded. Fetching waits for
    /// submitted dispatches, and would wait forever for those not yet submitted.
    pub(super) fn make_room(&mut self, device: &Device, dispatches: usize) -> Result<()> {
        if self.stopwatch.as_ref().is_some_and(|s| s.used.len() + dispatches > SLOTS as usize) {
            self.settle(device)?;
        }
        Ok(())
    }

    /// A timed compute pass for one dispatch; [`make_room`](Self::make_room) must have made room for it. `bytes` and
    /// `operations` are the minimum the kernel needs: values read and labels read and written once, and two operations
    /// per multiply-add of the distances.
    pub(super) fn compute_pass<'e>(
        &mut self,
        encoder: &'e mut wgpu::CommandEncoder,
        kernel: &'static str,
        bytes: u64,
        operations: u64,
    ) -> wgpu::ComputePass<'e> {
        let at = self.work.iter().position(|w| w.kernel == kernel).unwrap_or_else(|| {
            let seconds = self.stopwatch.as_ref().map(|_| 0.0);
            self.work.push(KernelWork { kernel, dispatches: 0, seconds, bytes: 0, operations: 0 });
            self.work.len() - 1
        });
        let work = &mut self.work[at];
        work.dispatches += 1;
        work.bytes += bytes;
        work.operations += operations;
        let timestamp_writes = self.stopwatch.as_mut().map(|stopwatch| {
            let first = 2 * stopwatch.used.len() as u32;
            stopwatch.used.push(at);
            wgpu::ComputePassTimestampWrites {
                query_set: &stopwatch.queries,
                beginning_of_pass_write_index: Some(first),
                end_of_pass_write_index: Some(first + 1),
            }
        });
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(kernel), timestamp_writes })
    }

    /// Waits for the times of all submitted dispatches.
    pub(super) fn settle(&mut self, device: &Device) -> Result<()> {
        let Some(stopwatch) = &mut self.stopwatch else { return Ok(()) };
        for (at, seconds) in stopwatch.read(device)? {
            *self.work[at].seconds.get_or_insert(0.0) += seconds;
        }
        Ok(())
    }

    pub(super) fn work(&self) -> &[KernelWork] {
        &self.work
    }
}

impl Stopwatch {
    /// None where the device has no clock.
    fn new(device: &Device) -> Result<Option<Self>> {
        if !device.timestamps {
            return Ok(None);
        }
        let queries = device.raw.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("times"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * SLOTS,
        });
        let bytes = u64::from(2 * SLOTS) * u64::from(wgpu::QUERY_SIZE);
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        Ok(Some(Stopwatch {
            queries,
            resolved: device.buffer("times", bytes, usage)?,
            readback: Mappable::readback(device, bytes)?,
            tick: f64::from(device.queue.get_timestamp_period()) * 1e-9,
            used: Vec::new(),
        }))
    }

    fn read(&mut self, device: &Device) -> Result<Vec<(usize, f64)>> {
        let used = std::mem::take(&mut self.used);
        if used.is_empty() {
            return Ok(Vec::new());
        }
        let queries = 2 * used.len() as u32;
        let bytes = u64::from(queries) * u64::from(wgpu::QUERY_SIZE);
        let mut encoder = device.encoder();
        encoder.resolve_query_set(&self.queries, 0..queries, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readback.buffer, 0, bytes);
        self.readback.map_after(device.submit(encoder));
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&self.readback.view(device, 0, bytes)?);
        self.readback.unmap();
        // A clock that was reset in between counts as no time.
        let seconds = ticks.chunks_exact(2).map(|t| t[1].saturating_sub(t[0]) as f64 * self.tick);
        Ok(used.into_iter().zip(seconds).collect())
    }
}
