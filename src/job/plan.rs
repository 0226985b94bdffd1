//! The memory plan, made from footers alone: what a job will hold in memory or on disk, before any work.
//!
//! Each component is an upper estimate of what the code allocates; their sum should bound the resident memory of the
//! process.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Resources;
use super::device::Chosen;
use crate::cluster::{larger_samples, sample_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Source;
use crate::output::OUTPUT_GROUP_ROWS;
use crate::prepare::{Design, Placement, quantile_bytes};
use crate::roles::Roles;
use crate::simd::SimdLevel;
use crate::tiles::{Layout, Store};

pub(crate) const MIB: u64 = 1 << 20;

/// The program itself, its threads' stacks, and allocator slack.
pub(crate) const FIXED: u64 = 48 * MIB;
/// Memory for decoding one column chunk: a compressed page, the page, a dictionary, a batch in three forms.
pub(crate) const DECODER: u64 = 5 * MIB / 2;

/// The most that an audited column holds: its decoder, and its counts while their table grows.
const AUDITED: u64 = DECODER + 8 * MIB;
/// The same with rules, where a stratum selects some rows of a column chunk: a batch of them is decoded with up to 60
/// rows between any two.
const SPARSE_DECODER: u64 = 3 * DECODER;

/// What a job holds in addition to its main work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extras {
    /// Bytes for rules.
    pub(crate) rules: u64,
    /// Bytes for what the job keeps of its rows.
    pub(crate) kept: u64,
    /// Number of audited columns.
    pub(crate) audited: usize,
    /// Bytes fetched ahead from an object store.
    pub(crate) fetched: u64,
}

impl Extras {
    fn bytes(self) -> u64 {
        self.rules + self.kept + self.audited as u64 * AUDITED + self.fetched
    }

    fn decoder(self) -> u64 {
        if self.rules > 0 { SPARSE_DECODER } else { DECODER }
    }
}

/// Where the tiles live.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TilePlace {
    /// In memory.
    Memory,
    /// In a scratch file in this folder, streamed in each pass.
    Scratch(PathBuf),
}

/// What a job will do and how much memory it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Rows of the input.
    pub rows: u64,
    /// Files of the input.
    pub files: usize,
    /// Row groups of the input.
    pub row_groups: usize,
    /// Features.
    pub features: usize,
    /// Segments.
    pub k: usize,
    /// Compressed bytes of the features, the id and the weight.
    pub input_bytes: u64,
    /// Bytes of the tiles.
    pub prepared_bytes: u64,
    /// Where the tiles live.
    pub place: TilePlace,
    /// The most bytes that the job will hold.
    pub memory_bytes: u64,
    /// Bytes that it may hold.
    pub memory_budget: u64,
    /// The smallest budget that this job can run with.
    pub smallest_budget: u64,
    /// The backend's name.
    pub backend: String,
    /// Its device.
    pub device: String,
    /// Why it was chosen.
    pub why: String,
    /// Threads.
    pub threads: usize,
    /// Expected number of full passes; the actual number depends on the data.
    pub expected_passes: u64,
    /// Expected seconds, very roughly.
    pub expected_seconds: f64,
}

/// Bytes that the CPU keeps per chunk between passes, in addition to those per row.
const CHUNK_RECORD: u64 = 160;

/// What the algorithm needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedAlgorithm {
    /// The most centroids to which rows are compared.
    pub(crate) compared: usize,
    /// The most leaves of a tree; 0 without one.
    pub(crate) leaves: u64,
    /// Expected passes over all rows.
    pub(crate) passes: u64,
}

/// A job to plan.
pub(crate) struct Planned<'a> {
    pub(crate) source: &'a Source,
    pub(crate) roles: &'a Roles,
    pub(crate) design: &'a Design,
    /// The most segments of a part.
    pub(crate) k: usize,
    pub(crate) algorithm: PlannedAlgorithm,
    pub(crate) resources: &'a Resources,
    /// The folder of the output.
    pub(crate) out: Option<&'a Path>,
    pub(crate) extras: Extras,
}

