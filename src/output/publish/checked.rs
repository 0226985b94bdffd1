//! Small files of JSON that programs leave for each other, with a checksum.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::publish_text;
use crate::error::{Error, ErrorKind, Result};

/// What stands before the checksum, between it and the value, and after that.
const PARTS: [&str; 3] = ["{\"blake3\":\"", "\",\"content\":", "}\n"];

/// Writes a value as JSON with a checksum; the file appears when it is complete and durable.
///
/// # Errors
/// It cannot be written.
pub(crate) fn publish_checked(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|e| Error::Internal(e.to_string()))?;
    let [before, between, after] = PARTS;
    let hash = blake3::hash(text.as_bytes()).to_hex();
    publish_text(path, &format!("{before}{hash}{between}{text}{after}"))
}

/// Reads what [`publish_checked`] wrote; None if there is no such file.
///
/// # Errors
/// It cannot be read, was changed, or holds something else.
pub(crate) fn read_checked<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", path, &e)),
    };
    let [before, between, after] = PARTS;
    let value = || {
        let text = std::str::from_utf8(&bytes).ok()?;
        let (hash, text) = text.strip_prefix(before)?.strip_suffix(after)?.split_once(between)?;
        let value = (hash == blake3::hash(text.as_bytes()).to_hex().as_str()).then_some(text)?;
        serde_json::from_str(value).ok()
    };
    let damaged = || {
        let text = format!("{} is damaged, or was written by another program", path.display());
        Error::input(text).of_kind(ErrorKind::Corrupt).of_file(path)
    };
    value().map(Some).ok_or_else(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let read = || read_checked::<(String, Vec<i32>)>(&path);
        assert_eq!(read().unwrap(), None);
        let value = ("\",\"content\":{}\u{3b1}".to_owned(), vec![-1, i32::MAX]);
        publish_checked(&path, &value).unwrap();
        assert_eq!(read().unwrap(), Some(value));
        let whole = std::fs::read(&path).unwrap();
        serde_json::from_slice::<serde_json::Value>(&whole).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert_eq!(read().unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read().unwrap_err().kind(), ErrorKind::Corrupt, "{at} bytes");
        }
        publish_checked(&path, &"a value of another kind").unwrap();
        assert!(read().unwrap_err().to_string().ends_with("is damaged, or was written by another program"));
    }
}
