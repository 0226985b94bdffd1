//! The arguments of every verb.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use hyades::bench::Contender;
use hyades::campaign::{EvaluateRequest, ListsRequest};
use hyades::check::CheckRequest;
use hyades::compare::CompareRequest;
use hyades::job::{
    ApplyRequest, AssignRequest, BackendKind, ChooseRequest, ConvertRequest, ExplainRequest, FitRequest, ProfileRequest,
};
use hyades::resegment::RunRequest;
use hyades::{Error, Result, synth};

use super::history::{ApproveArgs, DiffArgs, GcArgs, HistoryArgs, HistoryPageArgs, RollbackArgs, VersionArgs};
use super::price::Prices;
use super::recipe::InitArgs;
use super::reproduce::ReproduceArgs;
use super::rfm::RfmArgs;
use super::tags::TagsArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a fault of this program
  2  usage: options, columns that they name, model, recipe, rules
  3  input refused: schema, values, no rows; expectations not met
  4  environment: device, memory, disk, permission
  5  interrupted; nothing was published (run --resume continues)
  6  a limit such as --max-disparity is exceeded; nothing was published
  7  complete, but waits for approval
  8  an input path, pattern or table version matches nothing (yet)";

/// Wrapped by hand: on one line it would be wider than 80 columns.
const RFM_USAGE: &str = "\
hyades features rfm [OPTIONS] --customer <COLUMN> --time <COLUMN>
           --amount <COLUMN> --out <FILE> <INPUT>...";

const EVALUATE_USAGE: &str = "\
hyades campaign evaluate [OPTIONS] <DESIGN> <OUTCOMES>...
       hyades campaign evaluate [OPTIONS] <DESIGN> --events <PATH>
       hyades campaign evaluate [OPTIONS] --arm <COLUMN> --control <VALUE>
           <OUTCOMES>...";

const APPROVE_USAGE: &str = "\
hyades history approve [OPTIONS] --hash <HASH> --by <WHO> --note <TEXT>
           <HISTORY> <VERSION>";

