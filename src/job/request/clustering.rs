//! Clustering options.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::count::{SegmentCount, SegmentRange, WrittenCount};
use crate::backend::MAX_K;
use crate::cluster::{Algorithm, CovarianceType, EXACT_LEAVES, Effort, Limits, MICRO, Mixture, default_n_init};
use crate::error::{Error, Result};
use crate::text::as_text;

/// The most samples whose fits say how stable segments are.
const MOST_REPLICATES: u32 = 1000;

/// Where centroids start.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum InitRequest {
    /// Greedy k-means++ on the sample.
    #[default]
    PlusPlus,
    /// Rows of the sample at random.
    Random,
    /// A model, or a Parquet file with one row per centroid in the features' names and units.
    File(PathBuf),
}

/// How to cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Clustering"))]
pub struct ClusteringOptions {
    /// How customers are put together [default: kmeans]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME"))]
    pub algorithm: Option<Algorithm>,
    /// Number of segments; with strata, the default for each stratum. auto takes what
    /// `hyades choose` recommends between 2 and 16, a range such as 2..12 within that
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WrittenCount>")]
    #[cfg_attr(
        feature = "cli",
        arg(long, short, value_name = "N", allow_negative_numbers = true, required_unless_present = "config")
    )]
    pub k: Option<SegmentCount>,
    /// Starting centroids: k-means++, random, or a FILE (a model.json, or Parquet with one row per centroid)
    /// [default: k-means++]
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW"))]
    pub init: Option<InitRequest>,
    /// Starts tried on the sample; the lowest inertia wins [default: 4; 1 above 64 segments]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", allow_negative_numbers = true))]
    pub n_init: Option<u32>,
    /// How long to look for a better optimum on the sample, where k-means++ starts [default: normal]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW_LONG"))]
    pub effort: Option<Effort>,
    /// Fit N samples drawn with replacement, and say how stable each segment is; 50 are usual
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", allow_negative_numbers = true))]
    pub stability: Option<u32>,
    /// With ward, the micro-segments that the tree is made of where there are more than 20,000 distinct rows,
    /// at most 4096; given, also where there are fewer [default: 2048]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", allow_negative_numbers = true))]
    pub micro: Option<usize>,
    /// With gmm, the shape of the components [default: diag]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHAPE"))]
    pub covariance: Option<CovarianceType>,
    /// With gmm, added to each variance, in squared scaled units [default: 0.000001]
    #[serde(with = "as_text::number", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub reg_covar: Option<f64>,
    /// With gmm, the least variance of a component, as a share of the feature's own; 0: none [default: 0.001]
    #[serde(with = "as_text::number", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub variance_floor: Option<f64>,
    /// Maximum number of passes over all rows; a final pass only counts rows [default: 300; 100 iterations of gmm]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", allow_negative_numbers = true))]
    pub max_iter: Option<u32>,
    /// Stop when squared centroid moves sum to less than this share of the mean variance; 0: only at the fixpoint
    /// [default: 0.0001]. With gmm, when the mean log-likelihood changes by less [default: 0.001]
    #[serde(with = "as_text::number", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub tol: Option<f64>,
    /// Seed of all random choices [default: 0]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", allow_negative_numbers = true))]
    pub seed: Option<u64>,
}

impl ClusteringOptions {
    /// The file of starting centroids, if there is one.
    pub(super) fn path_mut(&mut self) -> Option<&mut std::path::PathBuf> {
        match &mut self.init {
            Some(InitRequest::File(path)) => Some(path),
            _ => None,
        }
    }

    /// `k` segments, and defaults for the rest.
    pub fn of(k: usize) -> Self {
        ClusteringOptions { k: Some(SegmentCount::Number(k)), ..ClusteringOptions::default() }
    }

    /// The same with the defaults filled in, except that of `n_init`, which depends on the part, and those of another
    /// algorithm.
    ///
    /// # Errors
    /// No number of segments, or a value out of range.
    pub(super) fn check(self) -> Result<Self> {
        let k = self.k.ok_or_else(|| {
            Error::usage("the number of segments is missing: give --k, or k in [clustering]".into()).of_option("--k")
        })?;
        let k = match k {
            SegmentCount::Number(k) => k,
            SegmentCount::Auto(_) => {
                let text = format!("k = {k}: only a fit chooses; run hyades choose, and give the number of segments");
                return Err(Error::usage(text).of_option("--k"));
            }
        };
        if k == 0 || k > MAX_K {
            let text = format!("k = {k}: between 1 and {MAX_K} segments are possible");
            return Err(Error::usage(text).of_option("--k"));
        }
        self.vet_algorithm(k)?;
        if self.algorithm() == Algorithm::Ward {
            return Ok(ClusteringOptions { algorithm: Some(self.algorithm()), seed: Some(self.seed()), ..self });
        }
        if self.n_init == Some(0) {
            return Err(Error::usage("n-init is 0: at least one start is needed".into()).of_option("--n-init"));
        }
        if let Some(n) = self.stability.filter(|n| !(1..=MOST_REPLICATES).contains(n)) {
            let text = format!("stability is {n}: between 1 and {MOST_REPLICATES} samples are possible; 50 are usual");
            return Err(Error::usage(text).of_option("--stability"));
        }
        self.limits().check()?;
        let Limits { max_iter, tol } = self.limits();
        let checked = ClusteringOptions {
            init: Some(self.init()),
            effort: Some(self.effort()),
            max_iter: Some(max_iter),
            tol: Some(tol),
            seed: Some(self.seed()),
            ..self
        };
        if checked.algorithm() != Algorithm::Gmm {
            return Ok(checked);
        }
        let mixture = checked.mixture();
        mixture.check()?;
        Ok(ClusteringOptions {
            algorithm: Some(Algorithm::Gmm),
            covariance: Some(mixture.covariance),
            reg_covar: Some(mixture.reg_covar),
            variance_floor: Some(mixture.variance_floor),
            ..checked
        })
    }

