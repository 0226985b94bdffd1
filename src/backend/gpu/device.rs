//! The open device: buffers, waiting, and losing it.
//!
//! Faults on the device are recorded when they happen: [`Device::check`] turns the record into [`Error::DeviceLost`],
//! and is called wherever the host waits for the device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Every dispatch takes far less than a second, and only a few are in flight: a device that takes longer counts as
/// lost.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Optional features that are used where available; everything works without them.
const WELCOME: wgpu::Features = wgpu::Features::SHADER_INT64.union(wgpu::Features::TIMESTAMP_QUERY);

/// Storage buffers of assign.wgsl, the centroids included.
const STORAGE_BUFFERS: u32 = 8;

/// The first error.
type DeviceFault = Arc<Mutex<Option<String>>>;

/// A wgpu device and its only queue.
pub(super) struct Device {
    pub(super) raw: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: wgpu::Limits,
    /// The largest buffer that may be requested, in bytes.
    pub(super) largest: u64,
    /// The most iterations that all loops of an invocation may make together. Mesa's software driver silently ends them
    /// after 65,535 (LP_MAX_TGSI_LOOP_ITERATIONS in lp_bld_limits.h); a quarter is kept for what is not counted.
    pub(super) max_turns: u64,
    /// Whether shaders may use 64-bit integers.
    pub(super) int64: bool,
    /// Whether it can time its work.
    pub(super) timestamps: bool,
    /// Bytes sent to the device, and received from it.
    to_device: AtomicU64,
    from_device: AtomicU64,
    name: String,
    fault: DeviceFault,
}

impl Device {
    /// Opens the adapter with all its limits, and with the features in [`WELCOME`] that it supports.
    pub(super) fn open(adapter: &wgpu::Adapter, name: &str) -> Result<Self> {
        let limits = adapter.limits();
        let features = adapter.features() & WELCOME;
        let software = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        if limits.max_storage_buffers_per_shader_stage < STORAGE_BUFFERS {
            return Err(Error::environment(format!(
                "{name} allows {} storage buffers per kernel, but {STORAGE_BUFFERS} are needed; choose another device or run \
                 on the CPU",
                limits.max_storage_buffers_per_shader_stage
            ))
            .of_kind(ErrorKind::Device));
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("hyades"),
            required_limits: limits.clone(),
            required_features: features,
            ..wgpu::DeviceDescriptor::default()
        };
        let (raw, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| {
            Error::environment(format!("{name} was found but cannot be opened: {e}; update its driver"))
                .of_kind(ErrorKind::Device)
        })?;
        let fault = DeviceFault::default();
        let record = Arc::clone(&fault);
        raw.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(&record, e.to_string())));
        let record = Arc::clone(&fault);
        raw.set_device_lost_callback(move |reason, text| note(&record, format!("{reason:?}: {text}")));
        Ok(Device {
            raw,
            queue,
            largest: limits.max_buffer_size,
            max_turns: if software { 49_152 } else { u64::MAX },
            limits,
            int64: features.contains(wgpu::Features::SHADER_INT64),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            to_device: AtomicU64::new(0),
            from_device: AtomicU64::new(0),
            name: name.to_string(),
            fault,
        })
    }

    /// # Errors
    /// [`Error::DeviceLost`] with the first fault.
    pub(super) fn check(&self) -> Result<()> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(fault) => Err(Error::DeviceLost(format!("{} was lost while working: {fault}", self.name))),
            None => Ok(()),
        }
    }

    /// Records a fault and returns it.
    pub(super) fn lost(&self, text: impl Into<String>) -> Error {
        note(&self.fault, text.into());
        match self.check() {
            Err(e) => e,
            Ok(()) => Error::Internal("a recorded fault vanished".into()),
        }
    }

    /// Waits for a submission to finish.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        self.check()?;
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(TIMEOUT) };
        // wgpu 30 panics when a device is lost during a poll; every other call records the loss.
        match catch_unwind(AssertUnwindSafe(|| self.raw.poll(wait))) {
            Ok(Ok(_)) => self.check(),
            Ok(Err(e)) => Err(self.lost(e.to_string())),
            Err(_) => Err(self.lost("the driver reports a lost device")),
        }
    }

    /// The largest storage buffer that a kernel can bind as a whole.
    pub(super) fn max_binding(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
    }

    /// A buffer of at least 4 bytes, or None if the device has no memory for it.
    pub(super) fn try_buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<Option<wgpu::Buffer>> {
        let size = size.max(4).next_multiple_of(4);
        if size > self.largest {
            return Ok(None);
        }
        let scope = self.raw.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.raw.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        let full = pollster::block_on(scope.pop()).is_some();
        self.check()?;
        Ok((!full).then_some(buffer))
    }

    /// A buffer of at least 4 bytes.
    pub(super) fn buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        self.try_buffer(label, size, usage)?.ok_or_else(|| self.full(size, label))
    }

    /// The error for lack of `size` bytes of device memory.
    pub(super) fn full(&self, size: u64, label: &str) -> Error {
        Error::environment(format!(
            "{} has no memory for {size} bytes ({label}); free device memory, keep less on it, or run on the CPU",
            self.name
        ))
        .of_kind(ErrorKind::Memory)
    }

    /// A storage buffer that the host writes.
    pub(super) fn storage(&self, label: &str, size: u64) -> Result<wgpu::Buffer> {
        self.buffer(label, size, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)
    }

    /// Writes a small buffer before the next submission.
    pub(super) fn put(&self, buffer: &wgpu::Buffer, bytes: &[u8]) {
        self.sent(bytes.len() as u64);
        self.queue.write_buffer(buffer, 0, bytes);
    }

    /// Counts bytes sent to the device.
    pub(super) fn sent(&self, bytes: u64) {
        self.to_device.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes sent to the device and received from it since it was opened.
    pub(super) fn traffic(&self) -> (u64, u64) {
        (self.to_device.load(Ordering::Relaxed), self.from_device.load(Ordering::Relaxed))
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None })
    }

    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.queue.submit([encoder.finish()])
    }

    pub(super) fn bind(
        &self,
        label: &str,
        layout: &wgpu::BindGroupLayout,
        resources: &[wgpu::BindingResource<'_>],
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = (0u32..)
            .zip(resources)
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource: resource.clone() })
            .collect();
        self.raw.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(label), layout, entries: &entries })
    }
}

