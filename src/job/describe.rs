//! Describe: the profile of rows whose labels are in a table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::given::{GivenLabels, numbered_from_0};
use super::page::{MadeOf, earlier, page_of};
use super::profile::{ProfiledLabels, ShownColumns, as_json, describe, other, shown_of_model};
use super::request::ProfileRequest;
use super::rule_tree::{SegmentRows, cuts};
use super::{card_rules, inputs, outputs};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Watch};
use crate::input::{JoinCounts, OtherTable, Source, agreed};
use crate::model::Model;
use crate::output::{NewFiles, ROW, RUN};
use crate::profile::{ColumnRole, ProfileReport, ShownColumn};
use crate::roles::{RoleRequest, guess_id};
use crate::text::{did_you_mean, percent, thousands};

/// The column of labels by default: as a fit writes it.
const SEGMENT: &str = "segment";

/// Describes the segments of rows whose labels are in another table, or in the input itself. Writes the file `json` of
/// the request, if it names one other than `-`.
///
/// # Errors
/// An input or labels that cannot be read, no column of labels, or labels that match no row.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{InputOptions, ProfileRequest, profile};
///
/// let request = ProfileRequest {
///     input: InputOptions::of(["data/customers.parquet"]),
///     label_column: Some("true_segment".into()),
///     ..ProfileRequest::default()
/// };
/// let report = profile(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!((report.rows, report.segments.len()), (20_000, 6));
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn profile(
    request: &ProfileRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<ProfileReport> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &ProfileRequest, watch: Watch<'_>) -> Result<ProfileReport> {
    let limit = request.max_unmatched()?;
    let json = request.json.as_deref().filter(|path| *path != Path::new("-"));
    let previous = request.previous_profile.iter();
    let arguments = [request.input.all(), request.labels.iter().chain(previous).cloned().collect()].concat();
    let mut files = NewFiles::default();
    let page = request.report.as_deref();
    [json, page].into_iter().flatten().try_for_each(|path| files.add(path, &arguments))?;
    let earlier = earlier(request.previous_profile.as_deref())?;
    let model = request.labels.as_ref().map(|labels| labels.join("model.json")).filter(|path| path.is_file());
    let model = model.map(|path| Model::load(&path)).transpose()?;
    let mut rows = LabelledRows::open(request, model.as_ref(), watch)?;
    let shown = rows.columns(request, model.as_ref())?;
    let cut = cuts(&rows.source, &shown.columns);
    let described = shown.columns.iter().map(|shown| shown.column).chain(shown.products.iter().copied());
    let needed = described.chain(rows.beside.is_none().then_some(rows.label));
    let needed: Vec<usize> = needed.collect();
    inputs::tell_differences(&rows.source, needed.iter().copied(), watch);
    let joins = inputs::join(&mut rows.source, &needed, &request.resources, json.and_then(Path::parent), watch)?;
    if let Some(labels) = joins.last().filter(|_| request.labels.is_some() && rows.beside.is_none()) {
        vet_matches(labels, limit)?;
    }
    let folder = request.resources.scratch_folder(json.and_then(Path::parent));
    let labels = GivenLabels::read(rows.beside.as_ref().unwrap_or(&rows.source), rows.label, &folder)?;
    let of = ProfiledLabels {
        log: &labels.log,
        segments: labels.segments,
        names: labels.names.clone().or(rows.names.take()),
        labels_blake3: &labels.blake3,
        small_cells: request.small_cells(),
    };
    let described = describe(&rows.source, shown, of, request.resources.budget(), watch)?;
    let mut report = described.report;
    // The rules of a divided bank would be those of its parts.
    if page.is_some() && model.as_ref().is_none_or(|model| model.division.is_none()) {
        let of = SegmentRows { source: &rows.source, log: &labels.log, counts: &described.segments };
        card_rules::tell(&mut report, of, ((None, 0), cut), watch)?;
    }
    // Numbers that no label has are not segments: those of another tool begin at 1.
    report.segments.retain(|segment| segment.customers > 0);
    std::iter::once(&rows.source).chain(&rows.beside).try_for_each(Source::vet_unchanged)?;
    if let Some(path) = json {
        files.text(path, &as_json(&report)?)?;
    }
    if let Some(path) = page {
        let made_of =
            MadeOf { source: &rows.source, labels: request.labels.as_deref(), choices: Vec::new(), trees: Vec::new() };
        files.text(path, &page_of(&report, &made_of, earlier.as_ref(), request.lang))?;
    }
    files.commit()?;
    Ok(report)
}

