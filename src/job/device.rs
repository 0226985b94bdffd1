//! Chooses the backend that a job runs on, and says why.

use super::request::{BackendKind, DeviceOptions};
use crate::backend::cpu::Cpu;
use crate::backend::reference::Reference;
use crate::backend::{Backend, DeviceCeilings};
use crate::cluster::Algorithm;
use crate::error::{Error, Result};

/// A backend, and why it was chosen.
pub(crate) struct Chosen {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) why: String,
    /// The most bytes of tiles that the device copies into host memory: above 0 for a software device only.
    pub(crate) host_copy: u64,
    /// Bytes of host memory that the device uses for itself.
    pub(crate) host_fixed: u64,
}

/// The size of a job, as needed to choose a backend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rows: u64,
    pub(crate) dim: usize,
    pub(crate) k: usize,
}

/// Multiply-adds of all passes together above which a GPU makes up for its startup and for copying the tiles: about two
/// seconds of work of one CPU core.
const GPU_PAYS: f64 = 1e11;

/// The expected number of passes of a fit.
pub(crate) const EXPECTED_PASSES: u64 = 10;

impl DeviceOptions {
    /// The CPU, for work that does not run on the backend, or no longer does.
    ///
    /// # Errors
    /// A SIMD level that this machine does not have.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        Ok(Cpu::new(self.simd)?.with_skipping(!self.no_skipping))
    }

    /// Opens the selected GPU, measures its ceilings, and closes it.
    ///
    /// # Errors
    /// A GPU that this machine does not have, or that is lost.
    pub(crate) fn device_ceilings(&self) -> Result<DeviceCeilings> {
        gpu::ceilings(self.device.as_deref())
    }

    /// Opens the backend for an algorithm.
    ///
    /// # Errors
    /// Those of [`choose`](Self::choose), and a backend that does not have the algorithm.
    pub(crate) fn choose_for(&self, algorithm: Algorithm, size: Size, budget: u64) -> Result<Chosen> {
        if algorithm != Algorithm::Gmm {
            return self.choose(size, budget);
        }
        let refused = |option: &'static str, why: &str| {
            let text = format!("{option}: a mixture runs on the CPU: {why}; leave {option} out");
            Err(Error::usage(text).of_option(option.split(' ').next().unwrap_or(option)))
        };
        let no_f64 = "its densities are f64, which GPU shaders (WGSL) lack, so a GPU could not give the same bytes";
        match self.backend.unwrap_or_default() {
            BackendKind::Gpu => refused("--backend gpu", no_f64),
            _ if self.device.is_some() => refused("--device", no_f64),
            BackendKind::Reference => refused("--backend reference", "the integer definition has no densities"),
            BackendKind::Auto | BackendKind::Cpu => {
                let why = "a mixture needs f64, which GPU shaders (WGSL) lack".into();
                Ok(Chosen { backend: Box::new(self.cpu()?), why, host_copy: 0, host_fixed: 0 })
            }
        }
    }

    /// Opens the backend.
    ///
    /// # Errors
    /// A SIMD level or a GPU that this machine does not have.
    pub(crate) fn choose(&self, size: Size, budget: u64) -> Result<Chosen> {
        let cpu = |why: String| -> Result<Chosen> {
            Ok(Chosen { backend: Box::new(self.cpu()?), why, host_copy: 0, host_fixed: 0 })
        };
        match self.backend.unwrap_or_default() {
            BackendKind::Reference => {
                Ok(Chosen { backend: Box::new(Reference), why: "requested".into(), host_copy: 0, host_fixed: 0 })
            }
            BackendKind::Cpu if self.device.is_some() => {
                Err(Error::usage("--device selects a GPU, but --backend cpu excludes it; leave one of them out".into())
                    .of_option("--device"))
            }
            BackendKind::Cpu => cpu("requested".into()),
            BackendKind::Gpu => gpu::open(self.device.as_deref(), "requested".into(), budget),
            BackendKind::Auto if self.device.is_some() => {
                gpu::open(self.device.as_deref(), "requested with --device".into(), budget)
            }
            BackendKind::Auto => {
                let work = size.rows as f64 * size.dim as f64 * size.k as f64 * EXPECTED_PASSES as f64;
                if work < GPU_PAYS {
                    return cpu("the job is too small for a GPU".into());
                }
                match gpu::real() {
                    Some(name) => {
                        gpu::open(None, format!("{name} is faster for a job of this size"), budget).or_else(|e| {
                            if self.strict_device { Err(e) } else { cpu(format!("{name} could not be opened: {e}")) }
                        })
                    }
                    None => cpu("no real GPU was found (see hyades doctor)".into()),
                }
            }
        }
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use std::collections::HashSet;

    use super::Chosen;

    use crate::backend::gpu::{AdapterKind, DeviceChoice, Gpu, GpuOptions, Gpus, adapters};
    use crate::backend::{Backend, DeviceCeilings};
    use crate::error::{Error, ErrorKind, Result};

    /// What Mesa's software driver uses for itself, with its compiler and staging buffers: 77 to 90 MiB were measured.
    const DRIVER_BYTES: u64 = 96 << 20;

    pub(super) fn open(device: Option<&str>, why: String, budget: u64) -> Result<Chosen> {
        let choices = choices(device)?;
        let share = budget / choices.len() as u64;
        let (mut all_copies, mut all_fixed) = (0u64, 0);
        let mut gpus = Vec::new();
        for choice in &choices {
            let gpu = Gpu::open(choice)?;
            let (gpu, host_copy, host_fixed) = match gpu.adapter().kind {
                // A software device uses the memory that the budget limits: a quarter of it holds resident slabs and
                // the two streamed ones.
                AdapterKind::Software => {
                    let copy = share / 4;
                    let options = GpuOptions { resident_bytes: Some(copy / 2), slab_bytes: Some(copy / 4) };
                    (gpu.with_options(options), copy, DRIVER_BYTES)
                }
                // It shares host memory and uses as much as it needs.
                AdapterKind::Integrated => (gpu, u64::MAX, DRIVER_BYTES),
                _ => (gpu, 0, 0),
            };
            all_copies = all_copies.saturating_add(host_copy);
            all_fixed += host_fixed;
            gpus.push(gpu);
        }
        let backend: Box<dyn Backend> = match gpus.pop() {
            Some(only) if gpus.is_empty() => Box::new(only),
            last => Box::new(Gpus::new(gpus.into_iter().chain(last).collect())),
        };
        Ok(Chosen { backend, why, host_copy: all_copies, host_fixed: all_fixed })
    }

    /// The ceilings of all devices together.
    pub(super) fn ceilings(device: Option<&str>) -> Result<DeviceCeilings> {
        let mut sum = DeviceCeilings { gflops: 0.0, copy_gbs: 0.0 };
        for choice in choices(device)? {
            let one = Gpu::open(&choice)?.ceilings()?;
            sum.gflops += one.gflops;
            sum.copy_gbs += one.copy_gbs;
        }
        Ok(sum)
    }

    /// The devices that `--device` selects: at least one.
    fn choices(device: Option<&str>) -> Result<Vec<DeviceChoice>> {
        let choice = |text: &str| match text.trim().parse() {
            Ok(index) => DeviceChoice::Index(index),
            Err(_) => DeviceChoice::Name(text.trim().to_owned()),
        };
        match device {
            None => Ok(vec![DeviceChoice::Any]),
            Some("all") => {
                let mut real: Vec<_> = adapters().into_iter().filter(|a| a.is_real()).collect();
                // A GPU that several drivers expose is used once.
                let mut seen = HashSet::new();
                real.retain(|a| a.pci.is_empty() || seen.insert(a.pci.clone()));
                if real.is_empty() {
                    return Err(Error::environment(
                        "--device all: no real GPU was found; `hyades doctor` says what is missing".into(),
                    )
                    .of_kind(ErrorKind::Device)
                    .of_option("--device"));
                }
                Ok(real.into_iter().map(|a| DeviceChoice::Index(a.index)).collect())
            }
            Some(list) => Ok(list.split(',').map(choice).collect()),
        }
    }

    pub(super) fn real() -> Option<String> {
        adapters().into_iter().filter(|a| a.is_real()).min_by_key(|a| a.kind).map(|a| a.name)
    }
}

#[cfg(not(feature = "gpu"))]
mod gpu {
    use super::Chosen;
    use crate::backend::DeviceCeilings;
    use crate::error::{Error, ErrorKind, Result};

    fn absent<T>() -> Result<T> {
        Err(Error::environment("this hyades was built without its GPU backend; build it with --features gpu".into())
            .of_kind(ErrorKind::Device))
    }

    pub(super) fn ceilings(_: Option<&str>) -> Result<DeviceCeilings> {
        absent()
    }

    pub(super) fn open(_: Option<&str>, _: String, _: u64) -> Result<Chosen> {
        absent()
    }

    pub(super) fn real() -> Option<String> {
        None
    }
}
