//! Which files an input stands for: files, folders (also Hive-style `key=value` folders), globs and Delta tables, in a
//! fixed order.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

#[cfg(feature = "delta")]
use super::delta::files as delta_files;
use super::table::FoundFile;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::cloud::Finder;
use crate::input::folders::{
    holds_parquet, is_csv, is_csv_in_folder, is_parquet, is_skipped, table_format, table_format_fault, unescaped,
};

/// Files that a message names at most.
const NAMED: usize = 3;

/// What `inputs` stand for.
#[derive(Debug, Default)]
struct Discovered {
    files: Vec<FoundFile>,
    /// Files in folders that are not read.
    passed_over: Vec<PathBuf>,
}

/// The files that `inputs` stand for. Folders are walked in name order; `.parquet`, `.parq` and `.pq` files in them
/// count, and others that begin and end as Parquet does; or `.csv` and `.tsv` files (also with `.gz`) where there is no
/// Parquet. Names that begin with `.` or `_` are skipped, as in Spark and Hive; all others that are not read are named
/// in a note. Objects count by their names alone.
///
/// # Errors
/// [`Error::Absent`] if a path, a pattern or a version matches nothing.
pub(crate) fn discover(inputs: &[PathBuf], watch: Watch<'_>) -> Result<Vec<FoundFile>> {
    let found = find(inputs, watch).map_err(Error::awaited)?;
    found.tell(watch);
    Ok(found.files)
}

impl Discovered {
    /// Names the files that are not read.
    fn tell(&self, watch: Watch<'_>) {
        let others = &self.passed_over;
        let mut names: Vec<String> = others.iter().take(NAMED).map(|file| file.display().to_string()).collect();
        let is_object = names.iter().any(|name| name.contains("://"));
        let why = match is_object {
            true => "not Parquet by name (a pattern reads objects of any name)",
            false => "not Parquet",
        };
        if others.len() > NAMED {
            names.push(format!("and {} more", others.len() - NAMED));
        }
        let text = match others.len() {
            0 => return,
            1 => format!("1 file is not read, since it is {why}: {}", names[0]),
            n => format!("{n} files are not read, since they are {why}: {}", names.join(", ")),
        };
        if others.len() > self.files.len() { watch.warn(text) } else { watch.note(text) }
    }
}

fn find(inputs: &[PathBuf], watch: Watch<'_>) -> Result<Discovered> {
    let (mut found, mut seen) = (Discovered::default(), HashSet::new());
    let mut finder = Finder::default();
    for input in inputs {
        let before = found.files.len();
        let text = input.to_string_lossy();
        if text.contains("://") {
            let of = |(path, object): (PathBuf, _)| {
                let partitions = partitions(&path);
                FoundFile { path, object: Some(object), partitions, member: None, converted: None }
            };
            found.files.extend(finder.find(input)?.into_iter().map(of));
            once(&found.files[before..], &mut seen)?;
        } else if let (table, version @ Some(_)) = versioned(input) {
            found.files.extend(delta_files(&table, version)?);
            once(&found.files[before..], &mut seen)?;
        } else if !input.exists() && text.contains(['*', '?', '[']) {
            let matches =
                glob::glob(&text).map_err(|e| Error::usage(format!("invalid pattern {text}: {e}")).of_file(input))?;
            for path in matches {
                let path = path.map_err(|e| Error::io("list", e.path(), e.error()))?;
                let before = found.files.len();
                if is_text(&path) && !text.ends_with(".txt") && !text.ends_with(".txt.gz") {
                    found.passed_over.push(path);
                    continue;
                }
                add((&path, &path), &mut Vec::new(), &mut found, watch)?;
                // At once: there is no end to the matches where links make a loop.
                once(&found.files[before..], &mut seen)?;
            }
            if found.files.len() == before {
                return Err(Error::usage(format!(
                    "no file matches {text}; quote the pattern so that the shell does not expand it"
                ))
                .of_kind(ErrorKind::NotFound)
                .of_file(input));
            }
        } else {
            add((input, input), &mut Vec::new(), &mut found, watch)?;
            once(&found.files[before..], &mut seen)?;
        }
    }
    found.passed_over.extend(finder.passed_over());
    Ok(found)
}

