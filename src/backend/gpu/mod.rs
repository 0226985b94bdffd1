//! GPU: tiles on a device, labelled by WGSL kernels through wgpu (Vulkan, Metal or DX12).
//!
//! Tiles enter once and stay if there is room ([`GpuOptions`]); centroids enter and 64-bit totals leave with every pass.
//! The kernels filter in f32 and decide what the filter cannot by the integer definition, on the device. No optional
//! feature is needed: 64-bit integers are pairs of u32 where there are none. Absent on purpose: anything that knows of an algorithm, and a
//! way on when the device is lost, which is the caller's ([`Error::DeviceLost`](crate::Error::DeviceLost)).

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
pub use several::Gpus;
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
    /// Without what makes passes exact.
    bare: bool,
}

impl Gpu {
    /// Opens the device that fits `choice`.
    ///
    /// # Errors
    /// [`Environment`](crate::Error::Environment) where none fits or the driver refuses.
    pub fn open(choice: &DeviceChoice) -> Result<Self> {
        let (info, adapter) = adapter::select(choice)?;
        let device = Device::open(&adapter, &info.name)?;
        let kernels = Kernels::new(&device.raw);
        device.check()?;
        let pace = Pace::of(info.kind);
        Ok(Gpu { info, device, kernels, options: GpuOptions::default(), pace, max_groups: MAX_GROUPS, bare: false })
    }

    /// The same device with other bounds on its memory, for sessions that are opened from now on.
    pub fn with_options(self, options: GpuOptions) -> Self {
        Gpu { options, ..self }
    }

    /// Passes without the near-tie certificate, the integers for near ties, and, where sums are made in workgroup memory,
    /// their high halves: labels and sums are **not** exact. For the benchmark `exactness` alone, which tells what exactness costs.
    #[cfg(feature = "bare")]
    pub fn bare(self) -> Self {
        Gpu { bare: true, ..self }
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterInfo {
        &self.info
    }

    /// Ends the device under the hands of its sessions, as if it had been lost: for tests of what happens then.
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
