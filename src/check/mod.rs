//! Checks what is in files, and whether it meets expectations: from a [`CheckRequest`] to a [`CheckReport`], and to
//! JSON and an HTML page if requested.
//!
//! One pass decodes each column once (`pass`) and counts (`profile`: `numbers`, compared by their `grain`, `text`,
//! `distinct`, `edges`, `sample`; `across` columns; repeated `rows`). The counts yield the findings (`findings`,
//! `sentinel`, `personal`; `table`), the breaches of expectations (`expect`), and the report (`report`, `page`). The
//! report depends only on the files: not on threads, order or time. Deliberately absent: changes to the data, and any
//! judgement not backed by a number.

mod across;
mod breach;
mod class;
mod distinct;
mod edges;
mod expect;
mod finding;
mod findings;
mod grain;
mod numbers;
mod page;
mod pass;
mod personal;
mod piece;
mod profile;
mod report;
mod rows;
mod sample;
mod sentinel;
mod starter;
mod table;
mod text;
mod value;
mod written;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use across::STRONG;
pub use breach::Breach;
pub use class::Class;
pub use distinct::DISTINCT_ERROR;
pub use finding::{Finding, Severity};
pub use report::{
    CheckReport, ColumnReport, Common, Correlation, Expectation, FileReport, IdReport, NumberReport, QUANTILES,
    SampledHistogram, TextReport,
};
pub use starter::starting_recipe;
pub use value::Value;

use self::across::Pairs;
use self::expect::Expectations;
use self::findings::Role;
use self::pass::{PassOutcome, pass};
use self::profile::Profile;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Watch};
use crate::input::{IdFindings, Source, SourceColumn, agreed, check_ids, count_repeated};
use crate::job::{InputOptions, Resources, inputs};
use crate::output::NewFiles;
use crate::report::Language;
use crate::roles::{RoleRequest, Roles, guess_id, read_words};
use crate::text::{quoted, shown};

/// What to check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct CheckRequest {
    /// Which tables to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// The customers' id [default: a column named like one]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// Words for further protected attributes, from a text file: one a line, such as
    /// kz_gs = sex
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub protected_words: Option<PathBuf>,
    /// TOML with [table] and [columns.NAME]: what is expected; what is broken ends
    /// with exit code 3
    #[allow(
        rustdoc::broken_intra_doc_links,
        rustdoc::private_intra_doc_links,
        reason = "brackets of TOML; the text is the help of the command line, too"
    )]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub expect: Option<PathBuf>,
    /// Also write the report to this file, as JSON
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub json: Option<PathBuf>,
    /// Also write the report to this file, as one HTML page
    #[serde(rename = "report")]
    #[cfg_attr(feature = "cli", arg(long = "report", value_name = "FILE"))]
    pub page: Option<PathBuf>,
    /// Language of the page: en or zh
    #[cfg_attr(feature = "cli", arg(long, value_name = "LANG", default_value_t))]
    pub lang: Language,
    /// Threads, memory and scratch space. Duplicate rows are looked for where their hashes, 16 bytes a row, fit into
    /// half of the memory.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

/// Checks an input and writes the requested outputs. Unmet expectations are part of the report:
/// [`CheckReport::verdict`] turns them into an error.
///
/// The outputs are the files `json` and `page` of the request, if it names any; each appears when it is complete.
///
/// # Errors
/// An input that cannot be read, an expectations file that does not fit it, an output that cannot be written, or
/// [`Error::Interrupted`].
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::check::{CheckRequest, check};
/// use hyades::event::Silent;
/// use hyades::job::InputOptions;
///
/// let folder = tempfile::tempdir()?;
/// let page = folder.path().join("report.html");
/// let input = InputOptions::of(["data/customers.parquet"]);
/// let request = CheckRequest { input, page: Some(page.clone()), ..CheckRequest::default() };
/// let report = check(&request, &Silent, &AtomicBool::new(false))?;
/// report.verdict()?;
/// assert_eq!(report.rows, 20_000);
/// assert!(page.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(
    request: &CheckRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<CheckReport> {
    check_source(request, None, Watch::new(observer, stop))
}

