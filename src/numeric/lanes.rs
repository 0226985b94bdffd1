//! Sums in eight fixed lanes: the order of additions does not depend on the compiler, the machine or its registers.

/// Partial sums of a fixed-lane sum.
pub(crate) const LANES: usize = 8;

/// Sums `term` of every value: value `i` is added to lane `i % LANES`.
#[inline(always)]
pub(crate) fn lane_sum<V: Copy + Into<f64>>(values: &[V], term: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (rows, rest) = values.as_chunks::<LANES>();
    for row in rows {
        for (sum, &v) in lanes.iter_mut().zip(row) {
            *sum += term(v.into());
        }
    }
    for (sum, &v) in lanes.iter_mut().zip(rest) {
        *sum += term(v.into());
    }
    lane_total(lanes)
}

/// The total of all lanes, as a balanced tree.
#[inline(always)]
pub(crate) fn lane_total(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}
