//! Generated rows on which passes are timed, the same on every machine.

use hyades::backend::Centroids;
use hyades::tiles::{Layout, Tiles};

/// Standard deviation of a segment, in grid units.
const SIGMA: f64 = (1 << 17) as f64;

/// `n` rows about `k` centres that are spread as widely as the segments themselves, and centroids near those centres.
pub(crate) fn generated(n: usize, d: usize, k: usize) -> (Tiles, Centroids) {
    let mut random = Random(1);
    let centres: Vec<f64> = (0..k * d).map(|_| random.normal() * 1.5 * SIGMA).collect();
    let mut rows = Vec::with_capacity(n * d);
    for _ in 0..n {
        let j = random.next() as usize % k;
        rows.extend(centres[j * d..][..d].iter().map(|centre| (centre + random.normal() * SIGMA) as i32));
    }
    let centroids = centres.iter().map(|centre| (centre + random.normal() * 0.1 * SIGMA) as i32).collect();
    let tiles = Tiles::from_rows(d, &rows, None, Layout::default_chunk_rows(d)).expect("values lie on the grid");
    (tiles, Centroids::new(d, centroids).expect("values lie on the grid"))
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// Nearly normal: the sum of three uniform numbers of 16 bits, with mean 0 and variance 1.
    fn normal(&mut self) -> f64 {
        let bits = self.next();
        let sum: u64 = (0..3).map(|i| (bits >> (16 * i)) & 0xffff).sum();
        (sum as f64 / 65536.0 - 1.5) * 2.0
    }
}
