//! Gates from the versions of a history.

use std::path::Path;

use serde::Deserialize;

use super::context::{REPORT, damaged, text_of};
use crate::error::Result;
use crate::gates::{Measures, SuggestedGates, suggest};
use crate::history::{History, VersionState};

#[derive(Deserialize)]
struct RecordedReport {
    measures: Measures,
}

/// Suggests gates from what the published versions of a history measured.
///
/// # Errors
/// Not a history, fewer than three such versions, or a damaged report.
pub fn suggest_gates(history: &Path) -> Result<SuggestedGates> {
    let history = History::open(history)?;
    let was_published = |state| matches!(state, VersionState::Published | VersionState::Retired);
    let mut measured = Vec::new();
    // A rollback measured nothing.
    let records = history.versions()?.into_iter().filter(|record| record.origin.is_none());
    for record in records.filter(|record| was_published(record.state) && record.is_kept()) {
        let path = history.folder(record.version).join(REPORT);
        if path.is_file() {
            let report: RecordedReport =
                serde_json::from_str(&text_of(&path)?).map_err(|e| damaged(&path, &e.to_string()))?;
            measured.push(report.measures);
        }
    }
    suggest(&measured)
}
