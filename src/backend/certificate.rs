//! When the f32 winner is certainly the integer winner.
//!
//! For a row `x` and centroids `c_j`, all integers below 2^24 and so exact in f32, the order of the squared distances
//! is the order of the scores `s_j = |c_j|^2 - 2 x.c_j`. A fast path starts an f32 accumulator at the constant `h_j`
//! and adds the `D` products `-2 c_jf x_f` in any order, fused or not, giving `t_j`. The smallest one is certain when
//! its gap to the second smallest exceeds the possible rounding error:
//!
//! Let `u` be the unit roundoff and `g = n u / (1 - n u)` with `n = 2 D + 2`: every term passes through at most one
//! rounding as a product, one as the start value, and `D` as part of a sum, so `n` covers any order (Higham, *Accuracy
//! and Stability of Numerical Algorithms*, 2nd ed., section 3.1). `n` is twice what round-to-nearest needs, which
//! covers devices that truncate (their `u` is twice as large). Sums of integers never become subnormal. Then
//!
//! ```text
//! |t_j - (h_j - 2 x.c_j)| <= g (|h_j| + 2 sum_f |x_f c_jf|) <= g (|c_j|^2 + 2 |x||c_j|) <= g (2 |c_j|^2 + |x|^2)
//! ```
//!
//! With `h_j <= (1 - 2 g) |c_j|^2` the start value absorbs the first term: `s_j >= t_j - g |x|^2` for **every** `j`, so
//! a distant centroid with a large norm does not loosen the bound of the others. For the winner `w`,
//! `s_w <= t_w + g |x|^2 + 2 g |c_w|^2 + (|c_w|^2 - h_w)`. So the winner is certain if
//!
//! ```text
//! t_second - t_w > slack_w + spread,    slack_w = 2 g |c_w|^2 + (|c_w|^2 - h_w),    spread = 2 g |x|^2
//! ```
//!
//! where `|x|^2` may be an upper bound for a whole tile. Rounding both constants up by a relative 2^-20 covers the few
//! roundings of the comparison itself.
//!
//! # Distances
//!
//! The same bounds enclose distances. Let `q` be the squared norm of the row as a sum of squares in f32, in any order,
//! so that `(1 - g) |x|^2 <= q <= (1 + g) |x|^2`. Then, for the winner and for every other centroid,
//!
//! ```text
//! |x - c_w|^2 <= t_w + slack_w + (1 + g) |x|^2 <= t_w + slack_w + (1 + 4 g) q
//! |x - c_j|^2 >= t_second      + (1 - g) |x|^2 >= t_second      + (1 - 2 g) q
//! ```
//!
//! The largest slack may replace `slack_w`.
//!
//! [`norm_above`](Certificate::norm_above) and [`norm_below`](Certificate::norm_below) are the two factors, widened by
//! another `2 g` (at least eight units) for rounding `t_w + slack_w` and the product, each off by at most one unit of
//! `q` where the sum cancels. The rounding of the last addition and of later operations is relative to their result;
//! the caller must cover it.

use super::centroids::Centroids;

/// The constants of the comparison, for one set of centroids.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// Per centroid, the start value `h_j`.
    pub start: Vec<f32>,
    /// Per centroid, `slack_j`.
    pub slack: Vec<f32>,
    /// The largest slack.
    pub max_slack: f32,
    /// `spread = spread_factor * |x|^2`, to be computed in f32.
    pub spread_factor: f32,
    /// See [`distances`](self#distances).
    pub norm_above: f32,
    /// See [`distances`](self#distances).
    pub norm_below: f32,
}

/// Covers the roundings of the comparison `gap > slack + spread` itself: fewer than eight, each at most 2^-23.
const COMPARISON: f64 = 1.0 + 1.0 / (1 << 20) as f64;

impl Certificate {
    /// The constants for `centroids`.
    pub(crate) fn new(centroids: &Centroids) -> Self {
        let n = (2 * centroids.dim() + 2) as f64;
        let unit = f64::from(f32::EPSILON) / 2.0;
        let g = n * unit / (1.0 - n * unit);
        let (start, slack): (Vec<f32>, Vec<f32>) = (0..centroids.k())
            .map(|j| {
                let norm2 = centroids.norm2(j) as f64;
                let start = ((norm2 * (1.0 - 2.0 * g)) as f32).next_down().max(0.0);
                let slack = 2.0 * g * norm2 + (norm2 - f64::from(start));
                (start, ((slack * COMPARISON) as f32).next_up())
            })
            .unzip();
        let max_slack = slack.iter().copied().fold(0.0, f32::max);
        Certificate {
            start,
            slack,
            max_slack,
            spread_factor: ((2.0 * g * COMPARISON) as f32).next_up(),
            norm_above: ((1.0 + 6.0 * g) as f32).next_up(),
            norm_below: ((1.0 - 4.0 * g) as f32).next_down(),
        }
    }
}
