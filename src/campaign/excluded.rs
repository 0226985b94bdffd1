//! Customers who are kept out whatever the lists say: suppressed by id, or contacted often enough.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::file::{CampaignFile, ContactPressure, Suppression};
use super::tables::{Workplace, column};
use super::waterfall::KeptOut;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{
    Access, ColumnReader, Opening, RowGroup, Source, ValueKind, as_f64, id_keys, is_whole_id, whole_ids,
};
use crate::text::quoted;

/// Ids by reason.
#[derive(Debug)]
pub(super) struct Excluded {
    pub(super) suppressed: Vec<SuppressedIds>,
    /// Customers with too many contacts, ascending.
    pressed: Vec<u128>,
    /// Files of contacts.
    pub(super) contacts: Vec<(String, String)>,
}

/// The ids of one reason.
#[derive(Debug)]
pub(super) struct SuppressedIds {
    pub(super) reason: String,
    /// Paths, and the blake3 of their footers.
    pub(super) files: Vec<(String, String)>,
    /// Ascending, each once.
    keys: Vec<u128>,
    matched: AtomicU64,
}

impl SuppressedIds {
    /// Different ids.
    pub(super) fn ids(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Customers with one of them.
    pub(super) fn matched(&self) -> u64 {
        self.matched.load(Ordering::Relaxed)
    }
}

/// How ids are named and written among the customers.
#[derive(Clone, Copy)]
struct CustomerIds<'a> {
    name: &'a str,
    data_type: &'a arrow::datatypes::DataType,
}

impl Excluded {
    /// Reads the tables of suppressions and contacts, for customers with the id in this column.
    ///
    /// # Errors
    /// Tables without the column, or with ids of another kind, which would match nobody.
    pub(super) fn read(file: &CampaignFile, customers: (&Source, usize), place: Workplace<'_>) -> Result<Self> {
        let id = &customers.0.columns()[customers.1];
        let ids = CustomerIds { name: &id.name, data_type: &id.data_type };
        let read = |of: &Suppression| suppressed(of, file, ids, place);
        let suppressed = file.suppress.iter().map(read).collect::<Result<_>>()?;
        let pressure = file.pressure.as_ref().map(|pressure| pressed(pressure, file, ids, place)).transpose()?;
        let (pressed, contacts) = pressure.unwrap_or_default();
        Ok(Excluded { suppressed, pressed, contacts })
    }

    /// Why a customer is kept out: the first reason.
    pub(super) fn stop(&self, key: u128) -> Option<KeptOut> {
        let mut stop = None;
        for (reason, ids) in self.suppressed.iter().enumerate() {
            if ids.keys.binary_search(&key).is_ok() {
                ids.matched.fetch_add(1, Ordering::Relaxed);
                stop = stop.or(Some(KeptOut::Suppressed(reason)));
            }
        }
        stop.or_else(|| self.pressed.binary_search(&key).is_ok().then_some(KeptOut::Pressure))
    }
}

