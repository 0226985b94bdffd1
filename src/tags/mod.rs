//! Tags and life-cycle stages: a dictionary in TOML, whose conditions are evaluated for every customer.
//!
//! Takes a dictionary and a table of customers, and writes which tags each customer has and which stage he is in.
//! Conditions are those of `rules`; they may also use `DAY`, the reference date, and figures of a whole column,
//! `QUANTILE(column, 0.8)` and `AVG(column)`, which a first pass finds (`thresholds`). What is unknown is no tag: a
//! condition that compares a null is neither true nor false. Rows are read row group by row group, several at a time,
//! and written in input order; memory holds a wave of row groups.
//!
//! Deliberately absent: the current date.

#[cfg(test)]
mod attack;
mod book;
mod category;
mod columns;
mod counts;
mod customers;
mod defaults;
mod earlier;
mod file;
mod flows;
mod job;
mod matrix;
mod plan;
mod report;
mod request;
mod table;
mod thresholds;
mod withheld;

pub use self::book::{LifeStage, Tag, TagBook, TagKind};
pub use self::category::Category;
pub use self::defaults::DEFAULTS;
pub use self::flows::{StageFlow, StageMatrix, StageTotal};
pub use self::job::tag;
pub use self::matrix::stage_matrix;
pub use self::report::{
    SegmentTag, StageCount, TagCount, TagMoves, TagOverlap, TagReport, TaggedSegment, ThresholdValue,
};
pub use self::request::{CountOptions, MatrixRequest, TagFormat, TagsRequest};