/// Refuses labels that are likely those of other rows.
pub(crate) fn vet_matches(labels: &JoinCounts, limit: f64) -> Result<()> {
    let rows = labels.matched + labels.unmatched;
    if labels.unmatched as f64 <= limit * rows as f64 {
        return Ok(());
    }
    let JoinCounts { path, unmatched, unused, .. } = labels;
    let text = format!(
        "{path} has no label for {} of {} rows ({}), and {} of its ids are not in the input; check --id and --labels, \
         or raise --max-unmatched",
        thousands(*unmatched),
        thousands(rows),
        percent(*unmatched as f64 / rows as f64),
        thousands(*unused),
    );
    Err(Error::input(text).of_option("--labels"))
}

/// Rows, and where their labels are.
struct LabelledRows {
    source: Source,
    id: Option<String>,
    /// A table whose rows are in the same order; None: the labels are a column of the source.
    beside: Option<Source>,
    /// The column of labels there.
    label: usize,
    /// Columns that came with the labels: never described.
    with_labels: Vec<String>,
    /// What the labels call segments, by number.
    names: Option<Vec<String>>,
}

impl LabelledRows {
    fn open(request: &ProfileRequest, model: Option<&Model>, watch: Watch<'_>) -> Result<Self> {
        let wanted = request.label_column.as_deref().unwrap_or(SEGMENT);
        let asked = request.columns.id.as_deref();
        let place = (&request.resources, request.json.as_deref().and_then(Path::parent));
        let source = inputs::open(&request.input, asked, place, watch)?;
        let remembered = model.and_then(|model| model.provenance.id_column.as_deref());
        let named = asked.or(remembered.filter(|id| source.position(id).is_some())).map(str::to_owned);
        let guessed = || guess_id(source.columns(), &[]).map(|id| source.columns()[id].name.clone());
        let id = named.or_else(guessed);
        let Some(path) = request.labels.as_deref().map(of_folder) else {
            let label = position(&source, wanted, "the input")?;
            let (with_labels, names) = (vec![wanted.to_owned()], None);
            return Ok(LabelledRows { source, id, beside: None, label, with_labels, names });
        };
        let labels = Source::open_with(std::slice::from_ref(&path), &request.input.access())?;
        let at = format!("{}", path.display());
        let label = position(&labels, wanted, &at)?;
        let names = outputs::segment_names(&labels).filter(|_| wanted == SEGMENT);
        if id.as_deref().and_then(|id| labels.position(id)).is_none() {
            if labels.rows() != source.rows() {
                return Err(Error::input(format!(
                    "{at} has no column {} to find rows by, and {} rows where the input has {}; name the id with --id",
                    id.map_or_else(|| "of ids".into(), |id| format!("{id:?}")),
                    labels.rows(),
                    source.rows()
                ))
                .of_option("--labels"));
            }
            agreed([&labels.columns()[label]], "labels", None)?;
            in_order(&labels, label, &at)?;
            return Ok(LabelledRows { source, id, beside: Some(labels), label, with_labels: Vec::new(), names });
        }
        // A table of labels may have other columns of the input, too.
        let beside = OtherTable { path, only: Some(wanted.to_owned()) };
        let joined = inputs::open_beside(&request.input, Some(beside), id.as_deref(), place, watch.quiet());
        let joined = joined.map_err(|e| Error::input(e.to_string().replace("--join", "--labels")).of_kind(e.kind()))?;
        let label = position(&joined, wanted, &at)?;
        Ok(LabelledRows { source: joined, with_labels: vec![wanted.to_owned()], id, beside: None, label, names })
    }