/// Segments a bank's customers: Parquet or CSV in, labelled Parquet out, the same bytes on CPU and GPU.
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
    /// Print only errors and the result
    #[arg(long, short, global = true, help_heading = "Messages")]
    pub(super) quiet: bool,
    /// Print more: every pass
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = "Messages")]
    pub(super) verbose: u8,
    /// Log lines instead of progress bars
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Messages")]
    pub(super) log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One line per event
    Text,
    /// One JSON object per event
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Segment customers: write labels, a model and a manifest
    #[command(after_help = EXIT_CODES)]
    Fit(Box<FitArgs>),
    /// Look for the number of segments: indices, stability and a recommendation for each
    #[command(after_help = EXIT_CODES)]
    Choose(Box<ChooseRequest>),
    /// Segment customers again every month: keep segment ids, say who moved, publish a
    /// new version
    #[command(after_help = EXIT_CODES)]
    Run(Box<RunRequest>),
    /// Label customers with a model
    #[command(after_help = EXIT_CODES)]
    Assign(Box<AssignRequest>),
    /// Describe segments: means, medians and shares beside those of all rows
    #[command(after_help = EXIT_CODES)]
    Profile(Box<ProfileRequest>),
    /// Explain why a customer is in a segment, or find the most unusual customers
    #[command(after_help = EXIT_CODES)]
    Explain(Box<ExplainRequest>),
    /// Show the plan of a fit (memory, device, time) without running it
    #[command(after_help = EXIT_CODES)]
    Plan(Box<PlanArgs>),
    /// Examine every column, and compare it with expectations
    #[command(after_help = EXIT_CODES)]
    Check(Box<CheckRequest>),
    /// Compare labellings of the same rows: how far they agree, which segments correspond,
    /// and what differs
    #[command(after_help = EXIT_CODES)]
    Compare(Box<CompareRequest>),
    /// Write CSV files as Parquet
    #[command(after_help = EXIT_CODES)]
    Convert(Box<ConvertRequest>),
    /// Time the same fit on several backends and verify that they agree
    #[command(after_help = EXIT_CODES)]
    Bench(Box<BenchArgs>),
    /// Show devices, SIMD level and memory, and what is missing
    #[command(after_help = EXIT_CODES)]
    Doctor(DoctorArgs),
    /// Compute customer features from transactions
    #[command(subcommand)]
    Features(FeaturesVerb),
    /// Give customers tags and life-cycle stages by the conditions of a dictionary
    #[command(after_help = EXIT_CODES)]
    Tags(Box<TagsArgs>),
    /// Start a recipe, write the values that one prepares, or print the schema
    #[command(subcommand)]
    Recipe(RecipeVerb),
    /// Start a job file for monthly runs, or print the schema of job files
    #[command(subcommand)]
    Job(JobVerb),
    /// Show, approve, roll back and verify the versions of a history
    #[command(subcommand)]
    History(HistoryVerb),
    /// Make target lists with control groups, and evaluate campaigns
    #[command(subcommand)]
    Campaign(CampaignVerb),
    /// Write a synthetic bank
    #[command(after_help = EXIT_CODES)]
    Synth(SynthArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum CampaignVerb {
    /// Compare the arms of a campaign with its control: what it brought, and whether that
    /// can be told from chance
    #[command(after_help = EXIT_CODES, override_usage = EVALUATE_USAGE)]
    Evaluate(Box<EvaluateRequest>),
    /// Write the lists of a campaign: whom to contact, in which order, and who is in the
    /// control groups
    #[command(after_help = EXIT_CODES)]
    Lists(Box<ListsRequest>),
    /// Print the JSON Schema of campaign files, for editors
    Schema,
}

#[derive(Debug, Subcommand)]
pub(super) enum RecipeVerb {
    /// Write a commented recipe for an input, based on the findings of check
    #[command(after_help = EXIT_CODES)]
    Init(InitArgs),
    /// Write the prepared values of customers, as a model's clustering sees them
    #[command(after_help = EXIT_CODES)]
    Apply(Box<ApplyRequest>),
    /// Print the JSON Schema of recipe files, for editors
    Schema,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobVerb {
    /// Write a commented job file that works as it is
    #[command(after_help = EXIT_CODES)]
    Init(JobInitArgs),
    /// Print the JSON Schema of job files, for editors; fit --config reads the same
    /// sections, but for [job], [refit] and [gates]
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "brackets of TOML; the text is the help of the command line, too"
    )]
    Schema,
}

#[derive(Debug, Clone, Args)]
pub(super) struct JobInitArgs {
    /// Parquet or CSV files, folders or patterns, as for fit; a month in a path, such as
    /// 2026-11 or 2026-11-30, becomes a placeholder
    #[arg(value_name = "INPUT", required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// Number of segments
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(super) k: usize,
    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "job.toml")]
    pub(super) out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum HistoryVerb {
    /// List versions: state, date, customers, segments, who moved, gates
    #[command(after_help = EXIT_CODES)]
    List(HistoryArgs),
    /// Show a version: facts, decisions, hash and files
    #[command(after_help = EXIT_CODES)]
    Show(VersionArgs),
    /// Compare two versions: facts, and files by hash
    #[command(after_help = EXIT_CODES)]
    Diff(DiffArgs),
    /// Publish a version that waits for approval or was refused
    #[command(after_help = EXIT_CODES, override_usage = APPROVE_USAGE)]
    Approve(ApproveArgs),
    /// Publish the files of an earlier version under a new number
    #[command(after_help = EXIT_CODES)]
    Rollback(RollbackArgs),
    /// Remove the files of old versions
    #[command(after_help = EXIT_CODES)]
    Gc(GcArgs),
    /// Compare all files with their hashes, and check log and pointer
    #[command(after_help = EXIT_CODES)]
    Verify(VersionArgs),
    /// Make a version again from its job and inputs, and compare all files; nothing is
    /// published
    #[command(after_help = EXIT_CODES)]
    Reproduce(ReproduceArgs),
    /// Show how long customers stay: of those who joined a segment on the same day, the share
    /// that has not left it at later runs
    #[command(after_help = EXIT_CODES)]
    Cohorts(VersionArgs),
    /// Write a page for people: customers, sizes, moves, drift and gates over all versions
    #[command(after_help = EXIT_CODES)]
    Report(HistoryPageArgs),
    /// Print gates for the job file: mean and three standard deviations of past versions
    #[command(after_help = EXIT_CODES)]
    SuggestGates(SuggestArgs),
}

