//! Who moved from one month to the next, and why.
//!
//! A customer has up to three segments: the one of the earlier version, the one that the earlier model gives to the
//! data of now, and the one of the new model. From the first to the second the customer's behaviour changed; from the
//! second to the third, the definition of the segments. All matrices are margins of one count of these three.

mod codes;
mod count;
mod earlier;

pub(crate) use self::codes::{MemberPlace, RowCodes};
pub use self::count::{Flow, Migration, MigrationMatrix};
pub(crate) use self::earlier::{EarlierPlaces, LabelTable, customers, earlier_places};