    /// The columns to describe, and those of products.
    fn columns(&self, request: &ProfileRequest, model: Option<&Model>) -> Result<ShownColumns> {
        let asked = &request.columns;
        let is_default = asked.features.is_empty() && asked.include.is_empty() && asked.exclude.is_empty();
        let model = model.filter(|_| is_default);
        let of_model = |model: &Model| -> Vec<String> {
            let all: BTreeSet<String> = model.parts.iter().flat_map(|part| part.preparation.source_columns()).collect();
            all.into_iter().collect()
        };
        let features = model.map_or_else(|| asked.features.clone(), of_model);
        let encoded = |name: &String| model.is_some_and(|m| m.parts.iter().any(|part| part.preparation.encodes(name)));
        let mut roles = RoleRequest {
            id: self.id.clone(),
            encoded: features.iter().filter(|name| encoded(name)).cloned().collect(),
            features,
            include: asked.include.clone(),
            exclude: [asked.exclude.clone(), self.with_labels.clone()].concat(),
            outcomes: asked.outcome.clone(),
            products: asked.product.clone(),
            ..RoleRequest::default()
        }
        .resolve(&self.source)?;
        let is_wanted = |column: usize| !self.with_labels.contains(&self.source.columns()[column].name);
        roles.outcomes.retain(|outcome| is_wanted(outcome.column));
        // Features by name are all that is wanted.
        roles.described.retain(|&column| asked.features.is_empty() && is_wanted(column));
        match model {
            Some(model) => shown_of_model(&self.source, &model.parts, &roles),
            None => {
                let features = roles.features.iter().map(|&column| (column, ColumnRole::Feature));
                let all = features.chain(roles.outcomes.iter().map(|outcome| (outcome.column, ColumnRole::Outcome)));
                let known = all.filter_map(|(column, role)| ShownColumn::new(&self.source, column, false, role));
                let others = roles.described.iter().filter_map(|&column| other(&self.source, column));
                Ok(ShownColumns { columns: known.chain(others).collect(), products: roles.products })
            }
        }
    }
}

/// Refuses labels that are known not to be in the order of the input. A fit without ids numbers its rows.
fn in_order(labels: &Source, label: usize, at: &str) -> Result<()> {
    let is_ours = labels.fact(RUN).is_some();
    let numbers = labels.position(ROW).filter(|&c| is_ours && labels.columns()[c].data_type.is_integer());
    let ordered = match numbers {
        Some(column) => numbered_from_0(labels, column)?,
        None => !labels.columns()[label].is_partition,
    };
    if ordered {
        return Ok(());
    }
    let text = format!(
        "the rows of {at} are not in the order of the input, and it has no ids to find them by; name the id with --id, \
         or write the labels without --partition-by"
    );
    Err(Error::input(text).of_option("--labels"))
}

/// Where the labels are in the folder of a fit or an assign.
pub(crate) fn of_folder(path: &Path) -> PathBuf {
    let places = [path.join("segments"), path.join("segments.parquet")];
    places.into_iter().find(|place| place.exists()).unwrap_or_else(|| path.to_path_buf())
}

fn position(source: &Source, name: &str, at: &str) -> Result<usize> {
    source.position(name).ok_or_else(|| {
        let names = || source.columns().iter().map(|c| c.name.as_str());
        let text = format!(
            "{at} has no column of labels {name:?}{}; name it with --label-column, or the labels with --labels",
            did_you_mean(name, names())
        );
        Error::usage(text).of_kind(ErrorKind::Column).of_columns([name]).of_option("--label-column")
    })
}