/// The same, where the input may be open.
pub(crate) fn check_source(request: &CheckRequest, source: Option<&Source>, watch: Watch<'_>) -> Result<CheckReport> {
    request.resources.install(|| {
        let mut source = match source {
            Some(source) => source.clone(),
            None => open(request, watch)?,
        };
        let expectations = request.expect.as_ref().map(|path| Expectations::read(path, &source)).transpose()?;
        let id = id_of(request, &source)?;
        // Before the work: an output that cannot be written should fail before every row is read.
        let outputs = [&request.json, &request.page];
        if let [Some(json), Some(page)] = outputs
            && json == page
        {
            return Err(Error::usage(format!("{} is named for two outputs; choose a path for each", json.display()))
                .of_file(json));
        }
        let mut files = new_files(request, &source)?;
        // Columns on which the files disagree are not examined.
        let all: Vec<usize> =
            (0..source.columns().len()).filter(|&c| source.columns()[c].conflicts.is_empty()).collect();
        inputs::join(&mut source, &all, &request.resources, None, watch)?;
        let roles = request.roles(&source, id)?.sort(&source)?;
        let report = examine(&source, (id, &roles), expectations.as_ref(), request.resources.budget(), watch)?;
        source.vet_unchanged()?;
        if let Some(path) = &request.json {
            let text = serde_json::to_string_pretty(&report).map_err(|e| Error::Internal(e.to_string()))?;
            files.text(path, &(text + "\n"))?;
        }
        if let Some(path) = &request.page {
            files.text(path, &page::page(&report, request.lang))?;
        }
        files.commit()?;
        Ok(report)
    })
}

/// The outputs, none of which is a file that the run reads.
fn new_files(request: &CheckRequest, source: &Source) -> Result<NewFiles> {
    let keys = request.input.keys.clone().and_then(|mut keys| keys.path_mut().map(|path| path.clone()));
    let found = source.files().iter().chain(source.joined_files()).map(|f| f.path.clone());
    let arguments: Vec<PathBuf> = found
        .chain(request.input.all())
        .chain(request.expect.clone())
        .chain(request.protected_words.clone())
        .chain(keys)
        .collect();
    let mut files = NewFiles::default();
    for path in request.json.iter().chain(&request.page) {
        files.add(path, &arguments)?;
    }
    Ok(files)
}

impl CheckRequest {
    /// The roles that a fit would give the columns.
    fn roles(&self, source: &Source, id: Option<usize>) -> Result<RoleRequest> {
        Ok(RoleRequest {
            id: id.map(|id| source.columns()[id].name.clone()),
            protected_words: read_words(self.protected_words.as_deref())?,
            ..RoleRequest::default()
        })
    }
}

/// The input with the columns of joined tables, whose values have not been looked up yet.
fn open(request: &CheckRequest, watch: Watch<'_>) -> Result<Source> {
    inputs::open(&request.input, request.id.as_deref(), (&request.resources, None), watch)
}

fn id_of(request: &CheckRequest, source: &Source) -> Result<Option<usize>> {
    let Some(name) = &request.id else {
        return Ok(guess_id(source.columns(), &[]).filter(|&c| source.columns()[c].conflicts.is_empty()));
    };
    let names = || source.columns().iter().map(|c| shown(&c.name)).collect::<Vec<_>>().join(", ");
    let at = source.position(name).ok_or_else(|| {
        Error::usage(format!("no column is named {}; the input has: {}", quoted(name), names()))
            .of_columns([name])
            .of_option("--id")
    })?;
    let column = &source.columns()[at];
    if column.is_partition || Class::of(&column.data_type) == Class::Other {
        let text =
            format!("{} cannot be the id: its type is {}; choose another column", quoted(name), column.data_type);
        return Err(Error::usage(text).of_columns([name]).of_option("--id"));
    }
    agreed([column], "the id", None)
        .map_err(|e| Error::input(shown(&e.to_string())).of_columns([name]).of_option(e.option().unwrap_or("--id")))?;
    Ok(Some(at))
}

