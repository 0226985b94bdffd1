//! What names imply: which files in a folder are input, which folders belong to a table format, and how URLs are
//! displayed.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// Whether files and folders of this name are skipped.
pub(crate) fn is_skipped(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// Whether a file's name says that it is Parquet.
pub(crate) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["parquet", "parq", "pq"].iter().any(|p| e.eq_ignore_ascii_case(p)))
}

/// Whether a file's name says that it is CSV.
pub(crate) fn is_csv(path: &Path) -> bool {
    ends_in(path, &["csv", "tsv", "txt"])
}

/// The same for a file in a folder, where text can be anything.
pub(crate) fn is_csv_in_folder(path: &Path) -> bool {
    ends_in(path, &["csv", "tsv"])
}

/// Whether a name has one of these endings, also before `.gz`.
fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let is = |name: &Path, ending: &str| name.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    let unpacked = path.with_extension("");
    let name = if is(path, "gz") { unpacked.as_path() } else { path };
    endings.iter().any(|ending| is(name, ending))
}

/// Whether a file begins and ends as Parquet does, whatever its name (`000001_0`, `part.parquet.snappy`). One that
/// cannot be read does not.
pub(crate) fn holds_parquet(path: &Path) -> bool {
    let read = || -> std::io::Result<bool> {
        // Opening a pipe would wait.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(false);
        }
        let mut file = std::fs::File::open(path)?;
        let (mut first, mut last) = ([0; 4], [0; 4]);
        file.read_exact(&mut first)?;
        let end = file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut last)?;
        Ok(end >= 8 && first == last && [*b"PAR1", *b"PARE"].contains(&first))
    };
    read().unwrap_or(false)
}

/// The text that a folder's name stands for: Hive, Spark and others write bytes that names cannot have as `%2F`.
/// Invalid escapes are kept as they are.
pub(crate) fn unescaped(name: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let (bytes, mut text, mut at) = (name.as_bytes(), Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                text.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                text.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(text).unwrap_or_else(|_| name.to_owned())
}

/// The first folder of a table format among paths below another folder: its path with a trailing `/`, and the format.
pub(crate) fn table_format(mut paths: impl Iterator<Item = String>) -> Option<(String, &'static str)> {
    paths.find_map(|path| {
        let names: Vec<&str> = path.split('/').collect();
        names.windows(2).enumerate().find_map(|(at, pair)| {
            let kind = match pair {
                ["_delta_log", _] => "a Delta table",
                ["metadata", name] if name.ends_with(".metadata.json") => "an Iceberg table",
                [".hoodie", _] => "a Hudi table",
                _ => return None,
            };
            Some((names[..at].iter().map(|name| format!("{name}/")).collect(), kind))
        })
    })
}

/// The error for a folder of a table format: it also holds files of older versions, which together are not one table.
pub(crate) fn table_format_fault(folder: &str, kind: &str) -> Error {
    let folder = folder.trim_end_matches('/');
    Error::input(format!(
        "{folder} is {kind}, whose folder also holds files of older versions; export its current version to Parquet, or name \
         the files of that version"
    ))
    .of_kind(ErrorKind::Option)
    .of_file(Path::new(folder))
}

/// A URL without a password, query or fragment, which must not be shown.
pub(crate) fn shown_url(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (hidden, open) = rest.rsplit_once('@').map_or(("", rest), |(_, open)| ("...@", open));
    format!("{scheme}://{hidden}{}", open.split(['?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_at_any_depth() {
        let found = |path: &str| table_format([path.to_owned()].into_iter());
        assert_eq!(found("_delta_log/0.json"), Some((String::new(), "a Delta table")));
        assert_eq!(found("a/b/metadata/v1.metadata.json"), Some(("a/b/".into(), "an Iceberg table")));
        assert_eq!(found("a/.hoodie/x"), Some(("a/".into(), "a Hudi table")));
        assert_eq!(found("a/metadata/v1.json"), None);
        assert_eq!(found("_delta_log"), None);
    }

    #[test]
    fn names_of_folders_are_unescaped() {
        for (name, text) in [
            ("M%C3%BCnchen%2FOst", "München/Ost"),
            ("a+b%20c", "a+b c"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%+1%41", "%+1A"),
            ("%FF", "%FF"),
            ("plain", "plain"),
        ] {
            assert_eq!(unescaped(name), text);
        }
    }

    #[test]
    fn urls_are_shown_without_secrets() {
        for (url, shown) in [
            ("https://ann:hun?ter2@bank/x", "https://...@bank/x"),
            ("https://bank/x?sig=1", "https://bank/x"),
            ("s3://ann:a@b@bank/x#y", "s3://...@bank/x"),
            ("s3://bank/x", "s3://bank/x"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }
}
