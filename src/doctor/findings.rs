//! The findings about this machine: plain data, the same in JSON and in the terminal.

use serde::Serialize;

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
    pub devices: Vec<FoundDevice>,
    /// Problems and their remedies, causes before their consequences.
    pub advice: Vec<String>,
}

/// A GPU.
#[derive(Debug, Clone, Serialize)]
pub struct FoundDevice {
    /// For `--device`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Whether it is hardware.
    pub real: bool,
    /// Name and version of its driver.
    pub driver: String,
    /// Interface, driver and optional features.
    pub details: String,
}
