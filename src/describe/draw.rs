//! Which rows a tree is grown on.

use crate::error::Result;
use crate::numeric::mix;
use crate::survey::SegmentLog;

/// The most rows that are drawn.
const MOST_ROWS: u64 = 1 << 16;
/// The most values, over all columns.
const MOST_VALUES: u64 = 1 << 24;
/// Rows of each segment, where it has as many: of a share of all rows, a small segment would have none.
const EACH: u64 = 256;
/// The weight of a row is a multiple of 2^-16.
const ONE: u64 = 1 << 16;

/// Rows in ascending order: one of every so many of each segment, at a place that follows from its number. So the same
/// rows are drawn however they are stored and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(super) rows: Vec<u64>,
    /// The segment of each.
    pub(super) segments: Vec<u32>,
    /// How many rows of the segment one of them stands for, by segment.
    pub(super) weights: Vec<u64>,
}

impl Drawn {
    /// From rows by segment, for so many columns. Rows without a segment are left out.
    pub(crate) fn of(log: &SegmentLog, counts: &[u64], rows: u64, columns: usize) -> Result<Self> {
        const BLOCK: u64 = 1 << 16;
        let strides = strides(counts, columns);
        let (mut seen, mut found) = (vec![0; counts.len()], vec![0u64; counts.len()]);
        let mut drawn = Drawn { rows: Vec::new(), segments: Vec::new(), weights: Vec::new() };
        let mut codes = vec![0; BLOCK as usize];
        for first in (0..rows).step_by(BLOCK as usize) {
            codes.truncate((rows - first).min(BLOCK) as usize);
            log.read(first, &mut codes)?;
            for (row, &code) in (first..).zip(&codes) {
                let Some(segment) = (code as usize).checked_sub(1) else { continue };
                let (number, stride) = (seen[segment], strides[segment]);
                seen[segment] += 1;
                if stride == 1 || mix(number / stride) % stride == number % stride {
                    drawn.rows.push(row);
                    drawn.segments.push(segment as u32);
                    found[segment] += 1;
                }
            }
        }
        drawn.weights = counts.iter().zip(found).map(|(n, drawn)| n * ONE / drawn.max(1)).collect();
        Ok(drawn)
    }
}

/// By segment: one of how many rows is drawn.
fn strides(counts: &[u64], columns: usize) -> Vec<u64> {
    let rows: u64 = counts.iter().sum();
    let most = MOST_ROWS.min(MOST_VALUES / columns.max(1) as u64).max(1);
    let segments = counts.len().max(1) as u64;
    let each = EACH.min(most / (2 * segments)).max(1);
    let shared = most.saturating_sub(each * segments).max(1);
    let stride = |&n: &u64| {
        let share = (u128::from(n) * u128::from(shared) / u128::from(rows.max(1))) as u64;
        if rows <= most { 1 } else { n.div_ceil(share.max(each)).max(1) }
    };
    counts.iter().map(stride).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{Ride, Segment};

    #[test]
    fn small_segments_are_drawn_whole_and_weights_make_up_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = SegmentLog::new(folder.path(), 3).unwrap();
        let segment = |row: u64| match row % 10_000 {
            0 => Segment::new(2),
            1 => Segment::NONE,
            r => Segment::new(u32::from(r > 7000)),
        };
        let rows = 600_000;
        let mut counts = vec![0; 3];
        (0..rows).filter_map(|row| segment(row).number()).for_each(|s| counts[s as usize] += 1);
        (0..rows / 1000).for_each(|block| {
            log.see(&(block * 1000..(block + 1) * 1000).map(segment).collect::<Vec<_>>()).unwrap();
        });
        let drawn = Drawn::of(&log, &counts, rows, 20).unwrap();
        assert!(drawn.rows.is_sorted() && drawn.rows.len() <= MOST_ROWS as usize && drawn.rows.len() > 50_000);
        assert!(drawn.rows.iter().zip(&drawn.segments).all(|(&row, &s)| segment(row).number() == Some(s)));
        assert_eq!(drawn.segments.iter().filter(|s| **s == 2).count(), 60, "all of the small one");
        assert_eq!(drawn.weights[2], ONE);
        for (segment, n) in counts.iter().enumerate() {
            let drawn =
                drawn.segments.iter().filter(|s| **s as usize == segment).count() as u64 * drawn.weights[segment];
            assert!(drawn <= n * ONE && drawn > n * ONE - n, "{segment}: {drawn} for {n}");
        }
        assert_eq!(strides(&[100, 50, 0], 20), [1, 1, 1]);
        assert!(strides(&[1 << 30], 2000).iter().all(|s| (1 << 30) / s <= MOST_VALUES / 2000));
    }
}
