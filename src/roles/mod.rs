//! The role of each column: the id, the features, the weight, outcomes; and why the others are left out.
//!
//! By default a column's role follows from its name (`ids`, `outcome`, `protected`, `personal`; what a table says of it
//! counts like a name), from its type, and for ids also from the shape of its values (`shape`). Every verb decides by
//! [`RoleRequest`].

mod codes;
mod described;
mod ids;
mod name;
mod outcome;
mod own_words;
mod personal;
mod protected;
mod reason;
mod request;
mod shape;

use std::borrow::Cow;

pub(crate) use self::codes::is_code;
pub(crate) use self::own_words::read_words;
pub(crate) use self::personal::{Personal, personal_in_chinese};
pub(crate) use self::protected::attribute_in_chinese;
pub use self::reason::LeftOutColumn;
pub(crate) use self::reason::{Reason, few, lines};
pub use self::request::RoleRequest;
pub(crate) use self::request::guess_id;

/// The column of planted segments in a synthetic bank; never a feature by default.
pub(crate) const TRUTH_COLUMN: &str = "true_segment";

/// The most products: those that a customer holds fit the bits of a word.
pub(crate) const MOST_PRODUCTS: usize = 64;

/// Names of the columns that the output adds.
pub(crate) const OUTPUT_COLUMNS: [&str; 10] = [
    "segment",
    "micro_segment",
    "posterior",
    "second_segment",
    "second_posterior",
    "entropy",
    "distance",
    "margin",
    "anomaly_ratio",
    "anomaly_z",
];

/// Roles resolved against a [`Source`](crate::input::Source), as column positions.
#[derive(Debug, Clone)]
pub struct Roles {
    /// The id column; without one, rows are identified by their number.
    pub id: Option<usize>,
    /// Whether the id was guessed by its name.
    pub id_guessed: bool,
    /// The features, in the order of the input or the request.
    pub features: Vec<usize>,
    /// Whether the features were requested by name.
    pub features_named: bool,
    /// The row weights.
    pub weight: Option<usize>,
    /// Columns that are not used, and why.
    pub left_out: Vec<LeftOutColumn>,
    /// Protected attributes, by name, by comment or by request, whatever their role, in the order of the input.
    pub protected: Vec<Protected>,
    /// Columns that likely hold personal data, whatever their role.
    pub(crate) personal: Vec<(usize, Personal)>,
    /// Outcomes, such as whether a customer left, by name or by request, in the order of the input; never features.
    pub outcomes: Vec<Outcome>,
    /// Columns that say whether a customer holds a product, in the order of the request; features only if asked for.
    pub products: Vec<usize>,
    /// Columns that are shown of segments besides features and outcomes, in the order of the input.
    pub(crate) described: Vec<usize>,
    /// Features whose whole numbers are likely codes, by their names.
    pub codes: Vec<usize>,
}

/// A column that is an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Its position.
    pub column: usize,
    /// Whether it was guessed by its name.
    pub guessed: bool,
}

/// A column that is a protected attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// Its position.
    pub column: usize,
    /// The attribute: `age`, `sex`, ...
    pub attribute: Cow<'static, str>,
    /// Whether its comment tells, and neither its name nor the request.
    pub by_comment: bool,
    /// Whether it is a feature nonetheless.
    pub is_feature: bool,
}

impl Roles {
    /// The columns that are left out, and why.
    pub(crate) fn reasons(&self) -> Vec<(String, String)> {
        self.left_out.iter().map(|left| (left.column.clone(), left.why())).collect()
    }

    /// The personal data that a column likely holds.
    pub(crate) fn personal_data(&self, column: usize) -> Option<Personal> {
        self.personal.iter().find(|(at, _)| *at == column).map(|(_, personal)| *personal)
    }

    /// Why a column is left out, if it is.
    pub(crate) fn reason(&self, column: &str) -> Option<&LeftOutColumn> {
        self.left_out.iter().find(|left| left.column == column)
    }
}
