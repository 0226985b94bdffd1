//! Texts that a user writes, which must be UTF-8.

/// The byte-order mark of UTF-8, which some editors put before a text. It is no part of it.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// A text without the byte-order mark of UTF-8.
pub(crate) fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// Whether it begins with the byte-order mark of UTF-16.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF")
}

/// Bytes as text, without a byte-order mark.
///
/// # Errors
/// Why they are not text in UTF-8.
pub(crate) fn utf8(mut bytes: Vec<u8>) -> Result<String, &'static str> {
    let marked = bytes.len() - unmarked(&bytes).len();
    bytes.drain(..marked);
    String::from_utf8(bytes).map_err(|e| match is_utf16(e.as_bytes()) {
        true => "it is not text in UTF-8 but in UTF-16; save it as UTF-8",
        false => "it is not text in UTF-8",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_no_text() {
        assert_eq!(utf8(b"\xEF\xBB\xBFa = 1".to_vec()), Ok("a = 1".into()));
        assert_eq!(utf8("ä".into()), Ok("ä".into()));
        assert!(utf8(b"\xFF\xFEa\0".to_vec()).is_err_and(|why| why.contains("UTF-16")));
        assert!(utf8(b"\xFE\xFF\0a".to_vec()).is_err_and(|why| why.contains("UTF-16")));
        assert!(utf8(b"\xE4".to_vec()).is_err_and(|why| !why.contains("UTF-16")));
    }
}
