//! What a job writes: the columns and files of the labels, and what ties the files of a run together.

use serde::Serialize;

use super::Labelling;
use super::request::OutputOptions;
use crate::cluster::Algorithm;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{IdStream, Pseudonym, Source, ValueKind, agreed};
use crate::model::InputFile;
use crate::output::{
    CarriedColumn, FileLayout, LABELS, LabelColumns, NAME_COLUMN, Publication, ROW, RUN, SegmentTable, UnsealedLabels,
};
use crate::roles::{OUTPUT_COLUMNS, RoleRequest, Roles};
use crate::text::did_you_mean;

/// The model of a fit, what a run found, and the sign that a table is complete.
pub(super) const MODEL: &str = "model.json";
pub(super) const AUDIT: &str = "audit.json";
pub(super) const PROFILE: &str = "profile.json";
pub(super) const DRIFT: &str = "drift.json";
const SUCCESS: &str = "_SUCCESS";

/// The key of the names of segments in footers.
const NAMES: &str = "hyades.segment_names";

/// The columns that are written beside the labels, and the files of the labels.
#[derive(Debug, Clone, Default)]
pub(super) struct OutputColumns {
    /// Names and values that are the same in all rows.
    constants: Vec<(String, String)>,
    /// Columns of the input.
    pub(super) carried: Vec<usize>,
    layout: FileLayout,
    margin: bool,
    anomaly: bool,
    micro: bool,
    posteriors: bool,
}

impl OutputColumns {
    /// The columns as requested. Protected and personal ones must be among those that are to be `include`d.
    ///
    /// # Errors
    /// Columns that do not exist or whose names are taken, values without a name, and protected and personal columns
    /// that are not included.
    pub(super) fn new(
        options: &OutputOptions,
        include: &[String],
        source: &Source,
        roles: &Roles,
        watch: Watch<'_>,
    ) -> Result<Self> {
        if options.rows_per_file == Some(0) {
            return Err(
                Error::usage("--rows-per-file 0: a file has at least one row".into()).of_option("--rows-per-file")
            );
        }
        let mut constants: Vec<(String, String)> = Vec::new();
        for given in &options.column {
            let (name, value) = given.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                Error::usage(format!("--column {given}: give a name and a value, as --column snapshot=2026-11-30"))
                    .of_option("--column")
            })?;
            constants.push((name.to_owned(), value.to_owned()));
        }
        let carried: Vec<usize> =
            options.carry.iter().map(|name| carried(name, include, source, roles)).collect::<Result<_>>()?;
        let kept: Vec<&str> = carried.iter().map(|&c| source.columns()[c].name.as_str()).collect();
        let id = roles.id.map_or(ROW, |id| source.columns()[id].name.as_str());
        let mut taken: Vec<&str> = OUTPUT_COLUMNS.iter().copied().chain([NAME_COLUMN, id]).collect();
        for name in constants.iter().map(|(name, _)| name.as_str()).chain(kept) {
            if taken.contains(&name) {
                let text = format!("two columns of the output would be named {name:?}; leave one of them out");
                return Err(Error::usage(text).of_columns([name]).of_option("--carry"));
            }
            taken.push(name);
        }
        tell_sensitive(&carried, source, roles, watch);
        let layout = FileLayout { rows_per_file: options.rows_per_file, by_segment: options.partition_by.is_some() };
        let OutputOptions { margin, anomaly, .. } = *options;
        Ok(OutputColumns { constants, carried, layout, margin, anomaly, micro: false, posteriors: false })
    }

    /// The same, with the columns that only an algorithm has.
    pub(super) fn of_algorithm(self, algorithm: Algorithm) -> Self {
        OutputColumns { micro: algorithm == Algorithm::Ward, posteriors: algorithm == Algorithm::Gmm, ..self }
    }

    /// An empty table of labels, in a publication or in an unnamed file. `named`: segments have names.
    pub(super) fn table<'a>(
        &self,
        publication: Option<&'a Publication>,
        source: &'a Source,
        (id, pseudonym): (Option<usize>, Option<&'a Pseudonym>),
        named: bool,
    ) -> Result<SegmentTable<'a>> {
        let ids = id.map(|id| IdStream::new(source, id).with_pseudonym(pseudonym));
        let side_by_side = self.carried.len() + 2;
        let constants = self.constants.iter().map(|(name, value)| CarriedColumn::constant(name, value));
        let inputs = self.carried.iter().map(|&column| CarriedColumn::input(source, column, side_by_side));
        let carried = constants.chain(inputs).collect();
        SegmentTable::new(
            publication,
            self.layout,
            LabelColumns {
                ids,
                micro: self.micro,
                posteriors: self.posteriors,
                margin: self.margin,
                anomaly: self.anomaly,
                named,
                identities: None,
                carried,
            },
        )
    }
}