#[derive(Debug, Args)]
pub(super) struct SuggestArgs {
    /// Folder of the history
    pub(super) history: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum FeaturesVerb {
    /// Recency, frequency, monetary value and more: one row per customer
    #[command(after_help = EXIT_CODES, override_usage = RFM_USAGE)]
    Rfm(Box<RfmArgs>),
}

#[derive(Debug, Clone, Args)]
pub(super) struct FitArgs {
    /// TOML with these options in sections; the command line takes precedence.
    /// `hyades job schema` prints its schema
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the fitted preparation
    #[arg(long)]
    pub(super) print_recipe: bool,
    #[command(flatten)]
    request: FitRequest,
}

#[derive(Debug, Clone, Args)]
pub(super) struct PlanArgs {
    /// TOML with these options in sections; the command line takes precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    request: FitRequest,
}

#[derive(Debug, Clone, Args)]
pub(super) struct BenchArgs {
    /// TOML with these options in sections; the command line takes precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Backends to compare, separated by commas [default: cpu, and gpu if there is
    /// a real one]
    #[arg(long, value_name = "BACKENDS", value_delimiter = ',')]
    backends: Vec<BackendKind>,
    /// Number of runs of each fit; the fastest counts
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1)]
    pub(super) repeat: usize,
    /// Price of an hour of the machine, to compute the cost of a million customers:
    /// one number for all backends, or one for each, such as cpu=0.10,gpu=2.5
    #[arg(long, value_name = "PRICE", allow_negative_numbers = true)]
    price_per_hour: Option<Prices>,
    #[command(flatten)]
    request: FitRequest,
}

/// The fits to compare, and the file for the report.
pub(super) struct Contest {
    pub(super) contenders: Vec<Contender>,
    pub(super) json: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct SynthArgs {
    /// Customers (of the first month)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    rows: u64,
    /// The same bank N-1 months later, with planted changes. Each month 2 % of the
    /// customers leave, as many as 3 % of the first month's come, and 4 % of the
    /// others move to the next segment (the last but one, and the last, to 0); values
    /// vary by some 7 %; card_spend_90d, or the last column, rises by 41 %. From month
    /// 2 on, with 4 or more segments, half of segment 1 splits off as segment K, where
    /// K is --segments, and segment K-1 merges with K-2. true_segment (--truth) of two
    /// months, joined by id, tells who moved
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1)]
    month: usize,
    /// A feature column that arrives empty, by name or by number from 1
    #[arg(long, value_name = "COLUMN")]
    break_column: Option<String>,
    /// Feature columns
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 16)]
    features: usize,
    /// Planted segments
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 8)]
    segments: usize,
    /// Seed; determines every value
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0)]
    seed: u64,
    /// Share of nulls in nullable columns, 0 to below 1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, default_value_t = 0.0)]
    nulls: f64,
    /// Also write columns of daily business, which depend on the segment: products
    /// (has_credit_card, has_loan, has_mortgage, has_fund, has_insurance, has_wealth),
    /// preferred_channel, branch_code, manager_id, opened_on (the first account), and
    /// churned_within_90_days, an outcome
    #[arg(long)]
    business_columns: bool,
    /// Also write the planted segment, in the column true_segment
    #[arg(long)]
    truth: bool,
    /// Also write the card payments of the customers to this file, one row each, that agree
    /// with card_txn_90d and card_spend_90d; input for features rfm
    #[arg(long, value_name = "FILE")]
    transactions: Option<PathBuf>,
    /// Number of files; with more than one, --out is a folder
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1)]
    files: usize,
    /// Rows in a row group
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    row_group_rows: Option<usize>,
    /// Codec: none, snappy or zstd
    #[arg(long, value_name = "CODEC", default_value = "snappy")]
    compression: synth::Compression,
    /// File or folder to write
    #[arg(long, short, value_name = "PATH")]
    out: PathBuf,
    /// Threads [default: one per processor]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) threads: Option<usize>,
}

