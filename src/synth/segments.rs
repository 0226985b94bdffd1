//! The planted segments: their sizes and their means.
//!
//! A customer is described by six latent factors, in units of about one doubling of an amount. The mean of each factor
//! depends on the segment; around it customers spread by [`WITHIN`].

use super::random::{Stream, exp2};

/// The latent factors: wealth, activity, need of credit, use of digital channels, stage of life, home ownership.
pub(super) const FACTORS: usize = 6;

/// Standard deviation of a factor among the customers of one segment. The means lie some 2 to 6 apart.
pub(super) const WITHIN: f64 = 0.5;

/// Share of the customers in segment 0, the dormant one, if there are others.
const DORMANT_SHARE: f64 = 0.5;

/// Doublings from the smallest to the largest of the other segments, approximately: 16 times the customers with many
/// segments, about 11 times with 8, 4 times with 3.
const DECAY_DOUBLINGS: f64 = 4.0;

/// Descriptions of the first segments, by index. Later ones have no name: their means are random.
pub(super) const SEGMENT_NAMES: [&str; 8] = [
    "dormant",
    "everyday banking",
    "young and digital",
    "families with a mortgage",
    "credit revolvers",
    "savers in retirement",
    "small business owners",
    "private wealth",
];

#[rustfmt::skip]
const NAMED_MEANS: [[f64; FACTORS]; SEGMENT_NAMES.len()] = [
    // wealth, activity, credit, digital, life, home
    [-1.0, -4.5, -2.0, -3.0,  0.3, -2.0],
    [ 0.0,  0.0,  0.0,  0.0,  0.0, -2.0],
    [-1.2,  1.2,  0.2,  2.2, -2.2, -3.0],
    [ 0.7,  0.8,  0.5,  0.5,  0.0,  3.5],
    [-0.9,  0.5,  3.2,  0.0, -0.3, -2.0],
    [ 2.2, -0.8, -2.2, -2.0,  2.4, -2.0],
    [ 1.0,  3.2,  1.8,  1.0,  0.3, -1.0],
    [ 4.8,  0.8, -0.8,  0.8,  1.2,  1.5],
];

/// The segments of one bank.
#[derive(Debug)]
pub(super) struct Segments {
    means: Vec<[f64; FACTORS]>,
    /// Segment by the top 16 bits of a random number: shares are multiples of 2^-16, and a draw is one load.
    by_bits: Vec<u16>,
    draw: Stream,
}

impl Segments {
    /// `count` segments, 1 to 4096.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let means = (0..count).map(|segment| means_of(segment, seed)).collect();
        Segments { means, by_bits: lookup(count), draw: Stream::new(seed, b"segm", 0) }
    }

    /// The mean of each factor, by segment.
    pub(super) fn means(&self) -> &[[f64; FACTORS]] {
        &self.means
    }

    /// The segment of a customer.
    pub(super) fn of(&self, row: u64) -> u16 {
        self.by_bits[(self.draw.bits(row) >> 48) as usize]
    }
}

fn means_of(segment: usize, seed: u64) -> [f64; FACTORS] {
    let stream = Stream::new(seed, b"mean", segment as u64);
    std::array::from_fn(|factor| {
        let draw = stream.spread(factor as u64);
        NAMED_MEANS.get(segment).map_or(3.5 * draw, |means| means[factor] + 0.2 * draw)
    })
}

/// 65536 entries, each segment in proportion to its share and at least once.
fn lookup(count: usize) -> Vec<u16> {
    const ENTRIES: usize = 1 << 16;
    let others = count - 1;
    let weight = |i: usize| exp2(-DECAY_DOUBLINGS * i as f64 / others.max(2) as f64);
    let total: f64 = (0..others).map(weight).sum();
    // One entry each is reserved; the rest is divided by weight. The remainder after rounding down goes to segment 0.
    let free = ((ENTRIES - count) as f64) * (1.0 - DORMANT_SHARE);
    let mut entries = Vec::with_capacity(ENTRIES);
    for i in 0..others {
        let share = 1 + (free * weight(i) / total) as usize;
        entries.resize(entries.len() + share, (i + 1) as u16);
    }
    entries.resize(ENTRIES, 0);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(segments: usize) -> Vec<usize> {
        let mut counts = vec![0; segments];
        lookup(segments).into_iter().for_each(|s| counts[s as usize] += 1);
        counts
    }

    #[test]
    fn one_segment_dominates_and_none_is_empty() {
        assert_eq!(counts(1), [65536]);
        for segments in [2, 3, 8, 64, 1000, 4096] {
            let counts = counts(segments);
            let dormant = counts[0] as f64 / 65536.0;
            assert!((0.4..0.6).contains(&dormant), "{segments}: {dormant}");
            assert!(counts[1..].is_sorted_by(|a, b| a >= b) && counts[segments - 1] > 0, "{segments}");
        }
    }
}
