//! Tags and life-cycle stages: a dictionary in TOML, whose conditions are evaluated for every customer.
//!
//! Takes a dictionary and a table of customers, and writes which tags each customer has and which stage he is in.
//! Conditions are those of `rules`; they may also use `DAY`, the reference date, and figures of a whole column,
//! `QUANTILE(column, 0.8)` and `AVG(column)`, which a first pass finds (`thresholds`). What is unknown is no tag: a
//! condition that compares a null is neither true nor false. Rows are read row group by row group, several at a time,
//! and written in input order; memory holds a wave of row groups.
//!
//! Deliberately absent: the current date.

mod book;
mod category;
mod defaults;
mod file;
mod job;
mod matrix;
mod report;
mod request;
mod table;
mod thresholds;

pub use self::book::{LifeStage, Tag, TagBook, TagKind};
pub use self::category::Category;
pub use self::defaults::DEFAULTS;
pub use self::job::tag;
pub use self::matrix::{StageFlow, StageMatrix, stage_matrix};
pub use self::report::{StageCount, TagCount, TagOverlap, TagReport, ThresholdValue};
pub use self::request::{MatrixRequest, TagFormat, TagsRequest};
