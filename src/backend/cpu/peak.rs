//! The processor's peak rate: independent fused multiply-adds.

use std::hint::black_box;

use fearless_simd::{Simd, SimdBase, SimdFloat};

use crate::simd::{SimdLevel, Work};

/// Accumulators: enough to hide the latency of an FMA at two per cycle, few enough for sixteen registers.
const CHAINS: usize = 12;

struct PeakSpin {
    steps: usize,
}

impl Work for PeakSpin {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) -> f64 {
        let (a, b) = (S::f32s::splat(simd, black_box(0.999)), S::f32s::splat(simd, black_box(1e-3)));
        let mut chains = [S::f32s::splat(simd, 1.0); CHAINS];
        for _ in 0..self.steps {
            for chain in &mut chains {
                *chain = chain.mul_add(a, b);
            }
        }
        let sum = chains.into_iter().fold(S::f32s::splat(simd, 0.0), |x, y| x + y);
        black_box(sum.as_slice()[0]);
        (2 * self.steps * CHAINS * sum.as_slice().len()) as f64
    }
}

/// Runs `steps` rounds of f32 multiply-adds at the fastest level on this thread; returns the floating-point operations.
pub(crate) fn spin(steps: usize) -> f64 {
    // The fastest level of this machine is always available.
    SimdLevel::auto().dispatch().map_or(0.0, |d| d.run(PeakSpin { steps }))
}
