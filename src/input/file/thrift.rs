//! Walks the structure of Thrift compact messages without decoding them: a list may not claim more elements than there
//! are bytes left. Decoders reserve memory for what a list claims, so ten forged bytes could request gigabytes. The
//! claims of a page's header are recorded, since a decoder relies on them before it has seen a value.

use std::ops::Range;

/// Most levels of nested structures; real footers have eight.
const MAX_DEPTH: usize = 32;

/// Most levels of nested groups in a schema. Decoders recurse, and a stack overflow is not an error that can be
/// returned.
const MAX_SCHEMA_DEPTH: usize = 64;

/// Walks a footer (`FileMetaData`). Returns the footer to decode, if it is another: without fields that a vendor added
/// under numbers which Parquet has since given to fields of other types, and without dictionaries at byte 0, which some
/// writers write for none. Decoders go by the number alone.
///
/// # Errors
/// The inconsistency, phrased to follow "corrupt footer:".
pub(crate) fn check(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut schema = SchemaDepth::default();
    let mut walker = Walker { bytes, at: 0, path: Vec::new(), is_foreign: is_foreign_in_footer, edits: Vec::new() };
    walker.structure(&mut |path, _, value| schema.see(path, value))?;
    if walker.edits.is_empty() {
        return Ok(None);
    }
    let (mut kept, mut at) = (Vec::with_capacity(bytes.len()), 0);
    for (place, header) in &walker.edits {
        kept.extend_from_slice(&bytes[at..place.start]);
        kept.extend_from_slice(header);
        at = place.end;
    }
    kept.extend_from_slice(&bytes[at..]);
    Ok(Some(kept))
}

/// A required field, which decoders check.
const REQUIRED: u8 = 0;
/// Where a footer describes a column chunk, and the types of the optional fields there, from field 1 on.
const COLUMN: [i64; 3] = [4, 1, 3];
const COLUMN_FIELDS: [u8; 17] = [
    REQUIRED, REQUIRED, REQUIRED, REQUIRED, REQUIRED, REQUIRED, REQUIRED, LIST, REQUIRED, I64, I64, STRUCT, LIST, I64,
    I32, STRUCT, STRUCT,
];

/// The place of a dictionary in its file.
const DICTIONARY_OFFSET: i64 = 11;

/// Whether a field of a footer is not what Parquet has under its number.
fn is_foreign_in_footer(path: &[i64], kind: u8, value: i64) -> bool {
    let Some((&id, _)) = path.split_last().filter(|(_, above)| **above == COLUMN) else { return false };
    let expected = usize::try_from(id).ok().and_then(|id| COLUMN_FIELDS.get(id.checked_sub(1)?));
    let is_other = expected.is_some_and(|&expected| expected != REQUIRED && kind != expected);
    is_other || id == DICTIONARY_OFFSET && value == 0
}

/// What the header of a page claims.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PageClaims {
    /// Bytes of the header itself.
    pub(crate) header: u64,
    /// See [`DATA`], [`DICTIONARY`] and [`DATA_V2`].
    pub(crate) kind: i64,
    /// Bytes in the file.
    pub(crate) packed: i64,
    /// Bytes when decompressed.
    pub(crate) unpacked: i64,
    /// Values, including nulls.
    pub(crate) values: i64,
    /// Bytes of definition and repetition levels, if the header states them (version 2).
    pub(crate) levels: [i64; 2],
}

/// Kinds of pages, by their numbers in Parquet.
pub(crate) const DATA: i64 = 0;
pub(crate) const DICTIONARY: i64 = 2;
pub(crate) const DATA_V2: i64 = 3;

