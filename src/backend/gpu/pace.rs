//! The size of dispatches: work for about [`TARGET`], learned from the duration of earlier dispatches.
//!
//! A dispatch stays far below a second, even if every row needs the integers, so that a stop is honored and no driver's
//! watchdog fires (some do at two seconds); and it is long enough to hide its submission.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::AdapterKind;

/// The target duration of a dispatch.
const TARGET: Duration = Duration::from_millis(50);
/// Bounds in multiply-adds.
const LEAST: u64 = 1 << 12;
const MOST: u64 = 1 << 40;

/// Multiply-adds of a dispatch.
#[derive(Debug)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    /// An initial guess.
    pub(super) fn of(kind: AdapterKind) -> Self {
        Pace::new(match kind {
            // 10^13 per second and more.
            AdapterKind::Discrete | AdapterKind::Virtual => 1 << 35,
            // Some 10^11 per second.
            AdapterKind::Integrated | AdapterKind::Other => 1 << 32,
            // Mesa lavapipe does 10^9 to 10^10 per second on two cores.
            AdapterKind::Software => 1 << 28,
        })
    }

    pub(super) fn new(work: u64) -> Self {
        Pace(AtomicU64::new(work))
    }

    pub(super) fn work(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Records that a dispatch of `work` took `took`.
    pub(super) fn learn(&self, work: u64, took: Duration) {
        self.0.store(next(self.work(), work, took), Ordering::Relaxed);
    }
}

/// Grows by a factor of at most two at a time, and shrinks by eight: one short dispatch proves little, one long
/// dispatch is a warning. A dispatch with less than half of the allowed work proves nothing.
fn next(now: u64, work: u64, took: Duration) -> u64 {
    if 2 * work < now && took < TARGET {
        return now;
    }
    let wanted = work as f64 * TARGET.as_secs_f64() / took.as_secs_f64().max(1e-6);
    (wanted as u64).clamp(now / 8, now.saturating_mul(2)).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_follows_the_time_it_takes() {
        let ms = Duration::from_millis;
        assert_eq!(next(1 << 30, 1 << 30, TARGET), 1 << 30);
        assert_eq!(next(1 << 30, 1 << 30, ms(100)), 1 << 29);
        assert_eq!(next(1 << 30, 1 << 30, ms(5)), 1 << 31, "twice as much at most");
        assert_eq!(next(1 << 30, 1 << 30, ms(9000)), 1 << 27, "an eighth at least");
        assert_eq!(next(1 << 30, 1 << 20, ms(1)), 1 << 30, "the rest of a slab is short whatever the pace");
        assert_eq!(next(1 << 30, 1 << 28, ms(100)), 1 << 27, "but if it was long, so it was");
        assert_eq!((next(LEAST, LEAST, ms(9000)), next(MOST, MOST, ms(0))), (LEAST, MOST));
    }
}
