//! What decides how segments are defined: what a run takes over from the version before, whatever its job says now.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::context::text_of;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{FitRequest, RefitMode, RefitOptions};
use crate::output::MANIFEST;

/// The key of it in a manifest.
pub(super) const DEFINITION: &str = "definition";

/// Hashes of the sections of a job that define segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Definition {
    /// Which columns are features.
    columns: String,
    /// How they become comparable.
    preparation: String,
    /// The rules and strata.
    division: String,
    k: Option<usize>,
    /// The column of ids.
    pub(super) id: Option<String>,
}

impl Definition {
    /// Of a fit as a job requests it. Where a recipe or rules stand does not count, only what they say.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn new(fit: &FitRequest) -> Result<Self> {
        let columns = &fit.columns;
        let roles = (&columns.features, &columns.include, &columns.exclude, columns.row_weight.as_deref());
        let roles = serde_json::to_vec(&roles).map_err(|e| Error::Internal(e.to_string()))?;
        let rules = fit.division.rules.as_deref().map(content).transpose()?;
        Ok(Definition {
            columns: hash(&[&roles]),
            preparation: hash(&[fit.preparation.recipe()?.meaning()?.as_bytes()]),
            division: hash(&[&rules.unwrap_or_default()]),
            k: fit.clustering.number(),
            id: None,
        })
    }

    /// Refuses a job that asks for other segments than those of the base version, in a mode that takes them over. Not
    /// refused are rules and k where segments are fitted again: they take effect.
    ///
    /// # Errors
    /// The sections that changed, and what to do.
    pub(super) fn vet(&self, (version, known): (u64, &Definition), refit: &RefitOptions) -> Result<()> {
        let mode = refit.mode.unwrap_or_default();
        if mode == RefitMode::Fresh {
            return Ok(());
        }
        let named = |sections: &[(&'static str, bool)]| -> Vec<&str> {
            sections.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
        };
        let of_features = named(&[
            ("[columns]", self.columns != known.columns),
            ("[preparation]", self.preparation != known.preparation),
        ]);
        let of_segments = named(&[
            ("the rules of [division]", self.division != known.division),
            ("k of [clustering]", self.k != known.k),
        ]);
        let is_labelled = mode == RefitMode::Assign;
        let changed = if is_labelled { [of_features, of_segments.clone()].concat() } else { of_features };
        if !changed.is_empty() {
            let (what, name) = (if is_labelled { "model" } else { "features and preparation" }, mode.name());
            let text = format!(
                "{} changed since version {version}, but the mode {name} keeps that version's {what}; set mode = \"fresh\" \
                 in [refit] for this month, or undo the change",
                changed.join(" and ")
            );
            return Err(Error::usage(text).of_kind(ErrorKind::Config));
        }
        if refit.max_relabelled.is_some() && !of_segments.is_empty() {
            let text = format!(
                "{} changed since version {version}, and max_relabelled compares with that version's segments; leave it \
                 out for this month, or undo the change",
                of_segments.join(" and ")
            );
            return Err(Error::usage(text).of_kind(ErrorKind::Config));
        }
        Ok(())
    }

    /// Of a version; None for one without it.
    ///
    /// # Errors
    /// A damaged manifest.
    pub(super) fn of_version(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        let damaged = |e: serde_json::Error| super::context::damaged(&path, &e.to_string());
        let manifest: serde_json::Value = serde_json::from_str(&text_of(&path)?).map_err(damaged)?;
        manifest.get(DEFINITION).map(|of| serde_json::from_value(of.clone())).transpose().map_err(damaged)
    }
}

fn content(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io("read", path, &e))
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}
