//! Where a customer was or is, as a small number for each row.

/// Where a customer is: not in the data, there without a segment, or in a segment. A row may also be no customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberPlace(u32);

impl MemberPlace {
    /// Not in the data.
    pub(crate) const ABSENT: MemberPlace = MemberPlace(0);
    /// In the data, but in no segment.
    pub(crate) const NO_SEGMENT: MemberPlace = MemberPlace(1);

    /// The row is no customer: it has no id, or repeats that of a row before.
    pub(crate) const NOBODY: MemberPlace = MemberPlace(2);

    /// In the segment of this number; None: in no segment.
    pub(crate) fn of(segment: Option<u32>) -> Self {
        segment.map_or(MemberPlace::NO_SEGMENT, |segment| MemberPlace(segment + 3))
    }

    /// The number of the segment, if there is one.
    pub(crate) fn segment(self) -> Option<u32> {
        self.0.checked_sub(3)
    }

    /// Its number among all places that a row can have; see [`RowCodes::places`].
    pub(crate) fn code(self) -> usize {
        self.0 as usize
    }

    /// The place of a [`code`](Self::code).
    pub(crate) fn of_code(code: usize) -> Self {
        MemberPlace(code as u32)
    }

    /// Whether the customer is in the data.
    pub(crate) fn is_present(self) -> bool {
        self != MemberPlace::ABSENT && self != MemberPlace::NOBODY
    }
}

/// A place for each row, in 1, 2 or 4 bytes, as few as the number of segments needs.
#[derive(Debug, Clone)]
pub(crate) struct RowCodes {
    width: usize,
    places: usize,
    bytes: Vec<u8>,
}

impl RowCodes {
    /// All rows absent.
    pub(crate) fn new(rows: u64, segments: usize) -> Self {
        let width = match segments {
            0..0xfe => 1,
            0xfe..0xfffe => 2,
            _ => 4,
        };
        RowCodes { width, places: segments + 3, bytes: vec![0; rows as usize * width] }
    }

    /// Places that a row can have: segments, none, and no customer in two ways.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// All rows nobody.
    pub(crate) fn of_nobody(rows: u64, segments: usize) -> Self {
        let mut codes = RowCodes::new(rows, segments);
        let width = codes.width;
        codes.bytes.iter_mut().step_by(width).for_each(|byte| *byte = MemberPlace::NOBODY.0 as u8);
        codes
    }

    /// Rows.
    pub(crate) fn rows(&self) -> u64 {
        (self.bytes.len() / self.width) as u64
    }

    pub(crate) fn set(&mut self, row: u64, place: MemberPlace) {
        let at = row as usize * self.width;
        self.bytes[at..at + self.width].copy_from_slice(&place.0.to_le_bytes()[..self.width]);
    }

    pub(crate) fn get(&self, row: u64) -> MemberPlace {
        let at = row as usize * self.width;
        let mut four = [0; 4];
        four[..self.width].copy_from_slice(&self.bytes[at..at + self.width]);
        MemberPlace(u32::from_le_bytes(four))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        for segments in [3, 253, 254, 65_533, 65_534, 100_000] {
            let mut codes = RowCodes::of_nobody(4, segments);
            codes.set(0, MemberPlace::ABSENT);
            let last = MemberPlace::of(Some(segments as u32 - 1));
            codes.set(2, last);
            codes.set(1, MemberPlace::NO_SEGMENT);
            assert_eq!(
                [codes.get(0), codes.get(1), codes.get(2), codes.get(3)],
                [MemberPlace::ABSENT, MemberPlace::NO_SEGMENT, last, MemberPlace::NOBODY]
            );
            assert_eq!(codes.get(2).segment(), Some(segments as u32 - 1));
        }
        assert!(!MemberPlace::ABSENT.is_present() && MemberPlace::of(None).is_present());
    }
}
