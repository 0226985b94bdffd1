//! Lines that are added to a file of events.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Adds a line, durably. Several programs may add lines at once. Half a line, which a crash left, ends before this one.
///
/// # Errors
/// The file cannot be written, or holds something else than JSON.
pub(super) fn append_line(path: &Path, line: &str) -> Result<()> {
    let fail = |e: io::Error| Error::io("write", path, &e);
    let mut file = File::options().read(true).append(true).create(true).open(path).map_err(fail)?;
    let is_plain = file.metadata().map_err(fail)?.is_file();
    let ends = if is_plain { ends(&mut file).map_err(fail)? } else { None };
    if ends.is_some_and(|(first, _)| first != b'{') {
        let text = format!("{} is not a file of events; name another in [job] lineage", path.display());
        return Err(Error::usage(text).of_file(path));
    }
    let is_torn = ends.is_some_and(|(_, last)| last != b'\n');
    let text = format!("{}{line}\n", if is_torn { "\n" } else { "" });
    file.write_all(text.as_bytes()).map_err(fail)?;
    if is_plain { file.sync_data().map_err(fail) } else { Ok(()) }
}

/// The first and the last byte of a file; None if it is empty.
fn ends(file: &mut File) -> io::Result<Option<(u8, u8)>> {
    let (mut first, mut last) = ([0], [0]);
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(Some((first[0], last[0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lineage.ndjson");
        append_line(&path, "{\"a\":1}").unwrap();
        append_line(&path, "{\"a\":2}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        std::fs::write(&path, "{\"a\":1}\n{\"to").unwrap();
        append_line(&path, "{\"a\":2}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"to\n{\"a\":2}\n");
        std::fs::write(&path, "PAR1").unwrap();
        let refused = append_line(&path, "{}").unwrap_err().to_string();
        assert_eq!(refused, format!("{} is not a file of events; name another in [job] lineage", path.display()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "PAR1");
    }
}
