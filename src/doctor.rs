//! What this machine offers, and what is missing for more.

use serde::Serialize;

use crate::simd::SimdLevel;

/// The findings.
#[derive(Debug, Clone, Serialize)]
pub struct Findings {
    /// This program's version.
    pub version: &'static str,
    /// Operating system and architecture.
    pub platform: String,
    /// Logical processors that this process may use.
    pub processors: usize,
    /// The processor's name.
    pub processor: String,
    /// Bytes of memory.
    pub total_memory: u64,
    /// Bytes of memory that are free.
    pub free_memory: u64,
    /// The SIMD level that will be used.
    pub simd: &'static str,
    /// All levels that can be forced with `--simd`.
    pub simd_available: Vec<&'static str>,
    /// The GPUs, real and software.
    pub devices: Vec<Device>,
    /// What is missing, and how to get it.
    pub advice: Vec<String>,
}

/// A GPU.
#[derive(Debug, Clone, Serialize)]
pub struct Device {
    /// For `--device`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Whether it is hardware.
    pub real: bool,
    /// Driver, limits and features.
    pub details: String,
}

/// Looks at everything; changes nothing.
pub fn examine() -> Findings {
    let (mut total_memory, mut free_memory, mut processor) = (0, 0, String::from("unknown"));
    if let Ok(mut system) = sysinfo::System::new() {
        system.refresh_memory();
        (total_memory, free_memory) = (system.total_memory(), system.available_memory());
    }
    if let Some(name) = processor_name() {
        processor = name;
    }
    let devices = devices();
    Findings {
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        processor,
        total_memory,
        free_memory,
        simd: SimdLevel::auto().name(),
        simd_available: SimdLevel::available().map(SimdLevel::name).collect(),
        advice: advice(&devices),
        devices,
    }
}

/// As the kernel tells it, on Linux.
fn processor_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(feature = "gpu")]
fn devices() -> Vec<Device> {
    crate::backend::gpu::adapters()
        .into_iter()
        .map(|a| Device { index: a.index, real: a.is_real(), details: a.to_string(), name: a.name })
        .collect()
}

#[cfg(not(feature = "gpu"))]
fn devices() -> Vec<Device> {
    Vec::new()
}

fn advice(devices: &[Device]) -> Vec<String> {
    let mut advice = Vec::new();
    if cfg!(not(feature = "gpu")) {
        advice.push("this hyades was built without its GPU backend: build it with --features gpu".into());
        return advice;
    }
    if !cfg!(target_os = "linux") {
        if devices.is_empty() {
            advice.push("no GPU was found: install the vendor's driver".into());
        }
        return advice;
    }
    let nvidia = std::path::Path::new("/dev/nvidiactl").exists();
    let seen = devices.iter().any(|d| d.name.to_ascii_uppercase().contains("NVIDIA"));
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
    let icds = folders.iter().filter_map(|f| std::fs::read_dir(f).ok()).flatten().count();
    let loader = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib"].iter().any(|f| holds_loader(f.as_ref(), 1));
    if !loader {
        advice.push("the Vulkan loader libvulkan.so.1 was not found: install it (Debian: libvulkan1)".into());
    }
    if nvidia && !seen {
        advice.push(
            "an NVIDIA device node is there, but Vulkan does not show the GPU: in a container set \
             NVIDIA_DRIVER_CAPABILITIES=all and mount the driver's nvidia_icd.json, or name it in VK_DRIVER_FILES"
                .into(),
        );
        if std::fs::File::open("/dev/nvidiactl").is_err() {
            advice.push("/dev/nvidiactl may not be opened by this user: add the user to the group that owns it".into());
        }
    }
    if icds == 0 && std::env::var_os("VK_DRIVER_FILES").is_none() {
        advice.push("no Vulkan driver (ICD file) is installed: install the vendor's, or for a software device Debian's mesa-vulkan-drivers".into());
    }
    if !devices.is_empty() && !devices.iter().any(|d| d.real) {
        advice.push("only a software device was found: good for trying the GPU path, slower than the CPU backend; choose it with --device".into());
    }
    advice
}

fn holds_loader(folder: &std::path::Path, depth: usize) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|e| {
        let name = e.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libvulkan.so")
            || (depth > 0 && name.contains("-linux-gnu") && holds_loader(&e.path(), depth - 1))
    })
}