/// Opens a table of ids; `what` names it in messages.
fn open(
    paths: &[std::path::PathBuf],
    file: &CampaignFile,
    (ids, named, what): (CustomerIds<'_>, Option<&str>, &str),
    place: Workplace<'_>,
) -> Result<(Source, usize)> {
    let access = Access { keys: None, csv: file.customers.csv.clone() };
    let source = Source::open_as(paths, Opening { access: &access, scratch: place.scratch, watch: place.watch })?;
    let id = column(&source, named.unwrap_or(ids.name)).map_err(|e| e.of(what))?;
    let here = &source.columns()[id];
    if is_whole_id(&here.data_type) != is_whole_id(ids.data_type) {
        return Err(Error::input(format!(
            "{what}: its ids in column {:?} are {}, those of the customers {}, so that none would match; convert one \
             of them",
            here.name, here.data_type, ids.data_type
        ))
        .of_columns([&here.name])
        .of_kind(ErrorKind::Column));
    }
    Ok((source, id))
}

/// The files of a table, and the blake3 of their footers.
pub(super) fn hashes(source: &Source) -> Vec<(String, String)> {
    source.files().iter().map(|file| (file.path.display().to_string(), file.footer_hash().to_owned())).collect()
}

fn suppressed(
    of: &Suppression,
    file: &CampaignFile,
    ids: CustomerIds<'_>,
    place: Workplace<'_>,
) -> Result<SuppressedIds> {
    let what = format!("[[suppress]] {}", quoted(&of.reason));
    let (source, id) = open(&of.files, file, (ids, of.id.as_deref(), &what), place)?;
    let keys = different(&source, id, place)?;
    Ok(SuppressedIds { reason: of.reason.clone(), files: hashes(&source), keys, matched: AtomicU64::new(0) })
}

/// The keys of the ids in a table, ascending and each once, for customers with the id in this column; `what` names the
/// table in messages.
///
/// # Errors
/// A table without the column, or with ids of another kind.
pub(super) fn ids_in(
    path: &Path,
    file: &CampaignFile,
    customers: (&Source, usize),
    what: &str,
    place: Workplace<'_>,
) -> Result<Vec<u128>> {
    let id = &customers.0.columns()[customers.1];
    let ids = CustomerIds { name: &id.name, data_type: &id.data_type };
    let (source, id) = open(&[path.to_path_buf()], file, (ids, None, what), place)?;
    different(&source, id, place)
}

/// The keys of the ids of all rows, ascending and each once.
fn different(source: &Source, id: usize, place: Workplace<'_>) -> Result<Vec<u128>> {
    let mut keys = keys(source, id, &|_, keys| Ok(keys.into_iter().flatten().collect()), place)?;
    keys.par_sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// The keys of customers with `most` contacts or more in the window, which ends with the day of the campaign.
#[allow(clippy::type_complexity, reason = "keys, and files by path and hash")]
fn pressed(
    of: &ContactPressure,
    file: &CampaignFile,
    ids: CustomerIds<'_>,
    place: Workplace<'_>,
) -> Result<(Vec<u128>, Vec<(String, String)>)> {
    let what = "contacts of [pressure]";
    let (source, id) = open(&of.contacts, file, (ids, of.id.as_deref(), what), place)?;
    let day = column(&source, &of.day).map_err(|e| e.of(what))?;
    let description = &source.columns()[day];
    if ValueKind::of(&description.data_type) != ValueKind::Date {
        let text = format!("{what}: column {:?} has {}, not days", description.name, description.data_type);
        return Err(Error::input(text).of_columns([&description.name]).of_kind(ErrorKind::Column));
    }
    let (last, window) = (file.day(), f64::from(of.window_days));
    let recent = |group: RowGroup, keys: Vec<Option<u128>>| {
        let mut days = Vec::with_capacity(keys.len());
        let mut reader = ColumnReader::open(&source, group, day)?;
        while reader.next_values(&mut days, &mut 0)? {}
        let is_recent = |at: f64| at.floor() <= last && at.floor() > last - window;
        Ok(keys.into_iter().zip(days).filter_map(|(key, at)| key.filter(|_| is_recent(at))).collect())
    };
    let mut keys = keys(&source, id, &recent, place)?;
    keys.par_sort_unstable();
    let often = keys.chunk_by(|a, b| a == b).filter(|same| same.len() as u64 >= u64::from(of.most));
    Ok((often.map(|same| same[0]).collect(), hashes(&source)))
}

/// Which of the keys of a row group are wanted.
type KeyPick<'a> = dyn Fn(RowGroup, Vec<Option<u128>>) -> Result<Vec<u128>> + Sync + 'a;

/// The keys of the ids of all rows, as picked from each row group.
fn keys(source: &Source, id: usize, pick: &KeyPick<'_>, place: Workplace<'_>) -> Result<Vec<u128>> {
    let groups = source.row_groups().par_iter().with_max_len(1).map(|&group| {
        place.watch.check()?;
        pick(group, group_keys(source, group, id)?)
    });
    Ok(groups.collect::<Result<Vec<_>>>()?.concat())
}

fn group_keys(source: &Source, group: RowGroup, id: usize) -> Result<Vec<Option<u128>>> {
    let mut keys = Vec::with_capacity(group.rows as usize);
    let mut reader = ColumnReader::open(source, group, id)?;
    while let Some(array) = reader.next_array()? {
        let ids = whole_ids(&array, group.first_row + keys.len() as u64).and_then(|ids| id_keys(&ids));
        let name = &source.columns()[id].name;
        keys.extend(
            ids.map_err(|e| Error::input(format!("cannot read the ids in column {name:?}: {e}")).of_columns([name]))?,
        );
    }
    Ok(keys)
}

/// The values of an array as numbers, for ranking.
pub(super) fn numbers(array: &arrow::array::ArrayRef, name: &str) -> Result<Vec<f64>> {
    let mut values = Vec::with_capacity(array.len());
    as_f64(array, &mut values).map_err(|why| Error::input(format!("column {name:?}: {why}")).of_columns([name]))?;
    Ok(values)
}
