//! Options that several verbs have: columns, preparation, k-means, what stands beside an input, device, resources.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hyades::Result;
use hyades::cluster::Limits;
use hyades::input::Access;
use hyades::job::{BackendKind, BackendRequest, FitRequest, InitRequest, Resources};
use hyades::prepare::{ColumnChoice, Missing, Recipe, Scale, Transform};
use hyades::roles::RoleRequest;
use hyades::simd::SimdLevel;
use hyades::text::KeySource;

/// What `fit`, `plan` and `bench` share.
#[derive(Debug, Clone, Args)]
pub(super) struct FitOptions {
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    pub(super) recipe: RecipeArgs,
    #[command(flatten)]
    kmeans: KMeansArgs,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
    #[command(flatten)]
    resources: ResourceArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Columns")]
struct ColumnArgs {
    #[command(flatten)]
    beside: BesideArgs,
    /// The customers' id [default: a column named like one, else the row number]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Features, separated by commas [default: every numeric column that is neither
    /// protected, such as age or sex, nor personal, such as a phone number]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    features: Vec<String>,
    /// Features beside the default ones: protected or personal columns, dates,
    /// folder names
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    include: Vec<String>,
    /// Columns that are no features, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Columns that are protected attributes too: no features, part of an --audit
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    protect: Vec<String>,
    /// Column of row weights, 0 or more [default: every row weighs 1]
    #[arg(long, value_name = "COLUMN")]
    row_weight: Option<String>,
    /// What to do with null and duplicate ids
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    duplicate_ids: DuplicateIds,
    /// Replace ids by keyed hashes; the key is in a FILE or in env:NAME
    #[arg(long, value_name = "FILE|env:NAME")]
    pseudonymise: Option<KeySource>,
}

/// What every verb that reads customers has.
#[derive(Debug, Clone, Args)]
pub(super) struct BesideArgs {
    /// A file, folder or pattern whose columns are joined by the id; may be given
    /// several times. Customers without a row there get nulls
    #[arg(long, value_name = "INPUT")]
    pub(super) join: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) access: AccessArgs,
}

/// What every verb that reads Parquet has.
#[derive(Debug, Clone, Args)]
pub(super) struct AccessArgs {
    /// Keys of encrypted files: TOML with footer, [columns] and [ids], each key in
    /// hex or base64, in a FILE or in env:NAME
    #[arg(long, value_name = "FILE|env:NAME")]
    keys: Option<KeySource>,
}

