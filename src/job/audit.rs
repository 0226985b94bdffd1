//! The audit of protected attributes: whether they can be read, and whether a limit is exceeded.

use super::request::OutputOptions;
use crate::audit::{Audit, AuditReport};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::{Source, agreed_where_present};
use crate::roles::Roles;
use crate::survey::{Riders, Riding};

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

/// The number of columns that an audit holds. A feature, of which only drawn rows are kept, is a quarter of one.
pub(super) fn columns(audit: bool, roles: &Roles) -> usize {
    if audit { roles.protected.len() + roles.features.len().div_ceil(4) } else { 0 }
}

/// Warns about protected attributes that are features.
pub(super) fn warn_of_features(source: &Source, roles: &Roles, watch: Watch<'_>) {
    let name = |p: &crate::roles::Protected| format!("{} ({})", source.columns()[p.column].name, p.attribute);
    let features: Vec<String> = roles.protected.iter().filter(|p| p.is_feature).map(name).collect();
    if !features.is_empty() {
        watch.warn(format!("protected attributes are features, and segments follow them: {}", features.join(", ")));
    }
}

/// Refuses groups that are in a segment more than `most` times as often as others.
fn gate(report: &AuditReport, most: f64) -> Result<()> {
    let beyond = report.beyond(most);
    if beyond.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        beyond.iter().map(|(attribute, found)| format!("  {}: {found}", attribute.column)).collect();
    let text = format!(
        "--max-disparity {most} is exceeded, and nothing was published:\n{}\nleave out features that carry the \
         attribute, choose fewer segments, or allow more",
        lines.join("\n")
    );
    let columns = beyond.iter().map(|(attribute, _)| &attribute.column);
    Err(Error::limit(text).of_columns(columns).of_kind(ErrorKind::Limit).of_option("--max-disparity"))
}

/// The surveys of a label pass: an audit, if it was asked for.
pub(super) struct Surveys<'a>(Option<Riding<'a, Audit>>);

impl<'a> Surveys<'a> {
    /// At the first row of `source`, whose rows are in so many segments.
    pub(super) fn new(output: &OutputOptions, source: &'a Source, roles: &Roles, segments: usize) -> Self {
        let audit = output.audits().then(|| Audit::new(source, roles, segments));
        Surveys(audit.map(|audit| Riding::new(audit, source)))
    }

    /// All of them, to ride along.
    pub(super) fn riders(&mut self) -> Riders<'_> {
        let mut riders = Riders::default();
        self.0.iter_mut().for_each(|audit| riders.push(audit));
        riders
    }

    /// What the audit found; `labels_blake3` is the hash of the labels that it rode along with.
    ///
    /// # Errors
    /// A disparity beyond `--max-disparity`.
    pub(super) fn report(self, output: &OutputOptions, labels_blake3: &str) -> Result<Option<AuditReport>> {
        let Some(riding) = self.0 else { return Ok(None) };
        let (audit, seen) = riding.finish();
        let report = audit.report(seen, labels_blake3, output.small_cells());
        output.max_disparity.map_or(Ok(()), |most| gate(&report, most))?;
        Ok(Some(report))
    }
}
