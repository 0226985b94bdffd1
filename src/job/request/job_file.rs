//! The file of a job that runs every month.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::card::CardOptions;
use super::config::{self, HasPaths};
use super::month::Month;
use super::share::Share;
use super::{
    ClusteringOptions, ColumnOptions, DeviceOptions, DivisionOptions, FitRequest, InputOptions, OutputOptions,
    PreparationOptions, Resources,
};
use crate::cluster::Algorithm;
use crate::error::{Error, ErrorKind, Result};
use crate::gates::Gates;
use crate::text::{TomlFaults, TomlText, toml_schema};

/// A job as its file describes it: the sections of a fit, and what a monthly run needs besides.
///
/// Paths may contain `{as_of}` (2026-11-30), `{as_of:%Y-%m}` with `%Y`, `%m` and `%d`, and `{run}` (the number of the
/// version, as 000042); so may the values of `column` in `[output]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobFile {
    /// What the job is, and where its versions are kept.
    pub job: JobOptions,
    /// How the segments of the last version are carried on.
    pub refit: RefitOptions,
    /// What a version may change, or it is refused.
    pub gates: Gates,
    /// What people answer for the model card.
    pub card: CardOptions,
    /// Which tables to read.
    pub input: InputOptions,
    /// What the columns are for.
    pub columns: ColumnOptions,
    /// How columns become comparable.
    pub preparation: PreparationOptions,
    /// The rules applied before clustering, and the strata.
    pub division: DivisionOptions,
    /// How to cluster.
    pub clustering: ClusteringOptions,
    /// Where to compute.
    pub device: DeviceOptions,
    /// Threads, memory and scratch space.
    pub resources: Resources,
    /// What to write.
    pub output: OutputOptions,
    /// Its path, which other paths are relative to.
    #[serde(skip)]
    file: PathBuf,
}

/// What a job is, and where its versions are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobOptions {
    /// Its name. Default: that of the file
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The folder of its versions. Default: history
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<PathBuf>,
    /// The names of the segments, by segment_id. Default: names.toml in the history, if there is one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<PathBuf>,
    /// What the input must be like: TOML as for check --expect
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<PathBuf>,
    /// Whether a version is published only once somebody approves it. Default: none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Each run adds its OpenLineage events to this file, one in a line. Default: none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<PathBuf>,
    /// Each run replaces this file of metrics for the textfile collector of Prometheus; its name ends with .prom.
    /// Default: none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<PathBuf>,
}

/// Whether somebody must approve a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// A version that passes its gates is published.
    #[default]
    None,
    /// A version waits for `hyades history approve`.
    Required,
}

/// How the segments of the last version are carried on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RefitOptions {
    /// assign, warm, fresh or auto. Default: warm
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RefitMode>,
    /// With warm, the largest share of customers of each part of the bank whose segment may differ because its
    /// definition did, such as "2%": of the passes of the fit, the last one within it counts. 0 keeps the old model
    /// Default: any
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_relabelled: Option<Share>,
    /// How much nearer another segment must be for a customer to leave his own, as a share of the distance to its
    /// centroid, such as 0.05. The column segment names the nearest centroid all the same; segment_id follows this
    /// Default: 0
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hysteresis: Option<Share>,
}

/// How a month is segmented after the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefitMode {
    /// By the last model: segments keep their definition.
    Assign,
    /// From the last centroids, with the last preparation.
    #[default]
    Warm,
    /// As a first fit.
    Fresh,
    /// As `warm`, unless new starts with the same preparation are better by more than 1 % of the inertia.
    Auto,
}

impl RefitMode {
    /// Its name in job files.
    pub fn name(self) -> &'static str {
        match self {
            RefitMode::Assign => "assign",
            RefitMode::Warm => "warm",
            RefitMode::Fresh => "fresh",
            RefitMode::Auto => "auto",
        }
    }

    /// What it does, in words.
    pub fn title(self) -> &'static str {
        match self {
            RefitMode::Assign => "customers are labelled by its model",
            RefitMode::Warm => "a fit from its centroids, with its preparation",
            RefitMode::Fresh => "a new fit",
            RefitMode::Auto => "a fit from its centroids or from new starts, with its preparation",
        }
    }
}

