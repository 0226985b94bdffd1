//! The files of a table of labels: one, files with a limited number of rows, or a folder for each segment. They stay
//! without footers until all labels are known, since footers say to which run a file belongs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::SchemaRef;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

use super::OUTPUT_GROUP_ROWS;
use super::publish::Publication;
use super::row_groups::RowGroups;
use crate::error::{Error, Result};
use crate::panics::guarded;
use crate::survey::Segment;

/// The folder of the labels in an output.
pub(crate) const LABELS: &str = "segments";

/// The name of the run in the footers of the labels.
pub(crate) const RUN: &str = "hyades.run";

/// The most files of a table: more are a mistake in an option, and slow to read.
const MOST_FILES: usize = 10_000;

/// Rows of all segments that wait until they are worth a row group of their own.
const MOST_WAITING: usize = 4 * OUTPUT_GROUP_ROWS;

/// How the rows of a table are divided into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FileLayout {
    /// The most rows of a file; None for no limit.
    pub(crate) rows_per_file: Option<u64>,
    /// Whether each segment has a folder of its own, whose files lack the column of segments.
    pub(crate) by_segment: bool,
}

/// A complete table whose files lack only their footers.
#[derive(Default)]
pub(crate) struct UnsealedLabels(Vec<RowGroups<PartFile>>);

impl UnsealedLabels {
    /// Writes the footers with these names and values. The files are then complete but not yet synced.
    pub(crate) fn seal(self, facts: &[(&str, String)]) -> Result<()> {
        for mut file in self.0 {
            file.describe(facts);
            file.finish()?;
        }
        Ok(())
    }
}

/// The run that wrote a file of labels, as its footer says; None if it is not such a file.
pub(crate) fn run_of_labels(file: File) -> Option<String> {
    let footer = guarded(|| ParquetMetaDataReader::new().parse_and_finish(&file)).ok()?;
    let facts = footer.file_metadata().key_value_metadata()?;
    facts.iter().find(|fact| fact.key == RUN)?.value.clone()
}

/// Writes rows to the files of a table.
pub(super) struct PartWriter<'a> {
    /// None: nothing is published, and the rows go to an unnamed file.
    publication: Option<&'a Publication>,
    layout: FileLayout,
    schema: SchemaRef,
    properties: WriterProperties,
    folders: BTreeMap<Segment, PartFolder>,
    complete: Vec<RowGroups<PartFile>>,
}

/// The files of one folder.
#[derive(Default)]
struct PartFolder {
    open: Option<RowGroups<PartFile>>,
    /// Rows in the open file.
    rows: u64,
    files: usize,
    waiting: Vec<Vec<ArrayRef>>,
    waiting_rows: usize,
}

