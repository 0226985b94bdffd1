//! Examines this machine: its capabilities, and what is missing for more. The output is [`Findings`].
//!
//! `machine.rs` gives access to the machine, `observed.rs` collects facts about GPUs on Linux, `advice.rs` derives
//! advice. Deliberately absent: changes to the machine, and tools of vendors, which may be missing themselves.

mod advice;
mod findings;
mod machine;
mod observed;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use crate::simd::SimdLevel;
pub use findings::{Findings, FoundDevice};
use machine::Machine;
use observed::Observed;

/// Examines everything; changes nothing.
///
/// Nothing is written, and nothing fails: what cannot be found out is left out, and the advice says what to do.
///
/// # Examples
/// ```
/// let found = hyades::doctor::examine();
/// assert!(found.processors > 0);
/// assert!(found.simd_available.contains(&found.simd));
/// ```
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

/// As reported by the kernel, on Linux.
fn processor_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(feature = "gpu")]
fn devices() -> Vec<FoundDevice> {
    let device = |a: crate::backend::gpu::AdapterInfo| {
        let kind = if a.is_real() { "" } else { ", software" };
        let mut details = format!("{}{kind}; {}", a.backend, a.driver);
        if !a.features.is_empty() {
            details += &format!("; {}", a.features.join(", "));
        }
        FoundDevice { index: a.index, real: a.is_real(), details, driver: a.driver, name: a.name }
    };
    crate::backend::gpu::adapters().into_iter().map(device).collect()
}

#[cfg(not(feature = "gpu"))]
fn devices() -> Vec<FoundDevice> {
    Vec::new()
}

fn advice(devices: &[FoundDevice]) -> Vec<String> {
    if cfg!(not(feature = "gpu")) {
        return vec!["this hyades was built without its GPU backend: build it with --features gpu".into()];
    }
    if cfg!(target_os = "linux") {
        return advice::advice(&Observed::of(&Machine::this()), devices);
    }
    if devices.is_empty() { vec!["no GPU was found: install the vendor's driver".into()] } else { Vec::new() }
}