    /// Refuses options that the algorithm does not have.
    fn vet_algorithm(&self, k: usize) -> Result<()> {
        use Algorithm::{Gmm, KMeans, Ward};
        let algorithm = self.algorithm();
        let options: [(&str, bool, &[Algorithm]); 10] = [
            ("--init", self.init.is_some(), &[KMeans, Gmm]),
            ("--n-init", self.n_init.is_some(), &[KMeans, Gmm]),
            ("--effort", self.effort.is_some(), &[KMeans, Gmm]),
            ("--stability", self.stability.is_some(), &[KMeans]),
            ("--micro", self.micro.is_some(), &[Ward]),
            ("--covariance", self.covariance.is_some(), &[Gmm]),
            ("--reg-covar", self.reg_covar.is_some(), &[Gmm]),
            ("--variance-floor", self.variance_floor.is_some(), &[Gmm]),
            ("--max-iter", self.max_iter.is_some(), &[KMeans, Gmm]),
            ("--tol", self.tol.is_some(), &[KMeans, Gmm]),
        ];
        let mut others = options.iter().filter(|(_, given, owners)| *given && !owners.contains(&algorithm));
        if let Some((option, _, owners)) = others.next() {
            let owners = owners.iter().map(|owner| owner.name()).collect::<Vec<_>>().join(" or ");
            let text = format!("{option} is an option of --algorithm {owners}; leave it out with {algorithm}");
            return Err(Error::usage(text).of_option(*option));
        }
        match self.micro {
            Some(micro) if micro < k || micro > MAX_K => {
                let text = format!("--micro {micro}: between k = {k} and {MAX_K} micro-segments are possible");
                Err(Error::usage(text).of_option("--micro"))
            }
            None if algorithm == Algorithm::Ward && k > MICRO => {
                let text = format!("k = {k} is more than the {MICRO} micro-segments of ward; give --micro {MAX_K}");
                Err(Error::usage(text).of_option("--micro"))
            }
            _ => Ok(()),
        }
    }

    /// The algorithm.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or_default()
    }

    /// The parameters of a mixture.
    pub(crate) fn mixture(&self) -> Mixture {
        let default = Mixture::default();
        let Limits { max_iter, tol } = self.limits();
        Mixture {
            covariance: self.covariance.unwrap_or_default(),
            reg_covar: self.reg_covar.unwrap_or(default.reg_covar),
            variance_floor: self.variance_floor.unwrap_or(default.variance_floor),
            max_iter,
            tol,
        }
    }

    /// Centroids to which `rows` rows are compared at most, for `k` segments.
    pub(crate) fn compared(&self, k: usize, rows: u64) -> usize {
        match self.algorithm() {
            Algorithm::KMeans | Algorithm::Gmm => k,
            Algorithm::Ward => k.max(self.micro.unwrap_or(MICRO)).min(rows.max(1) as usize),
        }
    }

    /// The most leaves of a tree that is made of all distinct rows.
    pub(crate) fn exact_leaves(&self) -> usize {
        self.micro.unwrap_or(EXACT_LEAVES)
    }

    /// The number of segments, if it is one.
    pub(crate) fn number(&self) -> Option<usize> {
        match self.k {
            Some(SegmentCount::Number(k)) => Some(k),
            _ => None,
        }
    }

    /// The numbers to choose from, if that is asked for.
    pub(crate) fn range(&self) -> Option<SegmentRange> {
        match self.k {
            Some(SegmentCount::Auto(range)) => Some(range),
            _ => None,
        }
    }

    /// Number of starts for a part with `k` segments.
    pub(crate) fn n_init_of(&self, k: usize) -> u32 {
        self.n_init.unwrap_or_else(|| default_n_init(k))
    }

    /// How long to look for a better optimum.
    pub(crate) fn effort(&self) -> Effort {
        self.effort.unwrap_or_default()
    }

    /// When to stop.
    pub(crate) fn limits(&self) -> Limits {
        let default = match self.algorithm() {
            Algorithm::Gmm => Limits { max_iter: Mixture::default().max_iter, tol: Mixture::default().tol },
            Algorithm::KMeans | Algorithm::Ward => Limits::default(),
        };
        Limits { max_iter: self.max_iter.unwrap_or(default.max_iter), tol: self.tol.unwrap_or(default.tol) }
    }

    /// The seed of all random choices.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// Where centroids start.
    pub(crate) fn init(&self) -> InitRequest {
        self.init.clone().unwrap_or_default()
    }
}

/// Margins of an algorithm whose segments have no single centroid.
pub(in crate::job) fn no_margin(algorithm: Algorithm) -> Error {
    let why = match algorithm {
        Algorithm::Gmm => "belong to Gaussian components: the column posterior says how sure a segment is",
        Algorithm::KMeans | Algorithm::Ward => "have no single centroid",
    };
    let text = format!(
        "--margin is how much farther the second-nearest centroid is, and segments of --algorithm {algorithm} {why}; \
         leave it out"
    );
    Error::usage(text).of_option("--margin")
}

impl FromStr for InitRequest {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "k-means++" | "kmeans++" => InitRequest::PlusPlus,
            "random" => InitRequest::Random,
            file => InitRequest::File(file.into()),
        })
    }
}

impl fmt::Display for InitRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitRequest::PlusPlus => f.write_str("k-means++"),
            InitRequest::Random => f.write_str("random"),
            InitRequest::File(path) => path.display().fmt(f),
        }
    }
}