/// The position of a column to carry.
fn carried(name: &str, include: &[String], source: &Source, roles: &Roles) -> Result<usize> {
    let of = |e: Error| e.of_columns([name]).of_option("--carry");
    let at = source.position(name).ok_or_else(|| {
        let hint = did_you_mean(name, source.columns().iter().map(|c| c.name.as_str()));
        of(Error::usage(format!("--carry {name}: the input has no such column{hint}")))
    })?;
    let column = &source.columns()[at];
    if column.data_type.is_nested() {
        return Err(of(Error::usage(format!("--carry {name}: its type is {}, not a single value", column.data_type))));
    }
    agreed([column], "carried columns", None).map_err(|e| e.of("--carry"))?;
    if let Some(what) = sensitive(at, roles).filter(|_| !include.iter().any(|known| known == name)) {
        return Err(of(Error::usage(format!(
            "--carry {name}: it is {what}, and would go wherever the labels go; add --include {name} if it has to"
        ))));
    }
    Ok(at)
}

/// Why a column should not be copied: a protected attribute, or personal data.
fn sensitive(at: usize, roles: &Roles) -> Option<String> {
    let protected = roles.protected.iter().find(|p| p.column == at);
    let personal = || roles.personal_data(at).map(|found| found.to_string());
    protected.map(|p| format!("a protected attribute ({})", p.attribute)).or_else(personal)
}

fn tell_sensitive(carried: &[usize], source: &Source, roles: &Roles, watch: Watch<'_>) {
    let what = |&at: &usize| sensitive(at, roles).map(|what| format!("{} ({what})", source.columns()[at].name));
    let found: Vec<String> = carried.iter().filter_map(what).collect();
    if !found.is_empty() {
        watch.warn(format!("the labels carry columns that are protected or personal: {}", found.join(", ")));
    }
}

/// Columns that are included only to be carried are not asked to be features: those that no feature could be made of.
pub(super) fn features_of(mut request: RoleRequest, options: &OutputOptions, source: &Source) -> RoleRequest {
    request.include.retain(|name| {
        let unusable = source.position(name).is_some_and(|at| {
            ValueKind::of(&source.columns()[at].data_type).unusable().is_some() && !request.encoded.contains(name)
        });
        !(unusable && options.carry.contains(name))
    });
    request
}

/// What identifies a run: the same rows, model and options give the same 32 digits on every machine.
pub(super) struct RunFacts<'a> {
    pub(super) command: &'static str,
    /// The text of the model, without a run.
    pub(super) model: &'a str,
    pub(super) labels: &'a Labelling,
    pub(super) inputs: Vec<InputFile>,
    pub(super) id_column: Option<&'a str>,
    pub(super) pseudonym: Option<&'a Pseudonym>,
    pub(super) output: &'a OutputOptions,
}

impl RunFacts<'_> {
    /// The run.
    pub(super) fn run(&self) -> Result<String> {
        let OutputOptions { margin, anomaly, rows_per_file, partition_by, column, carry, .. } = self.output;
        let facts = (
            ("hyades run 1", self.command, blake3::hash(self.model.as_bytes()).to_hex().to_string()),
            (&self.labels.labels_blake3, &self.inputs, self.id_column, self.pseudonym.map(Pseudonym::key_check)),
            (margin, rows_per_file, partition_by, column, carry),
        );
        let mut text = serde_json::to_vec(&facts).map_err(|e| Error::Internal(e.to_string()))?;
        if *anomaly {
            text.extend(b"anomaly");
        }
        Ok(blake3::hash(&text).to_hex()[..32].to_owned())
    }
}

/// Completes the files of the labels with what their footers say about the run: `hyades.run`, `hyades.model_blake3`,
/// `hyades.labels_blake3`, and `hyades.segment_names`, a list in JSON, where segments have names.
pub(super) fn seal(
    unsealed: UnsealedLabels,
    run: &str,
    model_blake3: &str,
    labels: &Labelling,
    names: &[String],
) -> Result<()> {
    let mut facts = vec![
        (RUN, run.to_owned()),
        ("hyades.model_blake3", model_blake3.to_owned()),
        ("hyades.labels_blake3", labels.labels_blake3.clone()),
    ];
    if !names.is_empty() {
        let names = serde_json::to_string(names).map_err(|e| Error::Internal(e.to_string()))?;
        facts.push((NAMES, names));
    }
    unsealed.seal(&facts)
}

/// The names of the segments that files of labels have.
pub(crate) fn segment_names(labels: &Source) -> Option<Vec<String>> {
    serde_json::from_str(labels.fact(NAMES)?).ok()
}

/// Adds the empty file that says that a table is complete, if it is wanted.
pub(crate) fn success(options: &OutputOptions, publication: &Publication) -> Result<()> {
    match options.success_file {
        true => publication.text(&format!("{LABELS}/{SUCCESS}"), ""),
        false => Ok(()),
    }
}

/// What a run found, with the run.
#[derive(Serialize)]
struct OfRun<'a, T> {
    run: &'a str,
    #[serde(flatten)]
    found: &'a T,
}

/// Adds what a run found to the files to publish, under this name; returns its hash for the manifest.
pub(super) fn publish<T: Serialize>(
    found: Option<&T>,
    name: &str,
    run: &str,
    publication: &Publication,
) -> Result<Option<String>> {
    let Some(found) = found else { return Ok(None) };
    let text = serde_json::to_string_pretty(&OfRun { run, found }).map_err(|e| Error::Internal(e.to_string()))? + "\n";
    publication.text(name, &text)?;
    Ok(Some(blake3::hash(text.as_bytes()).to_hex().to_string()))
}
