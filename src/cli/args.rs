//! The arguments of every verb.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use hyades::bench::Contender;
use hyades::check::CheckRequest;
use hyades::job::{FitRequest, Resources};
use hyades::text::KeySource;
use hyades::{Result, synth};

use super::options::{BackendArg, BesideArgs, DeviceArgs, DuplicateIds, FitOptions, ResourceArgs};
use super::price::Prices;
use super::recipe::{ApplyArgs, InitArgs};
use super::rfm::RfmArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a fault of this program
  2  usage or configuration
  3  input refused: schema, values, a damaged model
  4  environment: device, memory, disk, permission
  5  interrupted; nothing was published";

/// Written here because it would be wider than 80 columns on one line.
const RFM_USAGE: &str = "\
hyades features rfm [OPTIONS] --customer <COLUMN> --time <COLUMN>
           --amount <COLUMN> --out <FILE> <INPUT>...";

/// Segments a bank's customers: Parquet in, labelled Parquet out, the same bytes on CPU and GPU.
#[derive(Debug, Parser)]
#[command(name = "hyades", version, max_term_width = 80, after_help = EXIT_CODES, propagate_version = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Args)]
pub(super) struct Global {
    /// Say nothing but errors and the result
    #[arg(long, short, global = true, help_heading = "Messages")]
    pub(super) quiet: bool,
    /// Say more: every pass
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = "Messages")]
    pub(super) verbose: u8,
    /// Log lines instead of progress bars
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Messages")]
    pub(super) log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One line an event
    Text,
    /// One JSON object an event
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Segment customers: write labels, a model and a manifest
    #[command(after_help = EXIT_CODES)]
    Fit(Box<FitArgs>),
    /// Label customers with a model
    #[command(after_help = EXIT_CODES)]
    Assign(AssignArgs),
    /// Show what a fit would hold where, without doing it
    #[command(after_help = EXIT_CODES)]
    Plan(Box<PlanArgs>),
    /// Examine every column, and compare with what is expected
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Time the same fit on several backends and prove that they agree
    #[command(after_help = EXIT_CODES)]
    Bench(Box<BenchArgs>),
    /// Show devices, SIMD level and memory, and what is missing
    #[command(after_help = EXIT_CODES)]
    Doctor(DoctorArgs),
    /// Make customer features of transactions
    #[command(subcommand)]
    Features(FeaturesVerb),
    /// Start a recipe, or print its schema
    #[command(subcommand)]
    Recipe(RecipeVerb),
    /// Write a synthetic bank
    #[command(after_help = EXIT_CODES)]
    Synth(SynthArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum RecipeVerb {
    /// Write a commented recipe for an input, from what check finds
    #[command(after_help = EXIT_CODES)]
    Init(InitArgs),
    /// Write the prepared values of customers, as a model's clustering sees them
    #[command(after_help = EXIT_CODES)]
    Apply(ApplyArgs),
    /// Print the JSON Schema of recipe files, for editors
    Schema,
}

#[derive(Debug, Subcommand)]
pub(super) enum FeaturesVerb {
    /// Recency, frequency, monetary value and more: one row a customer
    #[command(after_help = EXIT_CODES, override_usage = RFM_USAGE)]
    Rfm(Box<RfmArgs>),
}

#[derive(Debug, Clone, Args)]
pub(super) struct FitArgs {
    /// Folder for segments.parquet, model.json and manifest.json
    #[arg(long, short, value_name = "FOLDER")]
    pub(super) out: PathBuf,
    /// Tell how protected attributes are spread over segments: a table, audit.json
    #[arg(long)]
    audit: bool,
    /// TOML with [[rule]] (name, when: a condition in SQL) and [strata] (within: a
    /// column; k; k_of): customers go to the first rule that matches, the others
    /// are clustered stratum by stratum, --k of each where the file has no other.
    /// plan and bench know no rules
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct PlanArgs {
    /// Parquet files, folders (key=value folders too), quoted patterns; URLs and
    /// Delta tables (table@v12 for version 12), if they were built in
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Number of segments
    #[arg(long, short, value_name = "N")]
    k: usize,
    #[command(flatten)]
    fit: FitOptions,
}

#[derive(Debug, Clone, Args)]
pub(super) struct AssignArgs {
    /// The model.json of a fit
    #[arg(value_name = "MODEL")]
    pub(super) model: PathBuf,
    /// Parquet files, folders, quoted patterns, URLs or Delta tables
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
    /// Folder for segments.parquet and manifest.json
    #[arg(long, short, value_name = "FOLDER")]
    pub(super) out: PathBuf,
    /// The customers' id [default: the model's]
    #[arg(long, value_name = "COLUMN")]
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) beside: BesideArgs,
    /// Also write the gap to the second-nearest centroid
    #[arg(long)]
    pub(super) margin: bool,
    /// What to do with null and duplicate ids
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    duplicate_ids: DuplicateIds,
    /// Replace ids by keyed hashes; the key is in a FILE or in env:NAME
    #[arg(long, value_name = "FILE|env:NAME")]
    pub(super) pseudonymise: Option<KeySource>,
    /// Tell how protected attributes are spread over segments: a table, audit.json
    #[arg(long)]
    pub(super) audit: bool,
    /// Columns that are protected attributes too, for an --audit
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "audit")]
    pub(super) protect: Vec<String>,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
    #[command(flatten)]
    pub(super) resources: ResourceArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CheckArgs {
    /// Parquet files, folders, quoted patterns, URLs or Delta tables
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    beside: BesideArgs,
    /// The customers' id [default: a column named like one]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// TOML with [table] and [columns.NAME]: what is expected; what is broken ends
    /// with exit code 3
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Also write the report to this file, as one HTML page
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Threads [default: one a processor]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Memory, such as 300MiB or 2GB: duplicate rows are looked for where their
    /// hashes, 16 bytes a row, fit into half of it [default: 4/5 of what is free]
    #[arg(long, value_name = "SIZE", value_parser = super::fmt::parse_bytes)]
    memory: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct BenchArgs {
    /// Parquet files, folders, quoted patterns, URLs or Delta tables
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Number of segments
    #[arg(long, short, value_name = "N")]
    k: usize,
    /// Backends to compare, separated by commas [default: cpu, and gpu where there
    /// is a real one]
    #[arg(long, value_name = "BACKENDS", value_delimiter = ',')]
    backends: Vec<BackendArg>,
    /// Times each fit is done; the fastest counts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) repeat: usize,
    /// What an hour of the machine costs, for the cost of a million customers: a
    /// number for all backends, or one for each, such as cpu=0.10,gpu=2.5
    #[arg(long, value_name = "PRICE", allow_negative_numbers = true)]
    price_per_hour: Option<Prices>,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    #[command(flatten)]
    fit: FitOptions,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct SynthArgs {
    /// Customers
    #[arg(long, value_name = "N")]
    rows: u64,
    /// Feature columns
    #[arg(long, value_name = "N", default_value_t = 16)]
    features: usize,
    /// Planted segments
    #[arg(long, value_name = "N", default_value_t = 8)]
    segments: usize,
    /// Decides every value
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Share of nulls in nullable columns, 0 to below 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    nulls: f64,
    /// Also write the planted segment, in the column true_segment
    #[arg(long)]
    truth: bool,
    /// Files; with more than one, --out is a folder
    #[arg(long, value_name = "N", default_value_t = 1)]
    files: usize,
    /// Rows in a row group
    #[arg(long, value_name = "N")]
    row_group_rows: Option<usize>,
    /// Codec: none, snappy or zstd
    #[arg(long, value_name = "CODEC", default_value = "snappy")]
    compression: synth::Compression,
    /// File or folder to write
    #[arg(long, short, value_name = "PATH")]
    out: PathBuf,
    /// Threads [default: one a processor]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
}

impl FitArgs {
    pub(super) fn print_recipe(&self) -> bool {
        self.plan.fit.recipe.print_recipe
    }

    pub(super) fn request(self) -> Result<FitRequest> {
        let PlanArgs { inputs, k, fit } = self.plan;
        Ok(FitRequest { audit: self.audit, ..fit.request(inputs, k, Some(self.out))? })
    }
}

impl PlanArgs {
    pub(super) fn request(self) -> Result<FitRequest> {
        self.fit.request(self.inputs, self.k, None)
    }
}

impl BenchArgs {
    /// What to compare, and the names under which it writes to folders in `scratch`.
    pub(super) fn contenders(&self, scratch: &Path) -> Result<Vec<Contender>> {
        let backends = self.backends();
        if let Some(prices) = &self.price_per_hour {
            prices.check(&backends)?;
        }
        let contender = |backend: BackendArg| {
            let price = self.price_per_hour.as_ref().and_then(|prices| prices.of(backend));
            Ok(Contender { fit: self.request(backend, scratch.join(backend.name()))?, price })
        };
        backends.into_iter().map(contender).collect()
    }

    /// By default the CPU, and a GPU if one was named or a real one is there.
    fn backends(&self) -> Vec<BackendArg> {
        if !self.backends.is_empty() {
            return self.backends.clone();
        }
        let gpu = self.fit.device.device.is_some() || hyades::doctor::examine().devices.iter().any(|d| d.real);
        if gpu { vec![BackendArg::Cpu, BackendArg::Gpu] } else { vec![BackendArg::Cpu] }
    }

    /// The fit to time, writing to `out`, on the given backend.
    fn request(&self, backend: BackendArg, out: PathBuf) -> Result<FitRequest> {
        let mut fit = self.fit.clone();
        fit.device.backend = Some(backend);
        if backend == BackendArg::Gpu {
            // What is measured is the GPU, not what goes on in its stead.
            fit.device.strict_device = true;
        } else {
            fit.device.device = None;
        }
        fit.request(self.inputs.clone(), self.k, Some(out))
    }
}

impl AssignArgs {
    pub(super) fn keep_duplicate_ids(&self) -> bool {
        self.duplicate_ids == DuplicateIds::Keep
    }
}

impl CheckArgs {
    pub(super) fn request(self) -> CheckRequest {
        CheckRequest {
            inputs: self.inputs,
            joins: self.beside.join,
            access: self.beside.access.access(),
            id: self.id,
            expect: self.expect,
            json: self.json,
            page: self.report,
            resources: Resources { threads: self.threads, memory: self.memory, ..Resources::default() },
        }
    }
}

impl SynthArgs {
    pub(super) fn spec(self) -> Result<synth::CheckedSpec> {
        let mut spec = synth::SynthSpec::new(self.rows, self.out);
        spec.features = self.features;
        spec.segments = self.segments;
        spec.seed = self.seed;
        spec.nulls = self.nulls;
        spec.truth = self.truth;
        spec.files = self.files;
        spec.compression = self.compression;
        spec.row_group_rows = self.row_group_rows.unwrap_or(spec.row_group_rows);
        spec.check()
    }
}
