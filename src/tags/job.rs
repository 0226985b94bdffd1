//! Reads customers, tags them and writes the table.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::book::TagBook;
use super::file::DictionaryFile;
use super::report::{TagCounts, TagReport};
use super::request::TagsRequest;
use super::table::{TagLayout, TaggedRows};
use super::thresholds;
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{IdStream, Source};
use crate::job::inputs;
use crate::output::{NewFiles, TableWriter};
use crate::roles::guess_id;
use crate::rules::{Conditions, Terms};
use crate::text::did_you_mean;

/// Tags customers and publishes the table once complete; until then `out` is unchanged.
///
/// The output has the id, `stage` if there are stages (null: in none) and a Boolean column for each tag (null:
/// unknown), in the order of the input; or one row for each tag that a customer has. The dictionary is in the footer,
/// as `hyades.tags`.
///
/// # Errors
/// All faults of the dictionary at once; a column without values whose quantile or mean is asked for; an input that
/// cannot be read; no id.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::InputOptions;
/// use hyades::tags::{TagsRequest, tag};
///
/// let folder = tempfile::tempdir()?;
/// let dictionary = folder.path().join("tags.toml");
/// std::fs::write(&dictionary, "[[tag]]\ncode = \"young\"\nwhen = \"age_years < 30\"\n")?;
/// let request = TagsRequest {
///     dictionary: Some(dictionary),
///     input: InputOptions::of(["data/customers.parquet"]),
///     out: Some(folder.path().join("tagged.parquet")),
///     ..TagsRequest::default()
/// };
/// let report = tag(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!((report.customers, report.tags[0].tag.code.as_str()), (20_000, "young"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tag(request: &TagsRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<TagReport> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &TagsRequest, watch: Watch<'_>) -> Result<TagReport> {
    let mut terms = Terms { day: request.days()?, ..Terms::default() };
    let (path, out) = request.files()?;
    let dictionary = DictionaryFile::read(path)?;
    let arguments = [request.input.all(), vec![path.to_path_buf()]].concat();
    let mut files = NewFiles::of_table(out, &arguments)?;
    let json = request.json.as_deref().filter(|path| *path != Path::new("-"));
    json.map_or(Ok(()), |path| files.add(path, &arguments))?;
    let folder = out.parent();
    let mut source = inputs::open(&request.input, request.id.as_deref(), (&request.resources, folder), watch)?;
    let id = id_column(&source, request.id.as_deref())?;
    let (_, conditions) = dictionary.compile(&source, &mut terms)?;
    let thresholds = terms.thresholds.iter().map(|(threshold, _)| threshold.column);
    let needed: Vec<usize> = conditions.columns().into_iter().chain(thresholds).collect();
    inputs::tell_differences(&source, needed.iter().copied().chain([id]), watch);
    inputs::join(&mut source, &needed, &request.resources, folder, watch)?;
    thresholds::find(&source, &mut terms, watch)?;
    // Now with the values of the figures.
    let (book, conditions) = dictionary.compile(&source, &mut terms)?;
    let mut ids = IdStream::new(&source, id);
    let layout = TagLayout::new(request.format, ids.field(), &book, terms.day);
    let mut writer = TableWriter::new(files.file(out)?, out.to_path_buf(), layout.schema.clone())?;
    writer.describe("hyades.tags", facts(&book, &terms)?);
    let counts = write(&source, (&book, &conditions), (&mut ids, &layout), &mut writer, watch)?;
    let mut report = counts.report(&book, &terms, source.rows(), request.small_cells());
    (report.rows, report.bytes) = writer.finish()?;
    source.vet_unchanged()?;
    json.map_or(Ok(()), |path| files.text(path, &as_json(&report)?))?;
    watch.stage(Stage::Write, 0, "files", || files.commit())?;
    Ok(report)
}

/// Tags all rows in waves of row groups, and writes them in order.
fn write(
    source: &Source,
    (book, conditions): (&TagBook, &Conditions),
    (ids, layout): (&mut IdStream<'_>, &TagLayout),
    writer: &mut TableWriter,
    watch: Watch<'_>,
) -> Result<TagCounts> {
    let mut counts = TagCounts {
        tags: vec![[0; 2]; book.tags.len()],
        stages: vec![0; book.stages.len() + 1],
        ..TagCounts::default()
    };
    watch.stage(Stage::Rules, source.rows(), "rows", || {
        for wave in source.row_groups().chunks(rayon::current_num_threads()) {
            watch.check()?;
            let tagged = wave.par_iter().with_max_len(1).map(|&group| TaggedRows::of(book, conditions, source, group));
            for rows in tagged.collect::<Result<Vec<_>>>()? {
                counts.add(&rows.counts);
                watch.advance(Stage::Rules, rows.rows as u64);
                if rows.rows > 0 {
                    let ids = ids.take(rows.rows)?;
                    writer.push(rows.batch(&ids, layout)?)?;
                }
            }
        }
        Ok(counts)
    })
}

/// The column of ids.
pub(super) fn id_column(source: &Source, named: Option<&str>) -> Result<usize> {
    let Some(name) = named else {
        let none = || Error::usage("no column is named like an id; name it with --id".into()).of_option("--id");
        return guess_id(source.columns(), &[]).ok_or_else(none);
    };
    source.position(name).ok_or_else(|| {
        let names = source.columns().iter().map(|column| column.name.as_str());
        let what = format!("--id: no column is named {name:?}{}", did_you_mean(name, names));
        Error::usage(what).of_columns([name]).of_option("--id")
    })
}

/// What the footer says: the dictionary, the meanings, the reference date and the figures.
fn facts(book: &TagBook, terms: &Terms) -> Result<String> {
    let of = serde_json::json!({
        "day": terms.day.map(|day| crate::text::day(day as f64)),
        "dictionary": book,
        "meanings": book.tags.iter().map(|tag| (tag.code.clone(), tag.meaning())).collect::<Vec<_>>(),
        "thresholds": terms.thresholds.iter().map(|(of, value)| (of.to_string(), value)).collect::<Vec<_>>(),
    });
    serde_json::to_string(&of).map_err(|e| Error::Internal(e.to_string()))
}

pub(super) fn as_json(of: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(of).map_err(|e| Error::Internal(e.to_string()))? + "\n")
}
