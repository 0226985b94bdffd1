//! Whole jobs: run the modules above in sequence, with a plan first and a manifest last.

mod apply;
mod assign;
mod audit;
mod base;
mod budget;
mod card_rules;
mod centroids;
mod checkpoints;
mod choose;
mod clustered;
mod convert;
mod describe;
mod device;
mod drift;
mod evidence;
mod explain;
mod fit;
mod fitted_model;
mod gains;
mod given;
mod gridded;
mod identities;
mod ids;
pub(crate) mod inputs;
mod labelling;
mod manifest;
mod missing;
mod opened;
mod outputs;
pub(crate) mod page;
mod part;
mod part_kmeans;
mod part_mixture;
mod part_ward;
mod plan;
mod profile;
mod recorder;
mod recovery;
mod reference;
mod request;
mod result;
mod rule_tree;
mod short_rules;
mod small_cells;
mod strata;

pub use apply::apply;
pub(crate) use assign::assign_from;
pub use assign::{AssignOutcome, assign};
pub(crate) use base::{Base, Beginning};
pub use base::{PartRefit, RefitStart};
pub use budget::RefitBudget;
pub(crate) use checkpoints::Checkpoints;
pub use choose::choose;
pub use convert::{ConvertOutcome, convert};
pub use describe::profile;
pub(crate) use describe::{of_folder, vet_matches};
pub(crate) use drift::compared;
pub use explain::explain;
pub use fit::{FitOutcome, fit, plan};
pub(crate) use fit::{fit_from, plan_from};
pub(crate) use gains::{Gain, GridRows, RowSegments, TOP};
pub(crate) use gridded::{GriddedInput, GriddedRequest};
pub use labelling::{Labelling, PartLabels};
pub(crate) use outputs::{segment_names, success};
pub(crate) use plan::{DECODER, FIXED, MIB};
pub use plan::{Plan, TilePlace};
pub use recorder::{PassRecord, StageTime};
pub use request::{
    ApplyRequest, Approval, AssignColumns, AssignRequest, BackendKind, CardOptions, ChoiceFiles, ChooseRequest,
    ClusteringOptions, ColumnOptions, ConvertRequest, DeviceOptions, DivisionOptions, DuplicateIds, ExplainRequest,
    FitRequest, InitRequest, InputOptions, JobFile, JobOptions, OutputOptions, PartitionBy, PreparationOptions,
    ProfileColumns, ProfileRequest, RecipeSource, RefitMode, RefitOptions, Resources, SearchOptions, SegmentCount,
    SegmentRange, Share, TimeLimit,
};
pub(crate) use request::{Month, limit_of_small_cells, max_unmatched};
pub use result::{JobResult, SegmentResult};
pub use short_rules::explain_rules;