/// Fails if a file has been seen.
fn once(files: &[FoundFile], seen: &mut HashSet<PathBuf>) -> Result<()> {
    let place = |file: &FoundFile| file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
    match files.iter().find(|file| !seen.insert(place(file))) {
        None => Ok(()),
        Some(twice) => {
            let error = Error::usage(format!("{} is named twice among the inputs", twice.path.display()));
            Err(error.of_file(&twice.path))
        }
    }
}

/// Whether a file is CSV only where a name says so: text beside the data can be anything.
fn is_text(path: &Path) -> bool {
    path.is_file() && is_csv(path) && !is_csv_in_folder(path) && !holds_parquet(path)
}

/// Adds the file at `path`, or those in the folder, which belongs to `input`; `above` has the places of the folders
/// that lead to it.
fn add(
    (input, path): (&Path, &Path),
    above: &mut Vec<PathBuf>,
    found: &mut Discovered,
    watch: Watch<'_>,
) -> Result<()> {
    watch.check()?;
    let meta = std::fs::metadata(path).map_err(|e| Error::io("read", path, &e))?;
    if meta.is_file() {
        let partitions = partitions(path);
        let path = path.to_path_buf();
        found.files.push(FoundFile { path, object: None, partitions, member: None, converted: None });
        return Ok(());
    }
    if !meta.is_dir() {
        return Err(Error::usage(format!("{} is neither a file nor a folder", path.display())).of_file(path));
    }
    if is_delta(path) {
        found.files.extend(delta_files(path, None)?);
        return Ok(());
    }
    refuse_table_formats(path)?;
    above.push(outside(path, above)?);
    let before = found.files.len();
    for entry in entries(path)? {
        if entry.is_dir() || is_parquet(&entry) || is_csv_in_folder(&entry) || holds_parquet(&entry) {
            add((input, &entry), above, found, watch)?;
        } else {
            found.passed_over.push(entry);
        }
    }
    above.pop();
    if input == path && found.files[before..].iter().any(|file| !is_csv_in_folder(&file.path)) {
        // The same table may lie there in both formats.
        let csv = found.files.extract_if(before.., |file| is_csv_in_folder(&file.path)).map(|file| file.path);
        found.passed_over.extend(csv);
    }
    if input == path && found.files.len() == before {
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

/// The place of a folder, which is none of those that lead to it: links could otherwise be followed without end.
fn outside(folder: &Path, above: &[PathBuf]) -> Result<PathBuf> {
    let place = folder.canonicalize().map_err(|e| Error::io("list", folder, &e))?;
    if above.contains(&place) {
        let text = format!("{} is a link to a folder that contains it, {}", folder.display(), place.display());
        return Err(Error::input(text + "; remove the link, or name the files").of_file(folder));
    }
    Ok(place)
}

/// What is in a folder, by name, without the names that are skipped.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let all = std::fs::read_dir(folder).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect());
    let mut entries: Vec<PathBuf> = all.map_err(|e| Error::io("list", folder, &e))?;
    entries.retain(|entry| !is_skipped(&entry.file_name().unwrap_or_default().to_string_lossy()));
    entries.sort();
    Ok(entries)
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
        .map(|(key, value)| (unescaped(key), unescaped(value)))
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
            assert_eq!(discover(&[folder.path().to_path_buf()], Watch::none()).unwrap().len(), 1);
            let marker = folder.path().join(marker);
            std::fs::create_dir(marker.parent().unwrap()).unwrap();
            std::fs::write(marker, "").unwrap();
            let fault = discover(&[folder.path().to_path_buf()], Watch::none()).unwrap_err().to_string();
            assert!(fault.contains(kind) && fault.contains("older versions"), "{fault}");
            assert_eq!(fault.contains("--features delta"), kind == "a Delta table", "{fault}");
            // Its files by name are an input like any other.
            assert_eq!(discover(&[folder.path().join("part-0.parquet")], Watch::none()).unwrap().len(), 1);
        }
    }
}