impl<'a> PartWriter<'a> {
    /// An empty table; files of an earlier attempt are removed.
    pub(super) fn new(
        publication: Option<&'a Publication>,
        layout: FileLayout,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self> {
        publication.map_or(Ok(()), |publication| publication.restart(LABELS))?;
        let (folders, complete) = (BTreeMap::new(), Vec::new());
        Ok(PartWriter { publication, layout, schema, properties, folders, complete })
    }

    /// Whether each segment has a folder of its own.
    pub(super) fn by_segment(&self) -> bool {
        self.layout.by_segment
    }

    /// Writes rows, which are at most a row group.
    pub(super) fn write(&mut self, columns: Vec<ArrayRef>, segments: &[Segment]) -> Result<()> {
        if !self.layout.by_segment {
            return self.append(Segment::NONE, &columns);
        }
        let mut rows: BTreeMap<Segment, Vec<u32>> = BTreeMap::new();
        for (row, segment) in segments.iter().enumerate() {
            rows.entry(*segment).or_default().push(row as u32);
        }
        let picked: Vec<(Segment, usize, Vec<ArrayRef>)> = rows
            .into_par_iter()
            .map(|(segment, rows)| {
                let (n, rows) = (rows.len(), UInt32Array::from(rows));
                let picked = columns.iter().map(|column| take(column, &rows, None)).collect::<Result<_, _>>();
                picked.map(|columns| (segment, n, columns))
            })
            .collect::<Result<_, _>>()
            .map_err(assembling)?;
        for (segment, n, columns) in picked {
            let folder = self.folders.entry(segment).or_default();
            folder.waiting.push(columns);
            folder.waiting_rows += n;
            if folder.waiting_rows >= OUTPUT_GROUP_ROWS {
                self.flush(segment)?;
            }
        }
        while self.folders.values().map(|folder| folder.waiting_rows).sum::<usize>() > MOST_WAITING {
            let fullest =
                self.folders.iter().max_by_key(|(_, folder)| folder.waiting_rows).map(|(segment, _)| *segment);
            self.flush(fullest.unwrap_or(Segment::NONE))?;
        }
        Ok(())
    }

    /// Writes the waiting rows of a segment.
    fn flush(&mut self, segment: Segment) -> Result<()> {
        let Some(folder) = self.folders.get_mut(&segment) else { return Ok(()) };
        let waiting = std::mem::take(&mut folder.waiting);
        folder.waiting_rows = 0;
        let column = |i: usize| {
            let pieces: Vec<&dyn arrow::array::Array> = waiting.iter().map(|columns| columns[i].as_ref()).collect();
            concat(&pieces).map_err(assembling)
        };
        let columns = (0..waiting.first().map_or(0, Vec::len)).map(column).collect::<Result<Vec<_>>>()?;
        self.append(segment, &columns)
    }

    /// Appends rows to the open file of a folder, and to the next ones once it is full.
    fn append(&mut self, segment: Segment, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut from = 0;
        while from < rows {
            let mut folder = self.folders.remove(&segment).unwrap_or_default();
            if folder.open.is_none() {
                folder.open = Some(self.open(segment, folder.files)?);
                folder.files += 1;
            }
            let room = self.layout.rows_per_file.map_or(u64::MAX, |most| most - folder.rows);
            let n = (rows - from).min(OUTPUT_GROUP_ROWS).min(usize::try_from(room).unwrap_or(usize::MAX));
            if let Some(file) = &mut folder.open {
                let slice: Vec<ArrayRef> = columns.iter().map(|column| column.slice(from, n)).collect();
                file.write(&slice)?;
                if self.layout.by_segment {
                    file.get_mut().park();
                }
            }
            from += n;
            folder.rows += n as u64;
            if self.layout.rows_per_file == Some(folder.rows)
                && let Some(mut full) = folder.open.take()
            {
                full.get_mut().park();
                self.complete.push(full);
                folder.rows = 0;
            }
            self.folders.insert(segment, folder);
        }
        Ok(())
    }

    /// File number `number` of a folder.
    fn open(&self, segment: Segment, number: usize) -> Result<RowGroups<PartFile>> {
        if self.complete.len() + self.folders.len() >= MOST_FILES {
            return Err(Error::usage(format!(
                "the labels would be more than {MOST_FILES} files; give a larger --rows-per-file, or leave \
                 --partition-by out"
            )));
        }
        let folder = match (self.layout.by_segment, segment.number()) {
            (false, _) => LABELS.to_owned(),
            (true, Some(number)) => format!("{LABELS}/segment={number}"),
            // How Hive names the folder of nulls.
            (true, None) => format!("{LABELS}/segment=__HIVE_DEFAULT_PARTITION__"),
        };
        let name = format!("{folder}/part-{number:05}.parquet");
        let (file, shown) = match self.publication {
            Some(publication) => {
                let (file, path) = (publication.file(&name)?, publication.path(&name));
                (PartFile { open: Some(file), path: Some(path) }, publication.shown(&name))
            }
            None => {
                let folder = std::env::temp_dir();
                let file = tempfile::tempfile().map_err(|e| Error::io("write in", &folder, &e))?;
                (PartFile { open: Some(file), path: None }, folder)
            }
        };
        RowGroups::new(file, shown, self.schema.clone(), self.properties.clone())
    }

    /// Writes what waits; only the footers are missing then.
    pub(super) fn finish(mut self) -> Result<UnsealedLabels> {
        let segments: Vec<Segment> = self.folders.keys().copied().collect();
        segments.into_iter().try_for_each(|segment| self.flush(segment))?;
        let mut files = self.complete;
        files.extend(self.folders.into_values().filter_map(|folder| folder.open));
        Ok(UnsealedLabels(files))
    }
}

fn assembling(e: arrow::error::ArrowError) -> Error {
    Error::Internal(format!("assembling the rows of a segment: {e}"))
}

/// A file that can be closed and goes on where it was: tables of many files would need too many open ones.
pub(super) struct PartFile {
    open: Option<File>,
    path: Option<PathBuf>,
}

impl PartFile {
    /// Closes the file until the next write.
    fn park(&mut self) {
        if self.path.is_some() {
            self.open = None;
        }
    }

    fn opened(&mut self) -> io::Result<&mut File> {
        if self.open.is_none() {
            let path = self.path.as_deref().ok_or(io::ErrorKind::NotFound)?;
            self.open = Some(File::options().append(true).open(path)?);
        }
        self.open.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        crate::faults::point("publish::write")?;
        self.opened()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), Write::flush)
    }
}
