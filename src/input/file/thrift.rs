//! Walks the structure of Thrift compact messages without decoding them: a list may not claim more elements than there
//! are bytes left. Decoders reserve memory for what a list claims, so ten forged bytes could request gigabytes. The
//! claims of a page's header are recorded, since a decoder relies on them before it has seen a value.

/// Most levels of nested structures; real footers have eight.
const MAX_DEPTH: usize = 32;

/// Most levels of nested groups in a schema. Decoders recurse, and a stack overflow is not an error that can be
/// returned.
const MAX_SCHEMA_DEPTH: usize = 64;

/// Walks a footer (`FileMetaData`).
///
/// # Errors
/// The inconsistency, phrased to follow "corrupt footer:".
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut schema = SchemaDepth::default();
    Walker { bytes, at: 0, path: Vec::new() }.structure(&mut |path, _, value| schema.see(path, value))
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
    let mut walker = Walker { bytes, at: 0, path: Vec::new() };
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
const STRUCT: u8 = 12;

/// In a path: the end of a structure. No field has this number (they have 16 bits).
const ELEMENT_END: i64 = i64::MIN;

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Numbers of the fields on the path to here.
    path: Vec<i64>,
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
        loop {
            let head = self.byte()?;
            if head == END {
                return self.tell(ELEMENT_END, END, 0, see);
            }
            id = match head >> 4 {
                0 => self.signed()?,
                // Field numbers have 16 bits; larger ones belong to no field.
                step => i64::wrapping_add(id, i64::from(step)),
            };
            self.path.push(id);
            let value = self.value(head & 15, depth, see);
            self.path.pop();
            self.tell(id, head & 15, value?, see)?;
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
