//! An opened GPU: its device, kernels and limits.

use super::adapter::{self, AdapterInfo, DeviceChoice};
use super::device::Device;
use super::kernels::{Kernels, MAX_GROUPS};
use super::pace::Pace;
use crate::error::Result;

/// Limits on the use of device memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GpuOptions {
    /// The most bytes of values in one slab; default and upper bound: 1 GiB, or what the adapter can bind.
    pub slab_bytes: Option<u64>,
    /// The most bytes of values that stay on the device; default: as many as fit. The rest is streamed.
    pub resident_bytes: Option<u64>,
}

/// The backend on one GPU.
pub struct Gpu {
    pub(super) info: AdapterInfo,
    pub(super) device: Device,
    pub(super) kernels: Kernels,
    pub(super) options: GpuOptions,
    pub(super) pace: Pace,
    /// Workgroups of a dispatch.
    pub(super) max_groups: u32,
    /// Whether passes omit the work that makes them exact.
    pub(super) bare: bool,
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
