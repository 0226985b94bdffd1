//! What changed in the data: counts of the rows that a model was fitted to, and how far those of other rows are from
//! them.
//!
//! [`ReferenceCounts`] are kept in the model, and made of the rows at hand; [`compare`] needs nothing else, so that no
//! old data is read again. All counts are integers, and sums of floats run over bins in order: the figures have the
//! same bits everywhere. Rows count once, whatever their weight. This module does not know how rows are read.

mod bins;
mod compare;
mod counts;
mod figures;
mod keys;
mod report;

pub use compare::compare;
pub(crate) use counts::{CountedColumn, CountedNumbers, CountedTexts};
pub use counts::{
    FeatureMoves, NumberRange, PartDistances, ReferenceCategories, ReferenceColumn, ReferenceCounts, ReferenceNumbers,
    ReferenceValues,
};
pub use keys::KeyedCounts;
pub(crate) use keys::{DIGITS, key_of, middle};
pub use report::{
    BinDrift, BinKind, DistanceDrift, DriftFigures, DriftReport, FeatureDrift, MovesDrift, SegmentDrift, SegmentPair,
    ThenAndNow,
};
