//! One schema for all files: what each column is read as, and how files differ about it. The only place that decides.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;

use super::file::{Footer, is_int96};
use super::place::{ColumnPlace, FileColumn};
use super::widen::common;
use crate::error::{Error, Result};
use crate::text::Phrase;

/// Columns that are named in a note about differences.
const NAMED: usize = 4;

/// One column of a [`Source`](super::Source).
#[derive(Debug, Clone)]
pub struct SourceColumn {
    /// Its name.
    pub name: String,
    /// What it is read as: the narrowest type that holds the values of all files.
    pub data_type: DataType,
    /// Whether it comes from `key=value` folder names.
    pub is_partition: bool,
    /// How files disagree about it, or which lack its key: one line per file.
    pub conflicts: Vec<Phrase>,
    /// The types it has in files, if its values are converted; phrased to follow its name.
    pub widened: Option<Phrase>,
    /// The files that lack it, where it is null.
    pub lacking: Vec<PathBuf>,
    /// Whether its key is missing for any file.
    pub is_locked: bool,
    /// Whether a file has several columns of its name.
    pub is_repeated: bool,
    /// Whether its values come from folder names, of the input or of a joined table.
    pub(crate) from_folder: bool,
    /// The joined table that it comes from, and its position there.
    pub(crate) joined: Option<(usize, usize)>,
}

impl SourceColumn {
    /// How the files differ about it: one line per file, and one about its types.
    pub(crate) fn differences(&self) -> impl Iterator<Item = Phrase> + '_ {
        let name = &self.name;
        let widened = move |Phrase { en, zh }: &Phrase| Phrase::new(format!("{name:?} {en}"), format!("{name:?} {zh}"));
        let widened = self.widened.iter().map(widened);
        self.conflicts.iter().cloned().chain(self.lacks()).chain(widened)
    }

    /// The files that lack it, one a line.
    pub(super) fn lacks(&self) -> impl Iterator<Item = Phrase> + '_ {
        self.lacking.iter().map(|path| lacks(path, &self.name))
    }
}

fn lacks(path: &Path, name: &str) -> Phrase {
    let path = path.display();
    Phrase::new(format!("{path} has no column {name:?}"), format!("{path} 中没有字段 {name:?}"))
}

/// What the columns of a file are.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemaOfFile<'a> {
    pub(super) path: &'a Path,
    pub(super) footer: &'a Footer,
    pub(super) columns: &'a [FileColumn],
}

impl SchemaOfFile<'_> {
    fn has_rows(&self) -> bool {
        self.footer.metadata.metadata().file_metadata().num_rows() > 0
    }

    /// Whether a column has a type that says nothing about its time zone.
    fn has_no_zone(&self, column: &FileColumn) -> bool {
        matches!(column.place, ColumnPlace::Root(root) if is_int96(self.footer.metadata.metadata(), root))
    }
}

/// One list of columns from all files, in the order in which they first appear. Files without rows have no say, unless
/// all are empty.
pub(super) fn unify(files: &[SchemaOfFile<'_>]) -> Vec<SourceColumn> {
    let all_empty = !files.iter().any(SchemaOfFile::has_rows);
    let files: Vec<SchemaOfFile<'_>> = files.iter().filter(|f| all_empty || f.has_rows()).copied().collect();
    let mut names: Vec<&str> = Vec::new();
    let mut places: HashMap<&str, Vec<(usize, &FileColumn)>> = HashMap::new();
    for (f, file) in files.iter().enumerate() {
        for column in file.columns {
            let name = column.field.name().as_str();
            let found = places.entry(name).or_insert_with(|| {
                names.push(name);
                Vec::new()
            });
            found.push((f, column));
        }
    }
    names.iter().map(|name| Unified { files: &files, name, places: &places[name] }.column()).collect()
}

/// One column in all files.
struct Unified<'a> {
    files: &'a [SchemaOfFile<'a>],
    name: &'a str,
    /// Where files have it: file and column, in order.
    places: &'a [(usize, &'a FileColumn)],
}

