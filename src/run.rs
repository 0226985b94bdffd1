//! What inner work is handed down with: who watches it, and the SIMD level that it uses.
//!
//! Only work that needs both takes a [`Run`]; most needs a [`Watch`] alone, and says so. The number of threads is that
//! of the rayon pool that the work runs on.

use crate::event::Watch;
use crate::simd::Dispatch;

/// A watch and a SIMD level.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) watch: Watch<'a>,
    pub(crate) simd: Dispatch,
}