/// The most bytes that a job needs.
struct Need {
    /// For the tiles.
    prepared: u64,
    /// In total, with the tiles in memory.
    resident: u64,
    /// In total, with the tiles in a scratch file.
    streamed: u64,
}

impl Planned<'_> {
    fn need(&self, chosen: &Chosen) -> Need {
        let PlannedAlgorithm { compared: k, leaves, .. } = self.algorithm;
        let (rows, dim) = (self.source.rows(), self.design.width());
        let threads = rayon::current_num_threads();
        let chunk_rows = self.resources.chunk_rows.unwrap_or_else(|| Layout::default_chunk_rows(dim));
        let layout = Layout::new(rows, dim, chunk_rows);
        let prepared = layout.bytes();
        // Kept per row between passes: its label and its bound.
        let labels = rows * 7 + layout.chunks() as u64 * CHUNK_RECORD;
        let weights = if self.roles.weight.is_some() { rows * 12 } else { 0 };
        // Constant columns are dropped, and with fewer columns a sample may be larger.
        let larger = |dim| larger_samples(rows, dim, k).last().copied().unwrap_or(0) * (dim as u64 * 4 + 16);
        let larger = (1..=dim).map(larger).max().unwrap_or(0);
        // The sample, its tiles, and what a search for swaps keeps of every row.
        let sample = sample_rows(k).min(rows) * (dim as u64 * 12 + 56) + larger;
        let output = (OUTPUT_GROUP_ROWS as u64).min(rows) * 64;
        // Each thread has its own order statistics and its own sums, but not at the same time.
        let counters = threads as u64 * quantile_bytes(dim).max((k * dim) as u64 * 24);
        // Sums per tile while a fitted transform or categories replace the landed values.
        let fitting = if self.design.is_refined() { rows } else { 0 };
        let extras = self.extras.bytes() + chosen.host_fixed;
        // Each thread collects distinct rows; the tree has their sums and means.
        let tree = leaves * (threads as u64 * (dim as u64 * 4 + 96) + dim as u64 * 40 + 200);
        let common = FIXED + fitting + labels + weights + sample + tree + output + counters + extras;
        let decoder = self.extras.decoder();
        let copy = prepared.min(chosen.host_copy);
        let resident = common.saturating_add(prepared).saturating_add(copy)
            + threads as u64 * (decoder + layout.chunk_floats() as u64 * 4);
        let streamed = common + copy + Store::streaming_bytes(layout, threads) + dim as u64 * decoder;
        Need { prepared, resident, streamed }
    }

    /// The plan for the current thread pool.
    ///
    /// # Errors
    /// A budget that is too small, with the smallest that works.
    pub(crate) fn plan(&self, chosen: &Chosen) -> Result<Plan> {
        let Need { prepared, resident, streamed } = self.need(chosen);
        let (source, roles, k) = (self.source, self.roles, self.k);
        let (rows, dim, threads) = (source.rows(), self.design.width(), rayon::current_num_threads());
        let budget = self.resources.budget();
        let smallest = resident.min(streamed);
        if budget < smallest {
            let text = format!(
                "{rows} rows of {dim} features need at least {} of memory, and {} are allowed; give --memory {}MiB or more, \
                 or use fewer features",
                mib(smallest),
                mib(budget),
                smallest.div_ceil(MIB)
            );
            return Err(Error::environment(text).of_kind(ErrorKind::Memory).of_option("--memory"));
        }
        let fits = resident <= budget;
        let mut used: Vec<usize> = self.design.columns();
        used.extend(roles.id.into_iter().chain(roles.weight));
        Ok(Plan {
            rows,
            files: source.files().len(),
            row_groups: source.row_groups().len(),
            features: dim,
            k,
            input_bytes: source.compressed_bytes(&used),
            prepared_bytes: prepared,
            place: if fits { TilePlace::Memory } else { TilePlace::Scratch(self.resources.scratch_folder(self.out)) },
            memory_bytes: if fits { resident } else { streamed },
            memory_budget: budget,
            smallest_budget: smallest,
            backend: chosen.backend.name().into(),
            device: chosen.backend.device(),
            why: chosen.why.clone(),
            threads,
            expected_passes: self.algorithm.passes,
            expected_seconds: expected_seconds((rows, dim), self.algorithm, threads, chosen.backend.name()),
        })
    }
}

