//! The SIMD levels, and the one place where work is dispatched to a level's instructions.
//!
//! The level never changes a result: integers and lane-wise IEEE operations are the same everywhere, and nothing is
//! fused unless written so.

use std::fmt;
use std::str::FromStr;

use fearless_simd::{Level, Simd};

use crate::error::{Error, ErrorKind, Result};

/// A set of SIMD instructions. It affects the running time, never the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SimdLevel {
    /// AVX-512 as in Ice Lake and Zen 4: registers of 16 values.
    Avx512,
    /// AVX2 with FMA, x86-64-v3: registers of 8 values.
    Avx2,
    /// NEON, on every 64-bit ARM: registers of 4 values.
    Neon,
    /// Portable Rust for any processor.
    Portable,
}

impl SimdLevel {
    /// All levels, the fastest first.
    pub const ALL: [SimdLevel; 4] = [SimdLevel::Avx512, SimdLevel::Avx2, SimdLevel::Neon, SimdLevel::Portable];

    /// The fastest level of this machine.
    pub fn auto() -> Self {
        // `Portable` is always available.
        Self::available().next().unwrap_or(SimdLevel::Portable)
    }

    /// The levels that this machine supports, the fastest first.
    pub fn available() -> impl Iterator<Item = SimdLevel> {
        Self::ALL.into_iter().filter(|level| level.instructions().is_some())
    }

    /// The name that selects the level: `avx512`, `avx2`, `neon` or `portable`.
    pub fn name(self) -> &'static str {
        match self {
            SimdLevel::Avx512 => "avx512",
            SimdLevel::Avx2 => "avx2",
            SimdLevel::Neon => "neon",
            SimdLevel::Portable => "portable",
        }
    }

    /// The name as processor vendors write it.
    pub fn title(self) -> &'static str {
        match self {
            SimdLevel::Avx512 => "AVX-512",
            SimdLevel::Avx2 => "AVX2",
            SimdLevel::Neon => "NEON",
            SimdLevel::Portable => "plain Rust",
        }
    }

    /// Proof that this machine supports the level.
    fn instructions(self) -> Option<Level> {
        match self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            SimdLevel::Avx512 => Level::new().as_avx512().map(Level::Avx512),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            SimdLevel::Avx2 => Level::new().as_avx2().map(Level::Avx2),
            #[cfg(target_arch = "aarch64")]
            SimdLevel::Neon => Level::new().as_neon().map(Level::Neon),
            SimdLevel::Portable => Some(Level::fallback()),
            #[allow(unreachable_patterns)]
            _ => None,
        }
    }

    /// # Errors
    /// [`Error::Environment`] if this machine does not support the level.
    pub(crate) fn dispatch(self) -> Result<Dispatch> {
        let instructions = self.instructions().ok_or_else(|| {
            let there: Vec<_> = Self::available().map(Self::name).collect();
            Error::environment(format!("this machine has no {}; choose one of {}", self.title(), there.join(", ")))
                .of_kind(ErrorKind::Device)
                .of_option("--simd")
        })?;
        Ok(Dispatch { level: self, instructions })
    }
}

impl fmt::Display for SimdLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SimdLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::usage(format!("{text:?} is not a SIMD level; choose one of {names}")).of_option("--simd")
        })
    }
}

/// Work that is compiled once for each level. `R` registers of rows times four centroids are the accumulators that fit
/// the level's registers.
pub(crate) trait Work {
    type Output;

    /// Mark it and everything it calls `#[inline(always)]`; otherwise it is not compiled for the level.
    fn run<S: Simd, const R: usize>(self, simd: S) -> Self::Output;
}

/// A level that this machine supports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dispatch {
    level: SimdLevel,
    instructions: Level,
}

impl Default for Dispatch {
    /// The fastest level of this machine.
    fn default() -> Self {
        let level = SimdLevel::auto();
        Dispatch { level, instructions: level.instructions().unwrap_or_else(Level::fallback) }
    }
}

impl Dispatch {
    pub(crate) fn level(self) -> SimdLevel {
        self.level
    }

    /// Runs `work` with the instructions of the level.
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self.instructions {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx512(simd) => simd.vectorize(
                #[inline(always)]
                || work.run::<_, 4>(simd),
            ),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx2(simd) => simd.vectorize(
                #[inline(always)]
                || work.run::<_, 2>(simd),
            ),
            #[cfg(target_arch = "aarch64")]
            Level::Neon(simd) => simd.vectorize(
                #[inline(always)]
                || work.run::<_, 4>(simd),
            ),
            Level::Fallback(simd) => work.run::<_, 2>(simd),
            _ => unreachable!("a level comes from `SimdLevel::instructions`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for level in SimdLevel::ALL {
            assert_eq!(level.to_string().parse::<SimdLevel>().unwrap(), level);
        }
        assert_eq!("sse9".parse::<SimdLevel>().unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_missing_level_is_refused_with_what_there_is() {
        let available: Vec<_> = SimdLevel::available().collect();
        assert_eq!(available.last(), Some(&SimdLevel::Portable));
        assert_eq!(SimdLevel::auto(), available[0]);
        let missing = SimdLevel::ALL.into_iter().find(|level| !available.contains(level)).unwrap();
        let error = missing.dispatch().unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains("portable"), "{error}");
    }
}
