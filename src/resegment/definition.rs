//! What decides how segments are defined: what a run takes over from the version before, whatever its job says now.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::context::text_of;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{FitRequest, RecipeSource, RefitMode, RefitOptions};
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
    /// Of a fit as a job requests it. Which files hold a recipe, words or rules does not count, only what is in them.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn new(fit: &FitRequest) -> Result<Self> {
        let columns = &fit.columns;
        let roles =
            (&columns.features, &columns.include, &columns.exclude, &columns.protect, columns.row_weight.as_deref());
        let words = columns.protected_words.as_deref().map(content).transpose()?;
        let given = &fit.preparation;
        let all = (given.transform, given.missing, given.scale, given.clip);
        let recipe = match &given.recipe {
            Some(RecipeSource::File(path)) => content(path)?,
            Some(RecipeSource::Inline(recipe)) => format!("{recipe:?}").into_bytes(),
            None => Vec::new(),
        };
        let rules = fit.division.rules.as_deref().map(content).transpose()?;
        Ok(Definition {
            columns: hash(&[format!("{roles:?}").as_bytes(), &words.unwrap_or_default()]),
            preparation: hash(&[format!("{all:?}").as_bytes(), &recipe]),
            division: hash(&[&rules.unwrap_or_default()]),
            k: fit.clustering.k,
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
        let labels = mode == RefitMode::Assign;
        let sections = [
            ("[columns]", self.columns != known.columns),
            ("[preparation]", self.preparation != known.preparation),
            ("the rules of [division]", labels && self.division != known.division),
            ("k of [clustering]", (labels || refit.max_relabelled.is_some()) && self.k != known.k),
        ];
        let changed: Vec<&str> = sections.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if mode == RefitMode::Fresh || changed.is_empty() {
            return Ok(());
        }
        let what = if labels { "model" } else { "features and preparation" };
        let text = format!(
            "{} changed since version {version}, but the mode {} keeps that version's {what}; set mode = \"fresh\" in [refit] for \
             this month, or undo the change",
            changed.join(" and "),
            mode.name()
        );
        Err(Error::usage(text).of_kind(ErrorKind::Config))
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
