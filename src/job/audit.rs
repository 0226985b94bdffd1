//! Checks for an audit of protected attributes: the attributes can be read, and it is clear to which run an
//! `audit.json` belongs.

use std::path::Path;

use crate::audit::{Audit, AuditReport};
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{Source, agreed_where_present};
use crate::output::Publication;
use crate::roles::Roles;
use crate::survey::{Riders, Riding};

/// The file that an audit publishes.
const AUDIT: &str = "audit.json";

/// The files that a job publishes: `outputs`, with an audit inserted before the last, the manifest.
pub(super) fn outputs(outputs: &[&'static str], audit: bool) -> Vec<&'static str> {
    let mut names = outputs.to_vec();
    if audit {
        names.insert(outputs.len() - 1, AUDIT);
    }
    names
}

/// Checks the attributes before any work.
///
/// # Errors
/// No protected attribute, or files that disagree about one.
pub(super) fn vet(source: &Source, roles: &Roles) -> Result<()> {
    if roles.protected.is_empty() {
        return Err(Error::usage(
            "--audit: no column is named like a protected attribute; name the protected columns with --protect".into(),
        )
        .of_option("--audit"));
    }
    let columns = roles.protected.iter().map(|p| &source.columns()[p.column]);
    agreed_where_present(columns, "protected attributes", Some("leave --audit out")).map_err(|e| e.of("--audit"))
}

/// The number of audited columns.
pub(super) fn columns(audit: bool, roles: &Roles) -> usize {
    if audit { roles.protected.len() } else { 0 }
}

/// Warns about protected attributes that are features.
pub(super) fn warn_of_features(source: &Source, roles: &Roles, watch: Watch<'_>) {
    let name = |p: &crate::roles::Protected| format!("{} ({})", source.columns()[p.column].name, p.attribute);
    let features: Vec<String> = roles.protected.iter().filter(|p| p.is_feature).map(name).collect();
    if !features.is_empty() {
        watch.warn(format!("protected attributes are features, and segments follow them: {}", features.join(", ")));
    }
}

/// Warns about an earlier audit in the output folder, next to segments that it does not describe.
pub(super) fn warn_of_earlier(out: &Path, watch: Watch<'_>) {
    let path = out.join(AUDIT);
    if path.is_file() {
        watch.warn(format!("{} is from an earlier run; pass --audit to replace it", path.display()));
    }
}

/// Adds the audit to the files to publish; returns its hash for the manifest.
pub(super) fn publish(audit: Option<&AuditReport>, publication: &mut Publication) -> Result<Option<String>> {
    let Some(audit) = audit else { return Ok(None) };
    let text = serde_json::to_string_pretty(audit).map_err(|e| Error::Internal(e.to_string()))? + "\n";
    publication.text(AUDIT, &text)?;
    Ok(Some(blake3::hash(text.as_bytes()).to_hex().to_string()))
}

/// The surveys of a label pass: an audit, if it was asked for.
pub(super) struct Surveys<'a>(Option<Riding<'a, Audit>>);

impl<'a> Surveys<'a> {
    /// At the first row of `source`, whose rows are in so many segments.
    pub(super) fn new(audit: bool, source: &'a Source, roles: &Roles, segments: usize) -> Self {
        let audit = audit.then(|| Audit::new(source, &roles.protected, segments));
        Surveys(audit.map(|audit| Riding::new(audit, source)))
    }

    /// All of them, to ride along.
    pub(super) fn riders(&mut self) -> Riders<'_> {
        let mut riders = Riders::default();
        self.0.iter_mut().for_each(|audit| riders.push(audit));
        riders
    }

    /// What the audit found; `labels_blake3` is the hash of the labels that it rode along with.
    pub(super) fn report(self, labels_blake3: &str) -> Option<AuditReport> {
        let (audit, seen) = self.0?.finish();
        Some(audit.report(seen, labels_blake3))
    }
}
