//! Requests: one definition of every option, for the command line, TOML files, Python and the manifest.
//!
//! A request consists of sections. Fields that were not given are None or empty, so that the command line can override
//! a file; [`FitRequest::check`] applies the defaults and refuses invalid values. Secrets are named by where they are,
//! never by their contents.

mod assign;
mod card;
mod choose;
mod clustering;
mod columns;
mod config;
mod convert;
mod count;
mod device;
mod explain;
mod fit;
mod input;
mod job_file;
mod month;
mod output;
mod preparation;
mod profile;
mod resources;
mod share;

pub use assign::{ApplyRequest, AssignRequest};
pub use card::CardOptions;
pub(super) use choose::CheckedSearch;
pub use choose::{ChoiceFiles, ChooseRequest, SearchOptions, TimeLimit};
pub(super) use clustering::no_margin;
pub use clustering::{ClusteringOptions, InitRequest};
pub use columns::{AssignColumns, ColumnOptions, DuplicateIds};
pub(super) use config::HasPaths;
pub use convert::ConvertRequest;
pub use count::{SegmentCount, SegmentRange};
pub use device::{BackendKind, DeviceOptions};
pub use explain::ExplainRequest;
pub(super) use fit::CheckedFit;
pub use fit::{DivisionOptions, FitRequest};
pub use input::InputOptions;
pub use job_file::{Approval, JobFile, JobOptions, RefitMode, RefitOptions};
pub(crate) use month::Month;
pub(crate) use output::limit_of_small_cells;
pub use output::{OutputOptions, PartitionBy};
pub use preparation::{PreparationOptions, RecipeSource};
pub(crate) use profile::max_unmatched;
pub use profile::{ProfileColumns, ProfileRequest};
pub use resources::Resources;
pub use share::Share;
