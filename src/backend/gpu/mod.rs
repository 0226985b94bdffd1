//! GPU: tiles on a device, labelled by WGSL kernels through wgpu (Vulkan, Metal or DX12).
//!
//! Tiles enter once and stay if there is room ([`GpuOptions`]); centroids enter and 64-bit totals leave with every pass.
//! The kernels filter in f32 and decide what the filter cannot by the integer definition, on the device. No optional
//! feature is asked for: 64-bit integers are pairs of u32. Absent on purpose: anything that knows of an algorithm, and a
//! way on when the device is lost, which is the caller's ([`Error::DeviceLost`](crate::Error::DeviceLost)).

mod adapter;
mod ceilings;
mod device;
mod kernels;
mod session;
mod slabs;
#[cfg(test)]
mod tests;

pub use adapter::{AdapterInfo, AdapterKind, DeviceChoice, adapters};
pub use slabs::GpuOptions;

use super::{Backend, Session};
use crate::data::Tiles;
use crate::error::Result;
use crate::event::Watch;
use device::Device;
use kernels::Kernels;

/// The most multiply-adds of a dispatch: well under a second, also where every row has to be decided in integers, so
/// that a stop is heeded and no driver's watchdog bites.
#[derive(Debug, Clone, Copy)]
struct Work(u64);

impl Work {
    fn of(kind: AdapterKind) -> Self {
        match kind {
            // 10^13 a second and more: a dispatch lasts a few milliseconds, many times its submission.
            AdapterKind::Discrete | AdapterKind::Virtual => Work(1 << 35),
            // Some 10^11 a second.
            AdapterKind::Integrated | AdapterKind::Other => Work(1 << 32),
            // Mesa lavapipe does 10^9 to 10^10 a second on two cores.
            AdapterKind::Software => Work(1 << 30),
        }
    }
}

/// The backend on one GPU.
pub struct Gpu {
    info: AdapterInfo,
    device: Device,
    kernels: Kernels,
    options: GpuOptions,
    work: Work,
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
        let work = Work::of(info.kind);
        Ok(Gpu { info, device, kernels, options: GpuOptions::default(), work })
    }

    /// The same device with other bounds on its memory, for sessions that are opened from now on.
    pub fn with_options(self, options: GpuOptions) -> Self {
        Gpu { options, ..self }
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

    fn open<'a>(&'a self, tiles: &'a Tiles, k: usize, watch: Watch<'_>) -> Result<Box<dyn Session + 'a>> {
        Ok(Box::new(session::GpuSession::open(self, tiles, k, watch)?))
    }
}