/// How `assign` processes its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AssignPlan {
    /// The most rows whose tiles are held in memory; a larger row group goes through a scratch file.
    pub(crate) rows: u64,
    /// The most bytes that the job will hold.
    pub(crate) memory_bytes: u64,
}

/// The most rows of a batch: enough to keep any device busy.
const BATCH_ROWS: u64 = 1 << 20;

/// Plans an `assign` with `dim` features for the current thread pool.
///
/// # Errors
/// A budget that is too small, with the smallest that works.
pub(crate) fn batches(dim: usize, k: usize, chosen: &Chosen, budget: u64, beside: Extras) -> Result<AssignPlan> {
    let threads = rayon::current_num_threads();
    let layout = Layout::new(BATCH_ROWS, dim, Layout::default_chunk_rows(dim));
    let sums = threads as u64 * (k * dim) as u64 * 24;
    let decoder = beside.decoder();
    let output = OUTPUT_GROUP_ROWS as u64 * 64;
    let common = FIXED + sums + output + chosen.host_fixed + threads as u64 * decoder + beside.bytes();
    // Streaming a row group needs one decoder per column; a batch in memory needs its tiles, twice for a software
    // device.
    let streamed = common + Store::streaming_bytes(layout, threads) + dim as u64 * decoder;
    let row = dim as u64 * if chosen.host_copy > 0 { 8 } else { 4 };
    let rows = (budget.saturating_sub(common) / row).min(BATCH_ROWS);
    if budget < streamed {
        let text = format!(
            "labelling rows of {dim} features needs at least {} of memory, and {} are allowed; give --memory {}MiB or more",
            mib(streamed),
            mib(budget),
            streamed.div_ceil(MIB)
        );
        return Err(Error::environment(text).of_kind(ErrorKind::Memory).of_option("--memory"));
    }
    Ok(AssignPlan { rows, memory_bytes: streamed.max(common + rows * row) })
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(MIB))
}

/// Rates of one thread, measured on a 2.6 GHz Zen 4 (BENCHMARKS.md); only a rough guide.
fn expected_seconds((rows, dim): (u64, usize), algorithm: PlannedAlgorithm, threads: usize, backend: &str) -> f64 {
    const VALUES_DECODED: f64 = 60e6;
    const ROWS_WRITTEN: f64 = 10e6;
    const SEARCHED: f64 = 3e9;
    let multiply_adds = match backend {
        "reference" => 0.5e9,
        "gpu" => 1e12,
        _ => 30e9 * threads as f64,
    };
    let values = rows as f64 * dim as f64;
    let PlannedAlgorithm { compared, leaves, passes } = algorithm;
    let passes = values * compared as f64 * (passes + 1) as f64 / multiply_adds;
    let tree = if rows <= leaves { (rows * rows) as f64 * dim as f64 * 1.5 / SEARCHED } else { 0.0 };
    values / (VALUES_DECODED * threads as f64) + passes + tree + rows as f64 / ROWS_WRITTEN
}

impl Plan {
    /// The plan in two lines: where the tiles are, and which device does the work.
    pub fn summary(&self) -> [String; 2] {
        let place = match &self.place {
            TilePlace::Memory => "in memory".to_owned(),
            TilePlace::Scratch(folder) => format!("streamed from a scratch file in {}", folder.display()),
        };
        [
            format!(
                "plan: {} rows x {} features, tiles of {} {place}, up to {} of {} allowed",
                self.rows,
                self.features,
                mib(self.prepared_bytes),
                mib(self.memory_bytes),
                mib(self.memory_budget),
            ),
            format!("device: {}, {}: {}", self.backend, self.device, self.why),
        ]
    }

    /// Where `prepare` puts the tiles.
    pub(crate) fn placement(&self, resources: &Resources, simd: Option<SimdLevel>) -> Placement {
        let scratch = match &self.place {
            TilePlace::Memory => None,
            TilePlace::Scratch(folder) => Some(folder.clone()),
        };
        Placement { chunk_rows: resources.chunk_rows, scratch, simd }
    }
}
