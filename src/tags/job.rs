//! Reads customers, tags them and writes the table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::book::{FACTS, TagBook};
use super::counts::{TagCounts, pairs};
use super::customers::TaggedCustomers;
use super::earlier::EarlierRun;
use super::file::DictionaryFile;
use super::plan::TagPlan;
use super::report::{Reported, TagReport};
use super::request::TagsRequest;
use super::table::{TagLayout, TaggedRows, Tagging, vet_segments};
use super::thresholds;
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{IdStream, Opening, RowGroup};
use crate::job::max_unmatched;
use crate::output::{NewFiles, TableWriter};
use crate::rules::Terms;

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
    let limit = max_unmatched(request.max_unmatched)?;
    let (path, out) = request.files()?;
    let dictionary = DictionaryFile::read(path)?;
    let others = request.labels.iter().chain(&request.previous).cloned();
    let arguments: Vec<PathBuf> = request.input.all().into_iter().chain([path.to_path_buf()]).chain(others).collect();
    let mut files = NewFiles::of_table(out, &arguments)?;
    let json = request.counts.json.as_deref().filter(|path| *path != Path::new("-"));
    json.map_or(Ok(()), |path| files.add(path, &arguments))?;
    let folder = out.parent();
    let mut customers = TaggedCustomers::open(request, folder, watch)?;
    let (book, conditions) = dictionary.compile(&customers.source, &mut terms)?;
    let thresholds = terms.thresholds.iter().map(|(threshold, _)| threshold.column);
    let needed: BTreeSet<usize> = conditions.columns().into_iter().chain(thresholds).collect();
    let needed: Vec<usize> = needed.into_iter().collect();
    customers.join(&needed, (request, limit), folder, watch)?;
    let TaggedCustomers { source, id, label, names } = customers;
    let plan = TagPlan::new(&source, &book, needed.len(), request.resources.budget())?;
    thresholds::find(&source, &mut terms, plan.at_a_time, watch)?;
    // Now with the values of the figures.
    let (book, conditions) = dictionary.compile(&source, &mut terms)?;
    let access = request.input.access();
    let scratch = request.resources.existing_scratch_folder(folder);
    let opening = Opening { access: &access, scratch: &scratch, watch };
    let open = |path: &PathBuf| EarlierRun::open(path, (&source, id), (&book, terms.day), opening);
    let earlier = request.previous.as_ref().map(open).transpose()?;
    let layout = TagLayout::new(request.format, IdStream::new(&source, id).field(), &book, terms.day);
    let mut writer = TableWriter::new(files.file(out)?, out.to_path_buf(), layout.schema.clone())?;
    writer.describe(FACTS, facts(&book, &terms)?);
    let tagging = Tagging { book: &book, conditions: &conditions, source: &source, label };
    let run = TagRun { tagging, id, earlier, plan, watch };
    let (counts, left) = run.write(&layout, &mut writer)?;
    let (customers, small_cells, written) = (source.rows(), request.counts.small_cells(), writer.finish()?);
    let format = request.format;
    let told = Reported { book: &book, terms: &terms, customers, small_cells, written, format, left, names };
    let report = told.report(&counts);
    source.vet_unchanged()?;
    json.map_or(Ok(()), |path| files.text(path, &as_json(&report)?))?;
    watch.stage(Stage::Write, 0, "files", || files.commit())?;
    Ok(report)
}

/// Tags all rows of a table.
struct TagRun<'a> {
    tagging: Tagging<'a>,
    id: usize,
    earlier: Option<EarlierRun>,
    plan: TagPlan,
    watch: Watch<'a>,
}

impl TagRun<'_> {
    /// Tags the rows in waves of row groups, and writes them in order. Returns the counts, and by tag the rows of the
    /// earlier run whose customers are gone.
    fn write(&self, layout: &TagLayout, writer: &mut TableWriter) -> Result<(TagCounts, Option<Vec<u64>>)> {
        let (source, watch) = (self.tagging.source, self.watch);
        let mut ids = IdStream::new(source, self.id);
        let tags = self.tagging.book.tags.len();
        // Complete also where there are no rows.
        let mut counts = TagCounts {
            tags: vec![[0; 2]; tags],
            stages: vec![0; self.tagging.book.stages.len() + 1],
            overlaps: vec![0; pairs(tags).count()],
            moves: if self.earlier.is_some() { vec![[0; 2]; tags] } else { Vec::new() },
            ..TagCounts::default()
        };
        let mut left = vec![0; counts.tags.len()];
        watch.stage(Stage::Rules, source.rows(), "rows", || {
            for groups in self.looked_up_together() {
                let earlier =
                    self.earlier.as_ref().map(|run| run.tags_of((source, self.id), groups, watch)).transpose()?;
                for (left, [rows, found]) in left.iter_mut().zip(earlier.iter().flat_map(|(_, rows)| rows)) {
                    // Rows are counted by every pass.
                    *left = if groups.first().is_none_or(|group| group.first_row == 0) {
                        rows - found
                    } else {
                        *left - found
                    };
                }
                let tags = earlier.as_ref().map(|(tags, _)| tags);
                for wave in groups.chunks(self.plan.at_a_time) {
                    watch.check()?;
                    let tagged =
                        wave.par_iter().with_max_len(1).map(|&group| TaggedRows::of(&self.tagging, group, tags));
                    for mut rows in tagged.collect::<Result<Vec<_>>>()? {
                        counts.add(std::mem::take(&mut rows.counts));
                        if let Some(label) = self.tagging.label {
                            vet_segments(counts.segments.len(), &source.columns()[label].name)?;
                        }
                        watch.advance(Stage::Rules, rows.rows as u64);
                        if rows.rows > 0 {
                            let ids = ids.take(rows.rows)?;
                            writer.push(rows.batch(&ids, layout)?)?;
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok((counts, self.earlier.is_some().then_some(left)))
    }

    /// The row groups, in parts whose earlier tags fit the memory.
    fn looked_up_together(&self) -> Vec<&[RowGroup]> {
        let groups = self.tagging.source.row_groups();
        let Some(earlier) = &self.earlier else { return vec![groups] };
        let most = earlier.rows_at_a_time(self.tagging.source.rows(), self.plan.earlier);
        let (mut parts, mut start, mut rows) = (Vec::new(), 0, 0);
        for (at, group) in groups.iter().enumerate() {
            if rows > 0 && rows + group.rows > most {
                parts.push(&groups[start..at]);
                (start, rows) = (at, 0);
            }
            rows += group.rows;
        }
        parts.push(&groups[start..]);
        parts
    }
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