/// Reads what a page's header claims. `bytes` begin with the header; more may follow.
///
/// # Errors
/// The inconsistency, or that the header does not end within `bytes`.
pub(crate) fn page_claims(bytes: &[u8]) -> Result<PageClaims, String> {
    let mut claims = PageClaims::default();
    let mut walker = Walker { bytes, at: 0, path: Vec::new(), is_foreign: |_, _, _| false, edits: Vec::new() };
    walker.structure(&mut |path, kind, value| {
        let (place, expected) = match path {
            [1] => (&mut claims.kind, I32),
            [2] => (&mut claims.unpacked, I32),
            [3] => (&mut claims.packed, I32),
            [5 | 7 | 8, 1] => (&mut claims.values, I32),
            [8, 5] => (&mut claims.levels[0], I32),
            [8, 6] => (&mut claims.levels[1], I32),
            [5 | 7 | 8] => (&mut 0, STRUCT),
            _ => return Ok(()),
        };
        // A decoder only looks at the number of a field: with another type it would read different bytes than this
        // walk.
        if kind != expected {
            return Err(format!("field {path:?} of a page's header has type {kind}"));
        }
        *place = value;
        Ok(())
    })?;
    claims.header = walker.at as u64;
    Ok(claims)
}

/// The nesting depth of a schema: elements come in depth-first order, each with the number of its children.
#[derive(Default)]
struct SchemaDepth {
    /// For each open group, the children still to come.
    open: Vec<i64>,
    /// For the element being read.
    children: i64,
}

impl SchemaDepth {
    fn see(&mut self, path: &[i64], value: i64) -> Result<(), String> {
        if path == [2, 5] {
            self.children = value;
        } else if path == [2, ELEMENT_END] {
            if let Some(left) = self.open.last_mut() {
                *left -= 1;
            }
            self.open.push(std::mem::take(&mut self.children));
            while self.open.last().is_some_and(|left| *left <= 0) {
                self.open.pop();
            }
            if self.open.len() > MAX_SCHEMA_DEPTH {
                return Err(format!("its columns are nested more than {MAX_SCHEMA_DEPTH} deep"));
            }
        }
        Ok(())
    }
}

/// Types of the compact protocol that matter here; `END` marks the end of a structure.
const END: u8 = 0;
const I32: u8 = 5;
const I64: u8 = 6;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// In a path: the end of a structure. No field has this number (they have 16 bits).
const ELEMENT_END: i64 = i64::MIN;

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Numbers of the fields on the path to here.
    path: Vec<i64>,
    /// Whether a field, by its path, type and value, is to be removed.
    is_foreign: fn(&[i64], u8, i64) -> bool,
    /// Bytes to replace, in order: fields to remove, and the headers of those that follow, which count from the field
    /// before.
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

/// Called for every field outside maps, with its path, its type, and its value if it is an integer. Elements of a list
/// have the list's path.
type See<'a> = dyn FnMut(&[i64], u8, i64) -> Result<(), String> + 'a;

