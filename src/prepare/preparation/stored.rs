//! A column as a model stores it: one flat object, in which transforms and their parameters are fields of their own.

use serde::{Deserialize, Serialize};

use super::seen::Seen;
use crate::prepare::recipe::{Derivation, Missing, Scale, Transform, Unseen};

/// The fields of a column in the order of the file, which the checksum of a model depends on.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredColumn {
    pub(super) name: String,
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Derivation>,
    pub(super) transform: Transform,
    /// The parameter of `yeo-johnson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lambda: Option<f64>,
    /// The quantiles of `quantile`, at equal steps from 0 to 1, in the column's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) landmarks: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) winsor: Option<[f64; 2]>,
    pub(super) missing: Missing,
    pub(super) fill: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) fill_is_of_sample: bool,
    pub(super) scale: Scale,
    pub(super) origin: f64,
    pub(super) center: f64,
    pub(super) unit: f64,
    pub(super) clip: Option<f64>,
    pub(super) weight: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) block: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) unseen: Unseen,
    pub(super) seen: Seen,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl StoredColumn {
    /// Fails for constants with which values cannot be put on a grid.
    pub(super) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        for (what, value) in [("origin", self.origin), ("center", self.center)] {
            if !value.is_finite() {
                return Err(format!("column {name:?}: {what} must be a finite number, not {value}"));
            }
        }
        let positive = [("unit", Some(self.unit)), ("weight", Some(self.weight)), ("clip", self.clip)];
        for (what, value) in positive.into_iter().filter_map(|(what, value)| Some((what, value?))) {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("column {name:?}: {what} must be a positive finite number, not {value}"));
            }
        }
        Ok(())
    }
}
