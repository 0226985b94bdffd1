//! Detects outcomes by the names of columns: what happened to a customer after the rows were taken, or what another
//! model said. A segment made from the outcome explains nothing, so outcomes are not features unless requested.

use crate::text::words;

/// Names of outcomes, in words; each is the whole name.
#[rustfmt::skip]
const NAMES: [&str; 30] = [
    "default", "default payment next month", "default next month", "is default", "defaulted", "loan status", "bad",
    "good bad", "serious dlqin 2yrs", "serious dlqin 2 yrs", "churn", "churned", "is churn", "is churned", "churn flag",
    "exited", "exited flag", "attrition", "attrition flag", "attrited", "target", "label", "labels", "outcome",
    "class", "segment", "cluster", "response", "converted", "conversion",
];

/// Whether the name is that of an outcome.
pub(crate) fn is_outcome(name: &str) -> bool {
    let words = words(name).join(" ");
    NAMES.contains(&words.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_found() {
        for name in [
            "default payment next month",
            "SeriousDlqin2yrs",
            "churned",
            "Exited",
            "TARGET",
            "Attrition_Flag",
            "label",
            "segment",
            "cluster",
        ] {
            assert!(is_outcome(name), "{name}");
        }
        for name in ["default_limit", "target_balance", "segment_size", "balance", "y_axis", ""] {
            assert!(!is_outcome(name), "{name}");
        }
    }
}