impl AccessArgs {
    pub(super) fn access(self) -> Access {
        Access { keys: self.keys }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DuplicateIds {
    /// Refuse the input
    Refuse,
    /// Let them pass
    Keep,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Preparation (for all columns; --recipe for single ones)")]
pub(super) struct RecipeArgs {
    /// TOML with choices for single columns; `hyades recipe init` writes one
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Transform [default: auto, by each column's skewness]
    #[arg(long, value_name = "HOW")]
    transform: Option<TransformArg>,
    /// Missing values become median, mean, zero or a NUMBER; or refuse [default: median]
    #[arg(long, value_name = "HOW")]
    missing: Option<Missing>,
    /// Scale [default: zscore]
    #[arg(long, value_name = "HOW")]
    scale: Option<ScaleArg>,
    /// Limit of scaled values, inf for none [default: 128; inf with scale none]
    #[arg(long, value_name = "X")]
    clip: Option<f64>,
    /// Print the fitted recipe
    #[arg(long)]
    pub(super) print_recipe: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TransformArg {
    /// none or signed-log1p, whichever leaves less skewness
    Auto,
    /// Nothing
    None,
    /// ln(1 + x)
    Log1p,
    /// sign(x) ln(1 + |x|)
    SignedLog1p,
    /// Square root
    Sqrt,
    /// Power transform of the largest likelihood
    YeoJohnson,
    /// Share of smaller values
    Quantile,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScaleArg {
    /// By the standard deviation
    Zscore,
    /// By the interquartile range
    Robust,
    /// By the range
    Minmax,
    /// Not at all
    None,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Clustering")]
struct KMeansArgs {
    /// Where centroids start: k-means++, random, or a FILE: a model.json, or Parquet with one row a centroid
    #[arg(long, value_name = "HOW", default_value = "k-means++")]
    init: String,
    /// Starts tried on the sample; the lowest inertia wins [default: 4; 1 above 64 segments]
    #[arg(long, value_name = "N")]
    n_init: Option<u32>,
    /// Most passes over all rows; one more counts
    #[arg(long, value_name = "N", default_value_t = 300)]
    max_iter: u32,
    /// Stop when squared moves sum to less than this share of the mean variance; 0: at the fixpoint
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    tol: f64,
    /// Decides everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Also write the gap to the second-nearest centroid
    #[arg(long)]
    margin: bool,
    /// Compute every distance in every pass, to compare; results are the same
    #[arg(long)]
    no_skipping: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Device")]
pub(super) struct DeviceArgs {
    /// Where to compute [default: auto, a real GPU where it pays, else the CPU]
    #[arg(long, value_name = "BACKEND")]
    pub(super) backend: Option<BackendArg>,
    /// A GPU by name (a part will do) or index, several separated by commas, or all
    #[arg(long, value_name = "NAME|INDEX")]
    pub(super) device: Option<String>,
    /// Fail if the GPU fails or has no room, instead of going on with the CPU
    #[arg(long)]
    pub(super) strict_device: bool,
    /// SIMD level: avx512, avx2, neon or portable [default: the best there is]
    #[arg(long, value_name = "LEVEL")]
    simd: Option<SimdLevel>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BackendArg {
    /// A real GPU where it pays, else the CPU
    Auto,
    /// SIMD on all threads
    Cpu,
    /// A GPU
    Gpu,
    /// The definition, one row at a time: slow
    Reference,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Resources")]
pub(super) struct ResourceArgs {
    /// Threads [default: one a processor]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Memory, such as 300MiB or 2GB; beyond it tiles are streamed [default: 4/5 of what is free]
    #[arg(long, value_name = "SIZE", value_parser = super::fmt::parse_bytes)]
    memory: Option<u64>,
    /// Folder for a scratch file, should one be needed [default: the output's]
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    /// Rows in a chunk of tiles; results do not depend on it
    #[arg(long, value_name = "N", hide = true)]
    chunk_rows: Option<usize>,
}

impl FitOptions {
    pub(super) fn request(self, inputs: Vec<PathBuf>, k: usize, out: Option<PathBuf>) -> Result<FitRequest> {
        let recipe = self.recipe.recipe.as_deref().map_or_else(|| Ok(Recipe::default()), Recipe::from_toml)?;
        let flags = ColumnChoice {
            transform: self.recipe.transform.map(Transform::from),
            missing: self.recipe.missing,
            scale: self.recipe.scale.map(Scale::from),
            clip: self.recipe.clip,
            ..ColumnChoice::default()
        };
        let init = match self.kmeans.init.as_str() {
            "k-means++" | "kmeans++" => InitRequest::PlusPlus,
            "random" => InitRequest::Random,
            file => InitRequest::File(file.into()),
        };
        Ok(FitRequest {
            inputs,
            joins: self.columns.beside.join,
            access: self.columns.beside.access.access(),
            roles: RoleRequest {
                id: self.columns.id,
                features: self.columns.features,
                include: self.columns.include,
                exclude: self.columns.exclude,
                protect: self.columns.protect,
                weight: self.columns.row_weight,
                encoded: Vec::new(),
            },
            recipe: recipe.with_flags(flags),
            k,
            n_init: self.kmeans.n_init,
            init,
            limits: Limits { max_iter: self.kmeans.max_iter, tol: self.kmeans.tol },
            seed: self.kmeans.seed,
            backend: BackendRequest { no_skipping: self.kmeans.no_skipping, ..self.device.request() },
            resources: self.resources.resources(),
            out,
            margin: self.kmeans.margin,
            keep_duplicate_ids: self.columns.duplicate_ids == DuplicateIds::Keep,
            pseudonymise: self.columns.pseudonymise,
            audit: false,
        })
    }
}

impl DeviceArgs {
    pub(super) fn request(&self) -> BackendRequest {
        let kind = self.backend.map_or(BackendKind::Auto, BackendKind::from);
        BackendRequest {
            kind,
            device: self.device.clone(),
            strict: self.strict_device,
            simd: self.simd,
            no_skipping: false,
        }
    }
}

impl ResourceArgs {
    pub(super) fn resources(&self) -> Resources {
        Resources {
            threads: self.threads,
            memory: self.memory,
            scratch: self.scratch.clone(),
            chunk_rows: self.chunk_rows,
        }
    }
}

impl BackendArg {
    pub(super) fn name(self) -> &'static str {
        match self {
            BackendArg::Auto => "auto",
            BackendArg::Cpu => "cpu",
            BackendArg::Gpu => "gpu",
            BackendArg::Reference => "reference",
        }
    }
}

impl From<BackendArg> for BackendKind {
    fn from(arg: BackendArg) -> Self {
        match arg {
            BackendArg::Auto => BackendKind::Auto,
            BackendArg::Cpu => BackendKind::Cpu,
            BackendArg::Gpu => BackendKind::Gpu,
            BackendArg::Reference => BackendKind::Reference,
        }
    }
}

impl From<TransformArg> for Transform {
    fn from(arg: TransformArg) -> Self {
        match arg {
            TransformArg::Auto => Transform::Auto,
            TransformArg::None => Transform::None,
            TransformArg::Log1p => Transform::Log1p,
            TransformArg::SignedLog1p => Transform::SignedLog1p,
            TransformArg::Sqrt => Transform::Sqrt,
            TransformArg::YeoJohnson => Transform::YeoJohnson,
            TransformArg::Quantile => Transform::Quantile,
        }
    }
}

impl From<ScaleArg> for Scale {
    fn from(arg: ScaleArg) -> Self {
        match arg {
            ScaleArg::Zscore => Scale::Zscore,
            ScaleArg::Robust => Scale::Robust,
            ScaleArg::Minmax => Scale::Minmax,
            ScaleArg::None => Scale::None,
        }
    }
}
