//! Convert: writes CSV files as Parquet, for those who read them more than once.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::request::{ConvertRequest, Resources};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::CsvInput;
use crate::output::{NewFiles, PartedTable};

/// What was converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvertOutcome {
    /// Files.
    pub files: usize,
    /// Rows of all files.
    pub rows: u64,
    /// Columns of all files.
    pub columns: usize,
    /// Bytes of the CSV files.
    pub read: u64,
    /// Bytes of the Parquet files.
    pub written: u64,
}

/// Writes CSV files as compressed Parquet: one file, or a folder of parts in the order of the inputs if there are
/// several. Types are found from all rows of all files. Columns that follow from folder names (`month=2026-01`) are
/// written as text. The output appears when it is complete.
///
/// # Errors
/// An input that is not CSV, options that are not understood, or an output that cannot be written.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{ConvertRequest, convert};
///
/// let folder = tempfile::tempdir()?;
/// let (csv, out) = (folder.path().join("bank.csv"), folder.path().join("bank.parquet"));
/// std::fs::write(&csv, "id;balance;since\n1;12,50;31.12.2025\n2;;\n")?;
/// let request = ConvertRequest { inputs: vec![csv], out: out.clone(), ..ConvertRequest::default() };
/// let outcome = convert(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!((outcome.rows, outcome.columns), (2, 3));
/// assert!(out.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn convert(request: &ConvertRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<ConvertOutcome> {
    let watch = Watch::new(observer, stop);
    let resources = Resources { threads: request.threads, ..Resources::default() };
    resources.install(|| run(request, watch))
}

fn run(request: &ConvertRequest, watch: Watch<'_>) -> Result<ConvertOutcome> {
    if request.inputs.is_empty() {
        return Err(Error::usage("no input: name CSV files, folders or patterns".into()));
    }
    let input = CsvInput::read(&request.inputs, &request.csv, watch)?;
    let paths = input.paths();
    let (out, files) = (request.out.as_path(), paths.len());
    let written = match files {
        1 => {
            let publication = NewFiles::of_table(out, &[request.inputs.as_slice(), &paths].concat())?;
            let file = publication.file(out)?;
            let written = write(&input, |_| Ok(file.try_clone()), out, watch)?;
            watch.stage(Stage::Write, 0, "files", || publication.commit())?;
            written
        }
        _ => {
            let table = PartedTable::new(out, files)?;
            let written = write(&input, |part| table.open(part).map(Ok), out, watch)?;
            watch.stage(Stage::Write, 0, "files", || table.commit())?;
            written
        }
    };
    Ok(ConvertOutcome { files, rows: input.rows(), columns: input.columns(), read: input.bytes(), written })
}

/// Writes and syncs every part; returns the bytes of all.
fn write(
    input: &CsvInput,
    open: impl Fn(usize) -> Result<std::io::Result<File>>,
    out: &Path,
    watch: Watch<'_>,
) -> Result<u64> {
    let fail = |e: std::io::Error| Error::io("write", out, &e);
    watch.stage(Stage::CsvValues, input.bytes(), "bytes", || {
        let mut written = 0;
        for part in 0..input.paths().len() {
            let file = open(part)?.map_err(fail)?;
            written += input.write(part, file.try_clone().map_err(fail)?, out, watch)?;
            file.sync_all().map_err(fail)?;
        }
        Ok(written)
    })
}
