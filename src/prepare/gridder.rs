//! Landed values to grid integers.

use fearless_simd::Simd;

use crate::simd::Work;

/// A column's constants, ready for use on landed values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gridder {
    pub(crate) shift: f64,
    pub(crate) factor: f64,
    pub(crate) limit: f64,
    pub(crate) fill: f32,
    /// Landed values beyond these are moved to them.
    pub(crate) winsor: Option<(f32, f32)>,
    /// Landed values beyond these were not seen in the fit; None: nobody asks.
    pub(crate) seen: Option<(f32, f32)>,
}

/// Adding and subtracting it rounds a smaller f64 to the nearest integer, half to even.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

impl Gridder {
    /// The grid integer of a landed value, as f32, and whether it was clipped.
    #[inline(always)]
    pub(crate) fn grid(&self, landed: f32) -> (f32, bool) {
        let exact = (f64::from(landed) + self.shift) * self.factor;
        let rounded = ((exact.clamp(-self.limit, self.limit) + ROUND) - ROUND) as f32;
        let missing = landed.is_nan();
        // What was beyond f32 has landed on its end.
        let beyond = (exact.abs() > self.limit) | (landed.abs() == f32::MAX);
        (if missing { self.fill } else { rounded }, !missing & beyond)
    }
}

/// What happened to some values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// Moved to the clip.
    pub(crate) clipped: u32,
    /// Moved to a quantile.
    pub(crate) winsorised: u32,
    /// Outside the range of the fit.
    pub(crate) outside: u32,
}

/// Grids some landed values into as many cells; says what was moved.
pub(crate) struct Grid<'a> {
    pub(crate) gridder: Gridder,
    pub(crate) landed: &'a [f32],
    pub(crate) cells: &'a mut [f32],
}

impl Work for Grid<'_> {
    type Output = Moved;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Moved {
        let mut moved = Moved::default();
        // Counts are at most a tile's 64: wrapping only lets the compiler use SIMD.
        if let Some((low, high)) = self.gridder.seen {
            for &v in self.landed {
                moved.outside = moved.outside.wrapping_add(u32::from((v < low) | (v > high)));
            }
        }
        // NaN is missing: it lies beyond nothing, and stays NaN.
        let (low, high) = self.gridder.winsor.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        if self.gridder.winsor.is_some() {
            for &v in self.landed {
                moved.winsorised = moved.winsorised.wrapping_add(u32::from((v < low) | (v > high)));
            }
        }
        for (cell, &landed) in self.cells.iter_mut().zip(self.landed) {
            let within = if landed < low {
                low
            } else if landed > high {
                high
            } else {
                landed
            };
            let (value, was_clipped) = self.gridder.grid(within);
            *cell = value;
            moved.clipped = moved.clipped.wrapping_add(u32::from(was_clipped));
        }
        moved
    }
}
