//! Which GPUs there are, and which one is used: from the user's choice to a wgpu adapter, or to an error with a remedy.
//!
//! A software adapter (a CPU emulating a GPU) is listed like the others, but used only when chosen by name or number.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// Which device to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first real GPU; discrete before integrated.
    #[default]
    Any,
    /// By its number in [`adapters`].
    Index(usize),
    /// By part of its name, ignoring case. Real GPUs come before software adapters.
    Name(String),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Any => write!(f, "a real GPU"),
            DeviceChoice::Index(i) => write!(f, "GPU number {i}"),
            DeviceChoice::Name(name) => write!(f, "a GPU named \"{name}\""),
        }
    }
}

/// The kind of an adapter, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A share of a GPU.
    Virtual,
    /// A GPU that shares the memory of the CPU.
    Integrated,
    /// A device that does not report its kind.
    Other,
    /// The CPU, through a software driver.
    Software,
}

/// An adapter, as `hyades doctor` shows it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AdapterInfo {
    /// Its index, for [`DeviceChoice::Index`].
    pub index: usize,
    /// The name reported by its driver.
    pub name: String,
    /// Real or software.
    pub kind: AdapterKind,
    /// Its address on the PCI bus, if known.
    pub pci: String,
    /// Name and version of the driver.
    pub driver: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// The largest part of a buffer that a kernel can bind, in bytes.
    pub max_binding_bytes: u64,
    /// Workgroup memory, in bytes.
    pub workgroup_bytes: u32,
    /// The smallest and the largest subgroup size, in lanes.
    pub subgroup_lanes: (u32, u32),
    /// Optional features of interest that it has; none is required.
    pub features: Vec<&'static str>,
}

impl AdapterInfo {
    /// Whether it is a real GPU.
    pub fn is_real(&self) -> bool {
        self.kind != AdapterKind::Software
    }

    fn new(index: usize, adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let of_interest = [
            ("int64", wgpu::Features::SHADER_INT64),
            ("int64 atomics", wgpu::Features::SHADER_INT64_ATOMIC_ALL_OPS),
            ("f16", wgpu::Features::SHADER_F16),
            ("subgroups", wgpu::Features::SUBGROUP),
            ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
        ];
        AdapterInfo {
            index,
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
                wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
                wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
                wgpu::DeviceType::Other => AdapterKind::Other,
                wgpu::DeviceType::Cpu => AdapterKind::Software,
            },
            pci: info.device_pci_bus_id,
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            backend: info.backend.to_str().to_string(),
            name: info.name,
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            subgroup_lanes: (info.subgroup_min_size, info.subgroup_max_size),
            features: of_interest.iter().filter(|(_, bit)| features.contains(*bit)).map(|(name, _)| *name).collect(),
        }
    }
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_real() { "" } else { ", software" };
        write!(f, "{}: {} ({}{kind})", self.index, self.name, self.backend)
    }
}

/// All adapters of this machine that Vulkan, Metal or DX12 report.
pub fn adapters() -> Vec<AdapterInfo> {
    found().into_iter().map(|(info, _)| info).collect()
}

/// The adapter that matches `choice`.
pub(super) fn select(choice: &DeviceChoice) -> Result<(AdapterInfo, wgpu::Adapter)> {
    let mut found = found();
    let infos: Vec<&AdapterInfo> = found.iter().map(|(info, _)| info).collect();
    match pick(&infos, choice) {
        Some(at) => Ok(found.swap_remove(at)),
        None => Err(not_found(&infos, choice)),
    }
}

const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN.union(wgpu::Backends::METAL).union(wgpu::Backends::DX12);

fn found() -> Vec<(AdapterInfo, wgpu::Adapter)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = BACKENDS;
    // WGPU_VALIDATION=1 enables the validation layer.
    descriptor.flags = descriptor.flags.with_env();
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(BACKENDS));
    adapters.into_iter().enumerate().map(|(i, adapter)| (AdapterInfo::new(i, &adapter), adapter)).collect()
}

/// The position of the best adapter that matches.
fn pick(infos: &[&AdapterInfo], choice: &DeviceChoice) -> Option<usize> {
    let best = |fits: &dyn Fn(&AdapterInfo) -> bool| {
        (0..infos.len()).filter(|&i| fits(infos[i])).min_by_key(|&i| (infos[i].kind, i))
    };
    match choice {
        DeviceChoice::Any => best(&AdapterInfo::is_real),
        DeviceChoice::Index(index) => best(&|info| info.index == *index),
        DeviceChoice::Name(name) => {
            let name = name.to_lowercase();
            best(&|info| !name.is_empty() && info.name.to_lowercase().contains(&name))
        }
    }
}

fn not_found(infos: &[&AdapterInfo], choice: &DeviceChoice) -> Error {
    let list = match infos {
        [] => "none".to_string(),
        _ => infos.iter().map(|info| info.to_string()).collect::<Vec<_>>().join("; "),
    };
    let remedy = if infos.iter().any(|info| info.is_real()) {
        "choose one of these by number or name"
    } else {
        "install the GPU's driver with its Vulkan ICD file (in /usr/share/vulkan/icd.d or /etc/vulkan/icd.d; in a \
         container with an NVIDIA GPU, set NVIDIA_DRIVER_CAPABILITIES=all), or run on the CPU"
    };
    Error::environment(format!(
        "looked for {choice}, but did not find it; found: {list}. Remedy: {remedy}. `hyades doctor` shows what is missing"
    ))
    .of_kind(ErrorKind::Device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(index: usize, name: &str, kind: AdapterKind) -> AdapterInfo {
        AdapterInfo {
            index,
            name: name.into(),
            kind,
            pci: String::new(),
            driver: String::new(),
            backend: "vulkan".into(),
            max_buffer_bytes: 0,
            max_binding_bytes: 0,
            workgroup_bytes: 0,
            subgroup_lanes: (0, 0),
            features: vec![],
        }
    }

    #[test]
    fn software_is_used_only_when_asked_for() {
        let all = [
            info(0, "llvmpipe (LLVM)", AdapterKind::Software),
            info(1, "Iris", AdapterKind::Integrated),
            info(2, "H100", AdapterKind::Discrete),
        ];
        let all: Vec<&AdapterInfo> = all.iter().collect();
        assert_eq!(pick(&all, &DeviceChoice::Any), Some(2));
        assert_eq!(pick(&all[..2], &DeviceChoice::Any), Some(1));
        assert_eq!(pick(&all[..1], &DeviceChoice::Any), None);
        assert_eq!(pick(&all, &DeviceChoice::Name("LLVMpipe".into())), Some(0));
        assert_eq!(pick(&all, &DeviceChoice::Name(String::new())), None);
        assert_eq!(pick(&all, &DeviceChoice::Index(0)), Some(0));
        assert_eq!(pick(&all, &DeviceChoice::Index(3)), None);
        let text = not_found(&all[..1], &DeviceChoice::Any).to_string();
        assert!(text.contains("llvmpipe") && text.contains("NVIDIA_DRIVER_CAPABILITIES=all"), "{text}");
    }
}