fn note(fault: &DeviceFault, text: String) {
    fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
}

/// A buffer that host and device use in turn: mapped again once a submission has finished with it.
pub(super) struct Mappable {
    pub(super) buffer: wgpu::Buffer,
    mode: wgpu::MapMode,
    state: Arc<AtomicU8>,
    busy: Option<wgpu::SubmissionIndex>,
}

const WAITING: u8 = 0;
const MAPPED: u8 = 1;

impl Mappable {
    /// A buffer that the host reads, not mapped yet.
    pub(super) fn readback(device: &Device, size: u64) -> Result<Self> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let buffer = device.buffer("readback", size, usage)?;
        Ok(Mappable { buffer, mode: wgpu::MapMode::Read, state: Arc::default(), busy: None })
    }

    /// A buffer that the host writes; its mapping has been requested.
    pub(super) fn staging(device: &Device, size: u64) -> Result<Self> {
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let buffer = device.buffer("staging", size, usage)?;
        let mut staging = Mappable { buffer, mode: wgpu::MapMode::Write, state: Arc::default(), busy: None };
        let nothing = device.submit(device.encoder());
        staging.map_after(nothing);
        Ok(staging)
    }

    /// Requests the mapping for when `submission`, which uses the buffer, has finished.
    pub(super) fn map_after(&mut self, submission: wgpu::SubmissionIndex) {
        self.busy = Some(submission);
        // Each mapping has its own state, so that a late answer cannot be mistaken for that of a newer mapping.
        self.state = Arc::default();
        let state = Arc::clone(&self.state);
        self.buffer.map_async(self.mode, .., move |result| {
            if result.is_ok() {
                state.store(MAPPED, Ordering::Release);
            }
        });
    }

    /// Waits for the mapping.
    pub(super) fn wait(&mut self, device: &Device) -> Result<()> {
        if self.state.load(Ordering::Acquire) == WAITING
            && let Some(submission) = self.busy.take()
        {
            device.wait(submission)?;
        }
        match self.state.load(Ordering::Acquire) {
            MAPPED => Ok(()),
            _ => Err(device.lost("a buffer could not be mapped")),
        }
    }

    /// Waits for the mapping and reads `bytes` bytes at `offset`.
    pub(super) fn view(&mut self, device: &Device, offset: u64, bytes: u64) -> Result<wgpu::BufferView> {
        self.wait(device)?;
        device.from_device.fetch_add(bytes, Ordering::Relaxed);
        self.buffer.get_mapped_range(offset..offset + bytes).map_err(|e| device.lost(e.to_string()))
    }

    /// Waits for the mapping and returns the whole buffer for writing.
    pub(super) fn view_mut(&mut self, device: &Device) -> Result<wgpu::BufferViewMut> {
        self.wait(device)?;
        self.buffer.get_mapped_range_mut(..).map_err(|e| device.lost(e.to_string()))
    }

    /// Returns the buffer to the device.
    pub(super) fn unmap(&mut self) {
        self.buffer.unmap();
    }
}
