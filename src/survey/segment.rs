//! The segment of a row, or none.

/// The segment of a row in the whole bank. A row may have none: its stratum is unknown to the model, or an algorithm
/// leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment(i32);

impl Segment {
    /// No segment.
    pub(crate) const NONE: Segment = Segment(-1);

    /// The segment of this number. There are fewer than 2^31 of them, since each has centroids in memory.
    pub(crate) fn new(number: u32) -> Self {
        Segment(number as i32)
    }

    /// Its number; None without a segment.
    pub(crate) fn number(self) -> Option<u32> {
        u32::try_from(self.0).ok()
    }

    /// Its number, or `none` without a segment.
    pub(crate) fn number_or(self, none: u32) -> u32 {
        self.number().unwrap_or(none)
    }

    /// Its number, or -1 without a segment: as hashes and scratch files have it.
    pub(crate) fn code(self) -> i32 {
        self.0
    }

    /// The segment of such a code.
    pub(crate) fn of_code(code: i32) -> Self {
        Segment(code.max(-1))
    }

    /// The same segment where those of other parts come first; none remains none.
    pub(crate) fn after(self, others: u32) -> Self {
        self.number().map_or(Segment::NONE, |number| Segment::new(others + number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_stays_none() {
        let two = Segment::new(2);
        assert_eq!((two.number(), two.after(3).number(), two.code()), (Some(2), Some(5), 2));
        let none = Segment::NONE;
        assert_eq!((none.number(), none.after(3), none.code(), none.number_or(7)), (None, none, -1, 7));
        assert_eq!((Segment::of_code(two.code()), Segment::of_code(none.code())), (two, none));
    }
}
