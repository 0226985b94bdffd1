//! Where a job runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::simd::SimdLevel;
use crate::text::as_text;

/// The kinds of backend that a user can request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum BackendKind {
    /// A real GPU if it is faster, otherwise the CPU
    #[default]
    Auto,
    /// SIMD on all threads
    Cpu,
    /// A GPU
    Gpu,
    /// The reference implementation, one row at a time: slow
    Reference,
}

impl BackendKind {
    /// The name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            BackendKind::Auto => "auto",
            BackendKind::Cpu => "cpu",
            BackendKind::Gpu => "gpu",
            BackendKind::Reference => "reference",
        }
    }
}

/// The device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Device"))]
pub struct DeviceOptions {
    /// Where to compute [default: auto, a real GPU if it is faster, otherwise the CPU]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "BACKEND"))]
    pub backend: Option<BackendKind>,
    /// A GPU by name (or part of it) or index, several separated by commas, or all
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME|INDEX"))]
    pub device: Option<String>,
    /// Fail if the GPU fails or lacks memory, instead of continuing on the CPU
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub strict_device: bool,
    /// SIMD level: avx512, avx2, neon or portable [default: the best available]
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LEVEL"))]
    pub simd: Option<SimdLevel>,
    /// Compute every distance in every pass, for comparison; results are the same
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub no_skipping: bool,
}