impl Walker<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let b = *self.bytes.get(self.at).ok_or("it ends in the middle of a value")?;
        self.at += 1;
        Ok(b)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            value |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number has more than 64 bits".into())
    }

    fn signed(&mut self) -> Result<i64, String> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn skip(&mut self, n: u64) -> Result<(), String> {
        let left = (self.bytes.len() - self.at) as u64;
        if n > left {
            return Err(format!("a value claims {n} bytes where {left} are left"));
        }
        self.at += n as usize;
        Ok(())
    }

    fn elements(&mut self, n: u64) -> Result<(), String> {
        let left = (self.bytes.len() - self.at) as u64;
        if n > left { Err(format!("a list claims {n} elements where {left} bytes are left")) } else { Ok(()) }
    }

    fn value(&mut self, kind: u8, depth: usize, see: &mut See<'_>) -> Result<i64, String> {
        match kind {
            1 | 2 => Ok(()),
            3 => self.skip(1),
            4..=6 => return self.signed(),
            7 => self.skip(8),
            8 => {
                let n = self.varint()?;
                self.skip(n)
            }
            9 | 10 => self.list(depth + 1, see),
            11 => self.map(depth + 1, see),
            STRUCT => self.structure_at(depth + 1, see),
            13 => self.skip(16),
            _ => Err(format!("there is no type {kind}")),
        }
        .map(|()| 0)
    }

    fn element(&mut self, kind: u8, depth: usize, see: &mut See<'_>) -> Result<(), String> {
        // In a list, each boolean takes a byte.
        if kind == 1 || kind == 2 { self.skip(1) } else { self.value(kind, depth, see).map(|_| ()) }
    }

    fn list(&mut self, depth: usize, see: &mut See<'_>) -> Result<(), String> {
        self.deep(depth)?;
        let head = self.byte()?;
        let n = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        self.elements(n)?;
        (0..n).try_for_each(|_| self.element(head & 15, depth, see))
    }

    fn map(&mut self, depth: usize, see: &mut See<'_>) -> Result<(), String> {
        self.deep(depth)?;
        let n = self.varint()?;
        if n == 0 {
            return Ok(());
        }
        self.elements(n)?;
        let kinds = self.byte()?;
        (0..n).try_for_each(|_| {
            self.element(kinds >> 4, depth, see)?;
            self.element(kinds & 15, depth, see)
        })
    }

    fn structure(&mut self, see: &mut See<'_>) -> Result<(), String> {
        self.structure_at(0, see)
    }

    fn structure_at(&mut self, depth: usize, see: &mut See<'_>) -> Result<(), String> {
        self.deep(depth)?;
        let mut id = 0;
        let mut is_after_gap = false;
        loop {
            let start = self.at;
            let head = self.byte()?;
            if head == END {
                return self.tell(ELEMENT_END, END, 0, see);
            }
            id = match head >> 4 {
                0 => self.signed()?,
                // Field numbers have 16 bits; larger ones belong to no field.
                step => i64::wrapping_add(id, i64::from(step)),
            };
            let (kind, body, edits) = (head & 15, self.at, self.edits.len());
            self.path.push(id);
            let value = self.value(kind, depth, see);
            let is_foreign = value.as_ref().is_ok_and(|value| (self.is_foreign)(&self.path, kind, *value));
            self.path.pop();
            if is_foreign {
                self.edits.truncate(edits);
                self.edits.push((start..self.at, Vec::new()));
            } else if is_after_gap {
                let number = (id << 1 ^ id >> 63) as u64;
                self.edits.insert(edits, (start..body, [&[kind][..], &varint_bytes(number)].concat()));
            }
            is_after_gap = is_foreign;
            self.tell(id, kind, value?, see)?;
        }
    }

    fn tell(&mut self, id: i64, kind: u8, value: i64, see: &mut See<'_>) -> Result<(), String> {
        self.path.push(id);
        let told = see(&self.path, kind, value);
        self.path.pop();
        told
    }

    fn deep(&self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH { Err("it is nested too deeply".into()) } else { Ok(()) }
    }
}

fn varint_bytes(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_fields_are_cut_out() {
        // Row groups, their columns, and what a column is.
        let footer = |column: &[u8]| [&[0x49, 0x1c, 0x19, 0x1c, 0x3c][..], column, &[0, 0, 0, 0]].concat();
        let edited = |column: &[u8]| check(&footer(column)).unwrap();
        // Field 1 (I32) = 2; field 15, a list of two I32 where Parquet has an I32; field 16, a struct; field 40.
        let kept = [0x15, 4, 0x0c, 32, 0, 0x05, 80, 6];
        assert_eq!(edited(&[0x15, 4, 0xe9, 0x25, 2, 4, 0x1c, 0, 0x05, 80, 6]), Some(footer(&kept)));
        assert_eq!(edited(&kept), None);
        // Several in a row: fields 8 and 10 as I32, and a dictionary at byte 0; field 12 is a struct.
        let several = [0x15, 4, 0x75, 2, 0x25, 2, 0x16, 0, 0x1c, 0];
        assert_eq!(edited(&several), Some(footer(&[0x15, 4, 0x0c, 24, 0])));
        // Field 2 is required: a decoder says what is wrong with it.
        assert_eq!(edited(&[0x15, 4, 0x15, 2]), None);
    }
}