/// A request, with its lists split and missing fields taken from a file.
fn over(mut request: FitRequest, config: Option<&Path>) -> Result<FitRequest> {
    request.columns = request.columns.split_lists()?;
    request.output = request.output.split_lists()?;
    match config {
        Some(path) => request.or(FitRequest::from_toml(path)?),
        None => Ok(request),
    }
}

impl FitArgs {
    pub(super) fn request(self) -> Result<FitRequest> {
        let request = over(self.request, self.config.as_deref())?;
        match request.output.out {
            Some(_) => Ok(request),
            None => Err(Error::usage("the output is missing: name a folder with --out".into())),
        }
    }
}

impl PlanArgs {
    pub(super) fn request(self) -> Result<FitRequest> {
        over(self.request, self.config.as_deref())
    }
}

impl BenchArgs {
    /// The fits to compare; each writes to a folder in `scratch` named after its backend.
    pub(super) fn contest(&self, scratch: &Path) -> Result<Contest> {
        if self.request.output.out.is_some() {
            return Err(Error::usage("bench keeps no labels: leave --out out".into()));
        }
        let mut fit = over(self.request.clone(), self.config.as_deref())?;
        let json = fit.output.json.take();
        let backends = self.backends(&fit);
        if let Some(prices) = &self.price_per_hour {
            prices.check(&backends)?;
        }
        let contender = |backend: BackendKind| {
            let price = self.price_per_hour.as_ref().and_then(|prices| prices.of(backend));
            Contender { fit: on(fit.clone(), backend, scratch.join(backend.name())), price }
        };
        Ok(Contest { contenders: backends.into_iter().map(contender).collect(), json })
    }

    /// By default the CPU, plus a GPU if one was named or a real one exists.
    fn backends(&self, fit: &FitRequest) -> Vec<BackendKind> {
        if !self.backends.is_empty() {
            return self.backends.clone();
        }
        let named = fit.device.device.is_some();
        let gpu = named || hyades::doctor::examine().devices.iter().any(|d| d.real);
        if gpu { vec![BackendKind::Cpu, BackendKind::Gpu] } else { vec![BackendKind::Cpu] }
    }
}

/// The fit to time, writing to `out`, on the given backend.
fn on(mut fit: FitRequest, backend: BackendKind, out: PathBuf) -> FitRequest {
    fit.device.backend = Some(backend);
    if backend == BackendKind::Gpu {
        // Time the GPU itself, not its fallback.
        fit.device.strict_device = true;
    } else {
        fit.device.device = None;
    }
    fit.output.out = Some(out);
    // The time of the fit itself.
    fit.output.no_profile = true;
    fit
}

impl SynthArgs {
    pub(super) fn spec(self) -> Result<synth::CheckedSpec> {
        let mut spec = synth::SynthSpec::new(self.rows, self.out);
        spec.month = self.month;
        spec.break_column = self.break_column;
        spec.features = self.features;
        spec.segments = self.segments;
        spec.seed = self.seed;
        spec.nulls = self.nulls;
        spec.business = self.business_columns;
        spec.transactions = self.transactions;
        spec.truth = self.truth;
        spec.files = self.files;
        spec.compression = self.compression;
        spec.row_group_rows = self.row_group_rows.unwrap_or(spec.row_group_rows);
        spec.check()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::{Command, CommandFactory};

    use super::*;

    /// clap checks this in debug builds only.
    fn no_option_twice(command: &Command) {
        let mut seen = HashSet::new();
        let twice = command.get_arguments().find(|argument| !seen.insert(argument.get_id().clone()));
        assert!(twice.is_none(), "{}: {twice:?}", command.get_name());
        command.get_subcommands().for_each(no_option_twice);
    }

    #[test]
    fn every_option_is_defined_once() {
        no_option_twice(&Arguments::command());
    }
}
