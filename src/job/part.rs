//! What the clustering of a part of a bank needs, whatever the algorithm, and what comes of it.

use super::assign::tell_unseen;
use super::base::{Beginning, PartRefit};
use super::manifest::ManifestColumn;
use super::recovery::Ladder;
use super::request::CheckedFit;
use crate::backend::{Backend, DeviceWork, Session};
use crate::cluster::Fitted;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::Source;
use crate::migration::RowCodes;
use crate::model::PartModel;
use crate::output::LabelSummary;
use crate::prepare::{ColumnCounts, Design, Placement, Preparation, Prepared, PreparedColumn, prepare, prepare_again};
use crate::roles::Roles;

/// Shared by all parts.
pub(super) struct Parts<'a> {
    pub(super) checked: &'a CheckedFit,
    pub(super) roles: &'a Roles,
    /// Columns by position; all parts share it.
    pub(super) design: &'a Design,
    pub(super) placement: Placement,
    /// A device that failed in one part is not tried in the next.
    pub(super) ladder: &'a Ladder,
    /// Whether all rows are one part.
    pub(super) is_whole: bool,
    pub(super) beginning: Beginning<'a>,
}

/// A part that was clustered.
pub(super) struct Part {
    pub(super) preparation: Preparation,
    pub(super) fitted: Fitted,
    pub(super) labels: LabelSummary,
    pub(super) columns: Vec<ManifestColumn>,
    pub(super) device_remark: Option<String>,
    pub(super) device_work: Option<DeviceWork>,
    /// How it was fitted again, if there is an earlier model.
    pub(super) refit: Option<PartRefit>,
    /// The segment of each row by the earlier centroids, where the grid and the number of centroids are the same.
    pub(super) by_earlier: Option<RowCodes>,
}

/// What an algorithm found in a part.
pub(super) struct Clustered {
    pub(super) fitted: Fitted,
    pub(super) labels: LabelSummary,
    /// A remark about the device, and its work.
    pub(super) device: (Option<String>, Option<DeviceWork>),
    pub(super) refit: Option<PartRefit>,
    pub(super) by_earlier: Option<RowCodes>,
}

impl Parts<'_> {
    /// The rows on a grid: that of the earlier model's part, if there is one.
    pub(super) fn prepared(
        &self,
        source: &Source,
        earlier: Option<&PartModel>,
        watch: Watch<'_>,
    ) -> Result<(Prepared, Vec<ManifestColumn>)> {
        match earlier {
            None => {
                let recipe = &self.checked.recipe;
                let prepared = prepare(source, self.roles, self.design, recipe, &self.placement, watch)?;
                let counts = |c: &PreparedColumn| ColumnCounts { name: c.name.clone(), counts: c.seen.counts };
                let counts = prepared.recipe.columns.iter().map(counts).collect();
                let columns = manifest_columns(&prepared.recipe, counts);
                Ok((prepared, columns))
            }
            Some(part) => {
                let recipe = &part.preparation;
                let (prepared, counts) = prepare_again(source, self.roles.weight, recipe, &self.placement, watch)?;
                tell_unseen(&counts, recipe, source.rows(), watch);
                let columns = manifest_columns(recipe, counts);
                Ok((prepared, columns))
            }
        }
    }

    /// The reference backend starts on itself; every other backend may start on the CPU, with the same result.
    pub(super) fn starter(&self) -> &dyn Backend {
        let backend = self.ladder.backend();
        if backend.name() == "reference" { backend } else { self.ladder.cpu() }
    }
}

pub(super) fn tell_empty(labels: &LabelSummary, watch: Watch<'_>) {
    let empty = labels.counts.iter().filter(|&&n| n == 0).count();
    if empty > 0 {
        watch.warn(format!("{empty} of {} segments have no rows; a smaller k would do", labels.counts.len()));
    }
}

/// Does `work` in a session, and once more in another one if its device is lost.
pub(super) fn on_any_device<'t, T>(
    session: &mut Option<Box<dyn Session + 't>>,
    reopen: &dyn Fn(Error) -> Result<Box<dyn Session + 't>>,
    mut work: impl FnMut(&mut dyn Session) -> Result<T>,
) -> Result<T> {
    loop {
        let on = session.as_deref_mut().ok_or_else(|| Error::Internal("no session".into()))?;
        match work(on) {
            Err(e @ Error::DeviceLost(_)) => {
                // Its memory is released before the next one allocates.
                *session = None;
                *session = Some(reopen(e)?);
            }
            outcome => return outcome,
        }
    }
}

/// `counts`: those of each column of the recipe, in the rows at hand.
fn manifest_columns(recipe: &Preparation, counts: Vec<ColumnCounts>) -> Vec<ManifestColumn> {
    let columns = counts.into_iter().zip(&recipe.columns);
    columns.map(|(counts, column)| ManifestColumn { counts, transform: column.transform.name() }).collect()
}
