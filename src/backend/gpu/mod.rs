//! The GPU backend: tiles on a device, labelled by WGSL kernels through wgpu (Vulkan, Metal or DX12).
//!
//! Tiles are uploaded once and stay if there is room ([`GpuOptions`]); every pass uploads centroids and downloads
//! 64-bit totals. The kernels filter in f32 and decide the remaining rows by the integer definition, on the device. No
//! optional feature is needed: without 64-bit integers they use pairs of u32. Deliberately absent: any knowledge of an
//! algorithm, and recovery from device loss, which is the caller's task
//! ([`Error::DeviceLost`](crate::Error::DeviceLost)).

mod adapter;
mod ceilings;
mod clock;
mod device;
mod kernels;
mod pace;
mod results;
mod session;
mod several;
mod slabs;
mod template;
#[cfg(test)]
mod tests;

pub use adapter::{AdapterInfo, AdapterKind, DeviceChoice, adapters};
pub(crate) use several::Gpus;
pub use slabs::GpuOptions;

use super::{Backend, Session};
use crate::error::Result;
use crate::event::Watch;
use crate::tiles::{TILE_ROWS, Tiles};
use device::Device;
use kernels::{Kernels, MAX_GROUPS};
use pace::Pace;

/// The backend on one GPU.
pub struct Gpu {
    info: AdapterInfo,
    device: Device,
    kernels: Kernels,
    options: GpuOptions,
    pace: Pace,
    /// Workgroups of a dispatch.
    max_groups: u32,
    /// Whether passes omit the work that makes them exact.
    bare: bool,
}

impl Gpu {
    /// Opens the device that matches `choice`.
    ///
    /// # Errors
    /// [`Environment`](crate::Error::Environment) if none matches or the driver fails.
    pub fn open(choice: &DeviceChoice) -> Result<Self> {
        let (info, adapter) = adapter::select(choice)?;
        let device = Device::open(&adapter, &info.name)?;
        let kernels = Kernels::new(&device.raw);
        device.check()?;
        let pace = Pace::of(info.kind);
        Ok(Gpu { info, device, kernels, options: GpuOptions::default(), pace, max_groups: MAX_GROUPS, bare: false })
    }

    /// The same device with other memory limits, for sessions opened from now on.
    pub fn with_options(self, options: GpuOptions) -> Self {
        Gpu { options, ..self }
    }

    /// Omits the near-tie certificate, the integers for near ties, and, where sums are made in workgroup memory, their
    /// high halves: labels and sums are **not** exact. For the benchmark `exactness`, which measures the cost of
    /// exactness.
    #[cfg(feature = "bare")]
    pub fn bare(self) -> Self {
        Gpu { bare: true, ..self }
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterInfo {
        &self.info
    }

    /// Destroys the device during its sessions, as if it had been lost: for tests of recovery.
    pub fn destroy(&self) {
        self.device.raw.destroy();
    }
}

impl Backend for Gpu {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn device(&self) -> String {
        let AdapterInfo { name, backend, driver, .. } = &self.info;
        format!("{name} ({backend}, {driver})")
    }

    fn abandon(&self) {
        self.device.raw.destroy();
    }

    fn open<'a>(&'a self, tiles: &'a Tiles, k: usize, watch: Watch<'_>) -> Result<Box<dyn Session + 'a>> {
        Ok(Box::new(session::GpuSession::open(self, tiles, 0..tiles.rows().div_ceil(TILE_ROWS as u64), k, watch)?))
    }
}
