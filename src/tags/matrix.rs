//! Who moved from which stage to which between two months.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::columns::id_column;
use super::flows::{LEFT, NEW, NONE, StageMatrix};
use super::job::as_json;
use super::request::MatrixRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Watch};
use crate::input::{ColumnReader, KeyRound, KeyedRow, Source, is_whole_id, keyed_rows};
use crate::output::NewFiles;

/// The most stages of a month.
const MOST: usize = 256;

/// Compares the stages of two tables, by id. Of rows that repeat an id, the first counts; rows without an id do not.
///
/// # Errors
/// A table that cannot be read, or lacks the column of stages or the id; ids of different kinds.
pub fn stage_matrix(request: &MatrixRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<StageMatrix> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &MatrixRequest, watch: Watch<'_>) -> Result<StageMatrix> {
    let json = request.counts.json.as_deref().filter(|path| *path != Path::new("-"));
    let mut files = NewFiles::default();
    json.map_or(Ok(()), |path| files.add(path, &[request.old.clone(), request.new.clone()]))?;
    let [old, new] = [StagesOfMonth::open(&request.old, request)?, StagesOfMonth::open(&request.new, request)?];
    if old.has_whole_ids() != new.has_whole_ids() {
        let kind = |month: &StagesOfMonth| month.source.columns()[month.id].data_type.to_string();
        let what = format!("the ids of OLD are {}, those of NEW {}; store them alike", kind(&old), kind(&new));
        return Err(Error::input(what).of_kind(ErrorKind::Column));
    }
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let rows = old.source.rows() + new.source.rows();
    // Stages are in memory, too.
    let memory = request.resources.budget().saturating_sub(2 * rows) / 2;
    for round in KeyRound::all(rows, memory) {
        count(&mut counts, (&old, old.customers(round, watch)?), (&new, new.customers(round, watch)?));
    }
    let matrix = StageMatrix::of(&counts, request.counts.small_cells());
    json.map_or(Ok(()), |path| files.text(path, &as_json(&matrix)?))?;
    files.commit()?;
    Ok(matrix)
}

/// Counts by merging the customers of two months, both ordered by key.
fn count<'a>(
    counts: &mut BTreeMap<(&'a str, &'a str), u64>,
    (old, before): (&'a StagesOfMonth, Vec<KeyedRow>),
    (new, now): (&'a StagesOfMonth, Vec<KeyedRow>),
) {
    let (mut before, mut now) = (before.into_iter().peekable(), now.into_iter().peekable());
    loop {
        let order = match (before.peek(), now.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.key().cmp(&b.key()),
        };
        let from = before.next_if(|_| order.is_le()).map_or(NEW, |row| old.stage(row.row));
        let to = now.next_if(|_| order.is_ge()).map_or(LEFT, |row| new.stage(row.row));
        *counts.entry((from, to)).or_default() += 1;
    }
}

/// The stages of all rows of a table.
struct StagesOfMonth {
    source: Source,
    id: usize,
    names: Vec<String>,
    /// By row: a position in `names`; their number: no stage.
    rows: Vec<u16>,
}

impl StagesOfMonth {
    fn open(path: &Path, request: &MatrixRequest) -> Result<Self> {
        let source = Source::open(&[path.to_path_buf()])?;
        let id = id_column(&source, request.id.as_deref())?;
        let name = request.column.as_deref().unwrap_or("stage");
        let missing = || {
            let what =
                format!("{}: no column is named {name:?}; name that of the stages with --column", path.display());
            Error::usage(what).of_columns([name]).of_option("--column")
        };
        let column = source.position(name).ok_or_else(missing)?;
        let (mut names, mut rows): (Vec<String>, Vec<u16>) = (Vec::new(), Vec::new());
        for &group in source.row_groups() {
            let mut reader = ColumnReader::open(&source, group, column)?;
            while let Some(array) = reader.next_array()? {
                let texts = cast(&array, &DataType::Utf8).map_err(|e| Error::input(format!("{name:?}: {e}")))?;
                for stage in texts.as_string::<i32>() {
                    if let Some(stage) = stage.filter(|stage| [NEW, LEFT, NONE].contains(stage)) {
                        let what = format!(
                            "{}: {name:?} has the value {stage:?}, a word of the matrix; rename it",
                            path.display()
                        );
                        return Err(Error::input(what).of_columns([name]).of_kind(ErrorKind::Values));
                    }
                    let known = |stage: &str| names.iter().position(|other| other == stage);
                    let at = match stage {
                        None => MOST,
                        Some(stage) => known(stage).unwrap_or_else(|| {
                            names.push(stage.to_owned());
                            names.len() - 1
                        }),
                    };
                    rows.push(at as u16);
                }
                if names.len() > MOST {
                    let what = format!(
                        "{}: {name:?} has more than {MOST} values; is it the column of stages?",
                        path.display()
                    );
                    return Err(Error::input(what).of_columns([name]).of_kind(ErrorKind::Values));
                }
            }
        }
        Ok(StagesOfMonth { source, id, names, rows })
    }

    fn has_whole_ids(&self) -> bool {
        is_whole_id(&self.source.columns()[self.id].data_type)
    }

    /// The first row of each customer, ordered by key.
    fn customers(&self, round: KeyRound, watch: Watch<'_>) -> Result<Vec<KeyedRow>> {
        let mut rows = keyed_rows(&self.source, self.id, round, |_| true, watch)?;
        rows.dedup_by_key(|row| row.key());
        Ok(rows)
    }

    fn stage(&self, row: u64) -> &str {
        let at = self.rows.get(row as usize).copied().unwrap_or(MOST as u16);
        self.names.get(usize::from(at)).map_or(NONE, String::as_str)
    }
}
