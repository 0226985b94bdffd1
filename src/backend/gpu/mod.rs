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
mod opened;
mod pace;
mod results;
mod session;
mod several;
mod slabs;
mod template;
#[cfg(test)]
mod tests;

pub use adapter::{AdapterInfo, AdapterKind, DeviceChoice, adapters};
pub use opened::{Gpu, GpuOptions};
pub(crate) use several::Gpus;

use super::{Backend, Session};
use crate::error::Result;
use crate::event::Watch;
use crate::tiles::{TILE_ROWS, Tiles};

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
