//! Who moved from which stage to which between two months.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::job::{as_json, id_column};
use super::request::MatrixRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Watch};
use crate::input::{ColumnReader, KeyRound, KeyedRow, Source, is_whole_id, keyed_rows};
use crate::output::NewFiles;

/// The most stages of a month.
const MOST: usize = 256;

/// Where customers were, and are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageMatrix {
    /// Customers in both months.
    pub stayed: u64,
    /// Counts of fewer customers are withheld.
    pub small_cells: u64,
    /// Ordered by the earlier stage, then by the later one.
    pub flows: Vec<StageFlow>,
}

/// Customers who went from one stage to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageFlow {
    /// The earlier stage: `(new)` if there was no such customer, `(none)` if he was in no stage.
    pub from: String,
    /// The later stage: `(left)` if there is no such customer any more.
    pub to: String,
    /// How many; None: withheld.
    pub customers: Option<u64>,
    /// Of all customers of the earlier stage; None: withheld.
    pub share: Option<f64>,
}

/// Compares the stages of two tables, by id. Of rows that repeat an id, the first counts; rows without an id do not.
///
/// # Errors
/// A table that cannot be read, or lacks the column of stages or the id; ids of different kinds.
pub fn stage_matrix(request: &MatrixRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<StageMatrix> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &MatrixRequest, watch: Watch<'_>) -> Result<StageMatrix> {
    let json = request.json.as_deref().filter(|path| *path != Path::new("-"));
    let mut files = NewFiles::default();
    json.map_or(Ok(()), |path| files.add(path, &[request.old.clone(), request.new.clone()]))?;
    let [old, new] = [StagesOfMonth::open(&request.old, request)?, StagesOfMonth::open(&request.new, request)?];
    if old.has_whole_ids() != new.has_whole_ids() {
        let kind = |month: &StagesOfMonth| month.source.columns()[month.id].data_type.to_string();
        let what = format!("the ids of OLD are {}, those of NEW {}; store them alike", kind(&old), kind(&new));
        return Err(Error::input(what).of_kind(ErrorKind::Column));
    }
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let (rows, memory) = (old.source.rows() + new.source.rows(), request.resources.budget() / 2);
    for round in KeyRound::all(rows, memory) {
        count(&mut counts, (&old, old.customers(round, watch)?), (&new, new.customers(round, watch)?));
    }
    let matrix = StageMatrix::of(counts, request.small_cells.unwrap_or(10));
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
        let from = before.next_if(|_| order.is_le()).map_or("(new)", |row| old.stage(row.row));
        let to = now.next_if(|_| order.is_ge()).map_or("(left)", |row| new.stage(row.row));
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
        self.names.get(usize::from(at)).map_or("(none)", String::as_str)
    }
}

impl StageMatrix {
    fn of(counts: BTreeMap<(&str, &str), u64>, small_cells: u64) -> Self {
        let stayed = counts.iter().filter(|((from, to), _)| *from != "(new)" && *to != "(left)").map(|(_, n)| n).sum();
        let mut shown: BTreeMap<(&str, &str), bool> = counts.iter().map(|(at, &n)| (*at, n >= small_cells)).collect();
        // Sums of lines and columns may be known: none of them may have a single cell withheld.
        while let Some(also) = follows(&counts, &shown) {
            shown.insert(also, false);
        }
        let total = |from: &str| counts.iter().filter(|(at, _)| at.0 == from).map(|(_, n)| n).sum::<u64>();
        let flow = |(&(from, to), &n): (&(&str, &str), &u64)| {
            let customers = shown[&(from, to)].then_some(n);
            // A share would tell the withheld total where it can be told from the others.
            let share = customers.map(|n| n as f64 / total(from) as f64);
            let whole = shown.iter().all(|(at, is_shown)| at.0 != from || *is_shown);
            StageFlow { from: from.to_owned(), to: to.to_owned(), customers, share: share.filter(|_| whole) }
        };
        StageMatrix { stayed, small_cells, flows: counts.iter().map(flow).collect() }
    }
}

/// A cell that has to be withheld with the only one of its line or column that is.
fn follows<'a>(
    counts: &BTreeMap<(&'a str, &'a str), u64>,
    shown: &BTreeMap<(&'a str, &'a str), bool>,
) -> Option<(&'a str, &'a str)> {
    let hidden: Vec<(&'a str, &'a str)> = shown.iter().filter(|(_, shown)| !**shown).map(|(at, _)| *at).collect();
    let sides: [fn(&(&'a str, &'a str)) -> &'a str; 2] = [|at| at.0, |at| at.1];
    sides.into_iter().find_map(|side| {
        let alone = |at: &&(&'a str, &'a str)| hidden.iter().filter(|other| side(other) == side(at)).count() == 1;
        hidden.iter().filter(alone).find_map(|at| {
            let same = counts.iter().filter(|(other, _)| side(other) == side(at) && shown[*other]);
            same.min_by_key(|(other, n)| (**n, **other)).map(|(other, _)| *other)
        })
    })
}