impl<'a> Unified<'a> {
    fn column(&self) -> SourceColumn {
        let is_partition = matches!(self.places[0].1.place, ColumnPlace::Folder(_));
        let mut column = SourceColumn {
            name: self.name.to_owned(),
            data_type: self.places[0].1.field.data_type().clone(),
            is_partition,
            conflicts: Vec::new(),
            widened: None,
            lacking: Vec::new(),
            is_locked: false,
            is_repeated: false,
            from_folder: is_partition,
            joined: None,
        };
        let mut own: Vec<(&'a SchemaOfFile<'a>, &'a FileColumn)> = Vec::new();
        let mut places = self.places;
        for (f, file) in self.files.iter().enumerate() {
            let here = places.iter().take_while(|(at, _)| *at == f).count();
            let (found, later) = places.split_at(here);
            places = later;
            self.add(&mut column, &mut own, file, found);
        }
        if own.is_empty() && is_partition {
            let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
            let is_number = |place: &ColumnPlace| match place {
                ColumnPlace::Folder(Some(text)) => is_number(text),
                _ => true,
            };
            if self.places.iter().all(|(_, c)| is_number(&c.place)) {
                column.data_type = DataType::Float64;
            }
        } else {
            self.decide(&mut column, own);
        }
        column
    }

    /// Adds what one file has.
    fn add(
        &self,
        column: &mut SourceColumn,
        own: &mut Vec<(&'a SchemaOfFile<'a>, &'a FileColumn)>,
        file: &'a SchemaOfFile<'a>,
        found: &[(usize, &'a FileColumn)],
    ) {
        let (at, name) = (file.path.display(), self.name);
        let in_file = found.iter().map(|(_, c)| *c).filter(|c| !matches!(c.place, ColumnPlace::Folder(_)));
        match in_file.collect::<Vec<_>>().as_slice() {
            [] if column.is_partition && !found.is_empty() => {}
            [] if column.is_partition || !found.is_empty() => {
                column.conflicts.push(lacks(file.path, name));
            }
            [] => column.lacking.push(file.path.to_path_buf()),
            [FileColumn { place: ColumnPlace::Locked(why), .. }] => {
                let zh = format!("{at}：字段 {name:?} 已加密，缺少可用的密钥");
                column.conflicts.push(Phrase::new(format!("{at}: column {name:?} {why}"), zh));
                column.is_locked = true;
            }
            [FileColumn { place: ColumnPlace::Unfit(Phrase { en, zh }), .. }] => {
                column.conflicts.push(Phrase::new(format!("{at} has {en}"), format!("{at}：{zh}")));
            }
            [one] => own.push((file, one)),
            several => {
                let n = several.len();
                let zh = format!("{at} 中有 {n} 个名为 {name:?} 的字段");
                column.conflicts.push(Phrase::new(format!("{at} has {n} columns named {name:?}"), zh));
                column.is_repeated = true;
            }
        }
    }

    /// Decides the type. A column of nulls without a type has no say.
    fn decide(&self, column: &mut SourceColumn, mut own: Vec<(&SchemaOfFile<'_>, &FileColumn)>) {
        own.retain(|(_, c)| *c.field.data_type() != DataType::Null);
        // INT96 is a moment, and belongs to whatever zone others have.
        own.sort_by_key(|(file, c)| file.has_no_zone(c));
        let Some((home, first)) = own.first() else { return };
        let mut shared = first.field.data_type().clone();
        let mut seen: Vec<(&DataType, &Path)> = Vec::new();
        for (file, c) in &own {
            let own_type = c.field.data_type();
            let stated = match (own_type, &shared) {
                (DataType::Timestamp(unit, None), DataType::Timestamp(_, zone)) if file.has_no_zone(c) => {
                    DataType::Timestamp(*unit, zone.clone())
                }
                _ => own_type.clone(),
            };
            match common(&shared, &stated) {
                Some(wider) => shared = wider,
                None => {
                    let (at, name, home) = (file.path.display(), self.name, home.path.display());
                    column.conflicts.push(Phrase::new(
                        format!("{at} has {name:?} as {own_type}, {home} as {shared}"),
                        format!("字段 {name:?} 在 {at} 中为 {own_type}，在 {home} 中为 {shared}"),
                    ));
                }
            }
            if seen.iter().all(|(t, _)| *t != own_type) {
                seen.push((own_type, file.path));
            }
        }
        let is_text = matches!(shared, DataType::LargeUtf8);
        if column.conflicts.is_empty() && seen.len() > 1 && !is_text {
            let en: Vec<String> = seen.iter().map(|(t, path)| format!("{t} in {}", path.display())).collect();
            let zh: Vec<String> = seen.iter().map(|(t, path)| format!("{t}（{}）", path.display())).collect();
            column.widened = Some(Phrase::new(
                format!("is {}: read as {shared}", en.join(", ")),
                format!("的类型为 {}：按 {shared} 读取", zh.join("、")),
            ));
        }
        column.data_type = shared;
    }
}

/// Fails if files disagree about a column, some lack it, or its key is missing; `what` describes the columns, `without`
/// how to do without.
pub(crate) fn agreed<'a>(
    columns: impl IntoIterator<Item = &'a SourceColumn>,
    what: &str,
    without: Option<&str>,
) -> Result<()> {
    let columns: Vec<&SourceColumn> = columns.into_iter().collect();
    let faulty = columns.iter().filter(|c| !c.conflicts.is_empty() || !c.lacking.is_empty()).copied();
    refuse(faulty.collect(), what, without)
}

/// Like [`agreed`], for columns that are null in files which lack them, as in a table to which columns were added. Two
/// files each of which has a column that the other lacks are refused: columns were renamed, or it is another table.
pub(crate) fn agreed_where_present<'a>(
    columns: impl IntoIterator<Item = &'a SourceColumn>,
    what: &str,
    without: Option<&str>,
) -> Result<()> {
    let columns: Vec<&SourceColumn> = columns.into_iter().collect();
    let mut faulty: Vec<&SourceColumn> = columns.iter().filter(|c| !c.conflicts.is_empty()).copied().collect();
    let table = |c: &SourceColumn| c.joined.map(|(table, _)| table);
    for one in columns.iter().map(|c| table(c)).collect::<BTreeSet<_>>() {
        let of_table = columns.iter().filter(|c| table(c) == one).copied();
        let mut partial: Vec<&SourceColumn> = of_table.filter(|c| !c.lacking.is_empty()).collect();
        partial.sort_by_key(|c| c.lacking.len());
        if !partial.windows(2).all(|pair| lacks_within(pair[0], pair[1])) {
            faulty.extend(partial.into_iter().filter(|c| c.conflicts.is_empty()));
        }
    }
    refuse(faulty, what, without)
}

/// Fails if a file has none of the columns: it is not one of the table.
pub(crate) fn any_present<'a>(columns: impl IntoIterator<Item = &'a SourceColumn>) -> Result<()> {
    let columns: Vec<&SourceColumn> = columns.into_iter().collect();
    let Some(least) = columns.iter().min_by_key(|c| c.lacking.len()) else { return Ok(()) };
    let foreign = least.lacking.iter().find(|path| columns.iter().all(|c| c.lacking.contains(path)));
    let Some(path) = foreign else { return Ok(()) };
    let names: Vec<String> = columns.iter().take(NAMED).map(|c| format!("{:?}", c.name)).collect();
    let more = if columns.len() > NAMED { ", ..." } else { "" };
    Err(Error::input(format!(
        "{} has none of the features ({}{more}): it belongs to another table; leave it out of the input",
        path.display(),
        names.join(", ")
    ))
    .of_columns(columns.iter().map(|c| &c.name))
    .of_file(path))
}

/// Whether the files that lack one column all lack the other.
fn lacks_within(one: &SourceColumn, other: &SourceColumn) -> bool {
    let other: BTreeSet<&PathBuf> = other.lacking.iter().collect();
    one.lacking.iter().all(|path| other.contains(path))
}

fn refuse(columns: Vec<&SourceColumn>, what: &str, without: Option<&str>) -> Result<()> {
    if columns.is_empty() {
        return Ok(());
    }
    let any = |is: fn(&SourceColumn) -> bool| columns.iter().any(|c| is(c));
    let (problem, remedy) = match () {
        () if any(|c| c.is_locked) => (format!("{what} cannot be read"), "supply the missing keys with --keys"),
        () if any(|c| c.is_repeated) => {
            (format!("{what} are ambiguous"), "rename one of the columns when the file is written")
        }
        () => (format!("the files do not agree about {what}"), "use files with the same schema"),
    };
    let lines = columns.iter().flat_map(|c| c.conflicts.iter().cloned().chain(c.lacks())).map(|line| line.en);
    let lines: Vec<String> = lines.collect();
    let without = without.map(|without| format!(", or {without}")).unwrap_or_default();
    let error = Error::input(format!("{problem}:\n  {}\n{remedy}{without}", lines.join("\n  ")));
    let error = error.of_columns(columns.iter().map(|c| &c.name));
    Err(if any(|c| c.is_locked) { error.of_option("--keys") } else { error })
}

/// How files differ about columns without doing harm, in one line; None if they do not.
pub(crate) fn differences<'a>(columns: impl IntoIterator<Item = &'a SourceColumn>) -> Option<String> {
    let of = |c: &SourceColumn| {
        let lacking = c.lacking.first().map(|first| {
            let more = if c.lacking.len() > 1 { format!(" and {} more", c.lacking.len() - 1) } else { String::new() };
            format!("{:?} is missing from {}{more}: null there", c.name, first.display())
        });
        let widened = c.widened.as_ref().map(|widened| format!("{:?} {widened}", c.name));
        [widened, lacking].into_iter().flatten().reduce(|a, b| format!("{a}; {b}"))
    };
    let all: Vec<String> = columns.into_iter().filter_map(of).collect();
    let more = all.len().saturating_sub(NAMED);
    let list = all[..all.len() - more].join("; ");
    let more = if more > 0 { format!("; and {more} more columns") } else { String::new() };
    (!all.is_empty()).then(|| format!("the files differ: {list}{more}"))
}
