//! Which encoding a file is in, if the user does not say: what its byte-order mark says, else UTF-8, else what its
//! bytes look like.

use encoding_rs::{DecoderResult, Encoding, GB18030, UTF_8, WINDOWS_1252};

use super::stream::CsvFile;
use crate::error::Result;

/// The encoding of a file's byte-order mark, and the bytes of the mark; UTF-8 if there is none.
pub(super) fn marked(source: &CsvFile) -> Result<Option<(&'static Encoding, usize)>> {
    let mut found = None;
    source.pieces(|piece| {
        found = Encoding::for_bom(piece);
        false
    })?;
    Ok(found)
}

/// Whether the beginning of a file is UTF-8, but for a character that the piece cuts off.
pub(super) fn begins_as_utf8(source: &CsvFile) -> Result<bool> {
    let mut is_utf8 = true;
    source.pieces(|piece| {
        is_utf8 = std::str::from_utf8(piece).map_or_else(|e| e.error_len().is_none(), |_| true);
        false
    })?;
    Ok(is_utf8)
}

/// Bytes above 127, by how they stand together.
#[derive(Debug, Default)]
struct HighBytes {
    /// Pairs that are Chinese punctuation or one of the 3,755 common characters (GB 2312, level 1).
    common: u64,
    /// Other pairs, as of two accented letters in Western languages.
    rare: u64,
    /// Single letters between ASCII, as in Western languages.
    single: u64,
    before: Option<u8>,
    run: u64,
}

impl HighBytes {
    fn add(&mut self, byte: u8) {
        if byte.is_ascii() {
            self.single += self.run % 2;
            self.run = 0;
        } else {
            self.run += 1;
            if self.run.is_multiple_of(2) {
                match self.before {
                    Some(0xA1..=0xA9 | 0xB0..=0xD7) if byte >= 0xA1 => self.common += 1,
                    _ => self.rare += 1,
                }
            }
        }
        self.before = Some(byte);
    }
}

/// GB18030 or windows-1252 (which includes Latin-1), for a file that is not UTF-8. Nearly every file is valid in both;
/// Chinese has its bytes above 127 in pairs, Western languages have single ones between ASCII letters.
pub(super) fn looks_like(source: &CsvFile) -> Result<&'static Encoding> {
    let mut high = HighBytes::default();
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let (mut text, mut is_valid) = (String::new(), true);
    source.pieces(|piece| {
        piece.iter().for_each(|byte| high.add(*byte));
        if is_valid {
            text.clear();
            text.reserve(decoder.max_utf8_buffer_length_without_replacement(piece.len()).unwrap_or(0));
            let (outcome, _) = decoder.decode_to_string_without_replacement(piece, &mut text, false);
            is_valid = !matches!(outcome, DecoderResult::Malformed(..));
        }
        true
    })?;
    Ok(if is_valid && high.common > 4 * high.single + high.rare { GB18030 } else { WINDOWS_1252 })
}

/// The encoding that is assumed of a file without a mark.
pub(super) fn assumed() -> (&'static Encoding, usize) {
    (UTF_8, 0)
}