impl JobFile {
    /// Reads a job file. Relative paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// A file that cannot be read; malformed TOML, keys that do not exist and values of a wrong type: all at once, each
    /// with line and column.
    ///
    /// # Examples
    /// ```
    /// use hyades::job::JobFile;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("retail.toml");
    /// std::fs::write(&path, "[input]\npaths = [\"bank-{as_of:%Y-%m}.parquet\"]\n[clustering]\nk = 8\n")?;
    /// let job = JobFile::read(&path)?;
    /// assert_eq!((job.name(), job.history()), ("retail", folder.path().join("history").as_path()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(path: &Path) -> Result<Self> {
        JobFile::of_text(&TomlText::read(path)?, path)
    }

    /// The same, from its text.
    pub(crate) fn of_text(text: &TomlText, path: &Path) -> Result<Self> {
        let mut faults = TomlFaults::new(text);
        let table = faults.table();
        if let Some(table) = &table {
            toml_schema::vet(table, &Self::schema(), &mut faults);
        }
        if !faults.is_empty() {
            return faults.finish(JobFile::default());
        }
        let fault = |e: toml::de::Error| {
            Error::usage(format!("{}: {e}", path.display())).of_kind(ErrorKind::Config).of_file(path)
        };
        let mut job: JobFile = toml::from_str(&text.text).map_err(fault)?;
        let section = |name: &str| table.as_ref().and_then(|table| table.get(name)?.get_ref().as_table());
        let mut fault = |name: &str, (key, fault): (&str, String)| {
            let at = section(name).and_then(|section| section.get(key)).map_or(0, |value| value.span().start);
            faults.fault(at, fault);
        };
        job.gates.faults().into_iter().for_each(|of| fault("gates", of));
        job.job.faults().into_iter().for_each(|of| fault("job", of));
        if job.refit.max_relabelled.is_some() && job.refit.mode.unwrap_or_default() != RefitMode::Warm {
            let text = "max_relabelled limits what a warm fit changes; leave it out, or set mode = \"warm\"";
            fault("refit", ("max_relabelled", text.to_owned()));
        }
        faults.finish(())?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        job.job.name = job.job.name.or(stem);
        let history = job.job.history.unwrap_or_else(|| "history".into());
        job.job.history = Some(config::beside(path, &history));
        job.file = path.to_path_buf();
        Ok(job)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.job.name.as_deref().unwrap_or("job")
    }

    /// The folder of its versions.
    pub fn history(&self) -> &Path {
        self.job.history.as_deref().unwrap_or(Path::new("history"))
    }

    /// The files in which a run tells other programs about itself: lineage and metrics. Without a month, None for names
    /// with placeholders.
    pub(crate) fn told(&self, month: Option<&Month>) -> [Option<PathBuf>; 2] {
        let has_braces = |path: &Path| path.to_string_lossy().contains(['{', '}']);
        let filled = |path: &PathBuf| match month {
            Some(month) => self.filled(path, month).ok(),
            None => (!has_braces(path)).then(|| config::beside(&self.file, path)),
        };
        [&self.job.lineage, &self.job.metrics].map(|path| path.as_ref().and_then(filled))
    }

    /// The JSON Schema of job files, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(JobFile).to_value()
    }

    /// The fit of a month, with its placeholders filled in.
    ///
    /// # Errors
    /// A placeholder that does not exist, or options that a job cannot have.
    pub(crate) fn fit(&self, month: &Month) -> Result<FitRequest> {
        let job = self.clone();
        let taken = [("out", job.output.out.is_some()), ("json", job.output.json.is_some())];
        if let Some((name, _)) = taken.iter().find(|(_, given)| *given) {
            return Err(Error::usage(format!(
                "[output] {name}: a job writes to its history; leave {name} out, or set history in [job]"
            ))
            .of_kind(ErrorKind::Config));
        }
        if job.clustering.algorithm() != Algorithm::KMeans {
            return Err(Error::usage(format!(
                "[clustering] algorithm = \"{}\": a monthly run goes on from the centroids of the month before, which only \
                 kmeans has; leave algorithm out",
                job.clustering.algorithm()
            ))
            .of_kind(ErrorKind::Config));
        }
        let JobFile { input, columns, preparation, division, clustering, device, resources, mut output, .. } = job;
        for value in &mut output.column {
            *value = month.fill(value)?;
        }
        let mut fit =
            FitRequest { input, columns, preparation, division, clustering, device, resources, output, config: None };
        for path in fit.paths() {
            *path = self.filled(path, month)?;
        }
        Ok(fit)
    }

    /// The file of names, if the job names one.
    ///
    /// # Errors
    /// A placeholder that does not exist.
    pub(crate) fn names(&self, month: &Month) -> Result<Option<PathBuf>> {
        self.job.names.as_deref().map(|path| self.filled(path, month)).transpose()
    }

    /// The file of expectations, if there is one.
    ///
    /// # Errors
    /// A placeholder that does not exist.
    pub(crate) fn expect(&self, month: &Month) -> Result<Option<PathBuf>> {
        self.job.expect.as_deref().map(|path| self.filled(path, month)).transpose()
    }

    /// A path with its placeholders filled in, relative to the working folder.
    fn filled(&self, path: &Path, month: &Month) -> Result<PathBuf> {
        let has_braces = |text: &&str| text.contains(['{', '}']);
        let filled = path.to_str().filter(has_braces).map(|text| month.fill(text)).transpose()?;
        Ok(config::beside(&self.file, &filled.map_or_else(|| path.to_path_buf(), PathBuf::from)))
    }
}

impl JobOptions {
    /// Names that the files of lineage and metrics cannot have.
    fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for (key, path) in [("lineage", &self.lineage), ("metrics", &self.metrics)] {
            let Some(text) = path.as_ref().map(|path| path.to_string_lossy()) else { continue };
            if text.contains("{run}") {
                let text = format!("{key}: a run that fails early has no number; use {{as_of}} instead of {{run}}");
                faults.push((key, text));
            } else if let Err(fault) = Month::new("2026-01-31", 1).and_then(|month| month.fill(&text)) {
                faults.push((key, format!("{key}: {fault}")));
            }
            if key == "metrics" && !text.ends_with(".prom") {
                let what = "the textfile collector reads names that end with .prom";
                faults.push((key, format!("metrics is {}; {what}", crate::text::quoted(&text))));
            }
        }
        faults
    }
}
