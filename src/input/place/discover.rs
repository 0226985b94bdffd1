//! Which files an input stands for: files, folders (also Hive-style `key=value` folders), globs and Delta tables, in a
//! fixed order.

use std::path::{Component, Path, PathBuf};

#[cfg(feature = "delta")]
use super::delta::files as delta_files;
use super::table::FoundFile;
use crate::error::{Error, ErrorKind, Result};
use crate::input::cloud::Finder;
use crate::input::folders::{is_csv_in_folder, is_parquet, is_skipped, table_format, table_format_fault};

/// The files that `inputs` stand for. Folders are walked in name order; only `.parquet`, `.parq` and `.pq` files in
/// them count, or `.csv` and `.tsv` files (also with `.gz`) where there is no Parquet. Names that begin with `.` or `_`
/// are skipped, as in Spark and Hive.
///
/// # Errors
/// [`Error::Absent`] if a path, a pattern or a version matches nothing.
pub(crate) fn discover(inputs: &[PathBuf]) -> Result<Vec<FoundFile>> {
    find(inputs).map_err(Error::awaited)
}

fn find(inputs: &[PathBuf]) -> Result<Vec<FoundFile>> {
    let mut found = Vec::new();
    let mut finder = Finder::default();
    for input in inputs {
        let text = input.to_string_lossy();
        if text.contains("://") {
            let of = |(path, object): (PathBuf, _)| {
                let partitions = partitions(&path);
                FoundFile { path, object: Some(object), partitions, member: None, converted: None }
            };
            found.extend(finder.find(input)?.into_iter().map(of));
        } else if let (table, version @ Some(_)) = versioned(input) {
            found.extend(delta_files(&table, version)?);
        } else if !input.exists() && text.contains(['*', '?', '[']) {
            let matches =
                glob::glob(&text).map_err(|e| Error::usage(format!("invalid pattern {text}: {e}")).of_file(input))?;
            let before = found.len();
            for path in matches {
                let path = path.map_err(|e| Error::io("list", e.path(), e.error()))?;
                add(&path, &path, &mut found)?;
            }
            if found.len() == before {
                return Err(Error::usage(format!(
                    "no file matches {text}; quote the pattern so that the shell does not expand it"
                ))
                .of_kind(ErrorKind::NotFound)
                .of_file(input));
            }
        } else {
            add(input, input, &mut found)?;
        }
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = found.iter().find(|f| !seen.insert(f.path.canonicalize().unwrap_or_else(|_| f.path.clone()))) {
        let error = Error::usage(format!("{} is named twice among the inputs", twice.path.display()));
        return Err(error.of_file(&twice.path));
    }
    Ok(found)
}

fn add(input: &Path, path: &Path, found: &mut Vec<FoundFile>) -> Result<()> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io("read", path, &e))?;
    if meta.is_file() {
        let partitions = partitions(path);
        let path = path.to_path_buf();
        found.push(FoundFile { path, object: None, partitions, member: None, converted: None });
        return Ok(());
    }
    if !meta.is_dir() {
        return Err(Error::usage(format!("{} is neither a file nor a folder", path.display())).of_file(path));
    }
    if is_delta(path) {
        found.extend(delta_files(path, None)?);
        return Ok(());
    }
    refuse_table_formats(path)?;
    let before = found.len();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(|e| Error::io("list", path, &e))?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_skipped(&name) {
            continue;
        }
        if entry.is_dir() || is_parquet(&entry) || is_csv_in_folder(&entry) {
            add(input, &entry, found)?;
        }
    }
    if input == path && found[before..].iter().any(|file| is_parquet(&file.path)) {
        // The same table may lie there in both formats.
        let parquet = found.split_off(before).into_iter().filter(|file| !is_csv_in_folder(&file.path));
        found.extend(parquet);
    }
    if input == path && found.len() == before {
        return Err(Error::input(format!(
            "{} holds neither Parquet (*.parquet, *.parq, *.pq) nor CSV (*.csv, *.tsv, also with .gz); names that begin with \
             . or _ are skipped",
            path.display()
        ))
        .of_kind(ErrorKind::NotFound)
        .of_file(path));
    }
    Ok(())
}

fn is_delta(folder: &Path) -> bool {
    folder.join("_delta_log").is_dir()
}

/// The folder of an input, and the version of a Delta table if its name ends in one: `customers@v12`.
pub(crate) fn versioned(input: &Path) -> (PathBuf, Option<u64>) {
    let named = || {
        let (folder, version) = input.to_str()?.rsplit_once("@v")?;
        let version = version.parse().ok().filter(|_| version.bytes().all(|b| b.is_ascii_digit()))?;
        (!input.exists() && is_delta(Path::new(folder))).then(|| (PathBuf::from(folder), Some(version)))
    };
    named().unwrap_or_else(|| (input.to_path_buf(), None))
}

#[cfg(not(feature = "delta"))]
fn delta_files(folder: &Path, _: Option<u64>) -> Result<Vec<FoundFile>> {
    Err(Error::input(format!(
        "{} is a Delta table, whose folder also holds files of older versions, and this hyades was built without support for \
         Delta tables; build it with `--features delta`, or export the current version to Parquet",
        folder.display()
    ))
    .of_kind(ErrorKind::Option)
    .of_file(folder))
}

/// Refuses folders of table formats.
fn refuse_table_formats(folder: &Path) -> Result<()> {
    let inside = |name: &'static str| {
        let entries = std::fs::read_dir(folder.join(name)).into_iter().flatten().flatten();
        entries.map(move |e| format!("{name}/{}", e.file_name().to_string_lossy()))
    };
    let paths = ["metadata", ".hoodie"].into_iter().flat_map(inside);
    let fault = |(_, kind)| Err(table_format_fault(&folder.display().to_string(), kind));
    table_format(paths).map_or(Ok(()), fault)
}

/// The `key=value` folders above a file, outermost first.
fn partitions(path: &Path) -> Vec<(String, String)> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    folders
        .filter_map(|c| match c {
            Component::Normal(name) => name.to_str()?.split_once('='),
            _ => None,
        })
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_table_formats_are_no_tables() {
        for (marker, kind) in [
            #[cfg(not(feature = "delta"))]
            ("_delta_log/00000000000000000000.json", "a Delta table"),
            ("metadata/v1.metadata.json", "an Iceberg table"),
            (".hoodie/hoodie.properties", "a Hudi table"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("part-0.parquet"), "").unwrap();
            assert_eq!(discover(&[folder.path().to_path_buf()]).unwrap().len(), 1);
            let marker = folder.path().join(marker);
            std::fs::create_dir(marker.parent().unwrap()).unwrap();
            std::fs::write(marker, "").unwrap();
            let fault = discover(&[folder.path().to_path_buf()]).unwrap_err().to_string();
            assert!(fault.contains(kind) && fault.contains("older versions"), "{fault}");
            assert_eq!(fault.contains("--features delta"), kind == "a Delta table", "{fault}");
            // Its files by name are an input like any other.
            assert_eq!(discover(&[folder.path().join("part-0.parquet")]).unwrap().len(), 1);
        }
    }
}