/// Examines everything.
fn examine(
    source: &Source,
    (id, roles): (Option<usize>, &Roles),
    expectations: Option<&Expectations>,
    memory: u64,
    watch: Watch<'_>,
) -> Result<CheckReport> {
    let limits = expectations.map_or_else(Vec::new, |e| e.limits(source.columns().len()));
    let limits = if limits.is_empty() { vec![Default::default(); source.columns().len()] } else { limits };
    let PassOutcome { profiles, pairs, paired, rows } = pass(source, id, &limits, memory, watch)?;
    let comparable = id.filter(|&at| source.columns()[at].conflicts.is_empty());
    let ids = comparable.map(|at| check_ids(source, at, memory / 2, watch)).transpose()?;
    let mut repeated = BTreeMap::from_iter(comparable.zip(ids.map(|ids| ids.duplicates)));
    for at in expectations.into_iter().flat_map(Expectations::unique) {
        // In a pass of their own, exactly.
        if let Entry::Vacant(place) = repeated.entry(at) {
            place.insert(count_repeated(source, at, memory / 2, watch)?);
        }
    }
    let duplicate_rows = rows.map(rows::duplicates);
    let described = describe(source, &profiles, id, roles);
    let expectations = expectations.map(|e| Expectation {
        checked: e.count,
        breaches: e.breaches(source, &profiles, &described.is_personal, |at| repeated.get(&at).copied()),
    });
    let id = comparable.zip(ids).map(|(at, IdFindings { nulls, duplicates })| {
        let column = source.columns()[at].name.clone();
        IdReport { column, nulls, duplicates }
    });
    let mut report = CheckReport {
        files: files(source),
        rows: source.rows(),
        row_groups: source.row_groups().len(),
        id,
        duplicate_rows,
        columns: described.reports,
        correlations: pairs.map(|pairs| correlations(source, &pairs, &paired)),
        schema_differences: source.columns().iter().flat_map(SourceColumn::differences).collect(),
        findings: Vec::new(),
        expectations,
    };
    let locked = source.columns().iter().filter(|c| c.is_locked).count();
    report.findings = table::findings(&report, paired.len(), locked);
    report.findings.extend(described.findings);
    report.findings.sort_by_key(|f| f.severity);
    Ok(report)
}

/// The reports on all columns and their findings.
#[derive(Default)]
struct DescribedColumns {
    reports: Vec<ColumnReport>,
    findings: Vec<Finding>,
    /// Whether each column likely holds personal data.
    is_personal: Vec<bool>,
}

fn describe(source: &Source, profiles: &[Profile], id: Option<usize>, roles: &Roles) -> DescribedColumns {
    let mut described = DescribedColumns::default();
    for (at, (column, profile)) in source.columns().iter().zip(profiles).enumerate() {
        let role = Role::of(roles, at, &column.name);
        let personal = findings::personal_data(role, profile, Class::of(&column.data_type));
        described.is_personal.push(personal.is_some());
        let report = report::column(column, profile, personal.is_some());
        let found = findings::of_column(&report, profile, personal, role).into_iter();
        // The id column is known to be one: "likely an id" would add nothing.
        let is_id = id.is_some_and(|id| source.columns()[id].name == column.name);
        described.findings.extend(found.filter(|f| !(is_id && f.kind == "likely_id")));
        described.reports.push(report);
    }
    described
}

/// The strong correlations. `paired` maps positions in `pairs` to columns.
fn correlations(source: &Source, pairs: &Pairs, paired: &[usize]) -> Vec<Correlation> {
    let name = |i: usize| source.columns()[paired[i]].name.clone();
    let strong = pairs.strong(STRONG).into_iter();
    strong.map(|(i, j, r)| Correlation { first: name(i), second: name(j), r }).collect()
}

fn files(source: &Source) -> Vec<FileReport> {
    let rows = |file: usize| source.row_groups().iter().filter(|g| g.file == file).map(|g| g.rows).sum();
    let report = |(at, file): (usize, &crate::input::SourceFile)| FileReport {
        path: file.path.display().to_string(),
        bytes: file.size(),
        rows: rows(at),
    };
    source.files().iter().enumerate().map(report).collect()
}

impl CheckReport {
    /// Checks that the expectations are met.
    ///
    /// # Errors
    /// [`Error::Input`] with all breaches.
    pub fn verdict(&self) -> Result<()> {
        let Some(Expectation { checked, breaches }) = self.expectations.as_ref().filter(|e| !e.breaches.is_empty())
        else {
            return Ok(());
        };
        let lines: Vec<String> = breaches
            .iter()
            .map(|b| {
                let what = b.column.as_ref().map_or_else(|| "the table".to_owned(), |c| quoted(c));
                format!("{what}, {}: {}", b.expectation, b.text)
            })
            .collect();
        let text = format!("{} of {checked} expectations are broken:\n  {}", breaches.len(), lines.join("\n  "));
        let columns: std::collections::BTreeSet<&String> = breaches.iter().filter_map(|b| b.column.as_ref()).collect();
        Err(Error::input(text).of_columns(columns).of_kind(ErrorKind::Values))
    }
}
