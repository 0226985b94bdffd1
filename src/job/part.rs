//! One part of a bank, clustered: from rows to labels that go where they are sent, and a model. Without rules the bank is
//! one part.

use super::centroids::starting_centroids;
use super::fit::{FitRequest, InitRequest};
use super::manifest::{ManifestColumn, input_files};
use super::recovery::Ladder;
use crate::audit::{Audit, AuditReport};
use crate::backend::{Backend, Centroids, DeviceWork, Session};
use crate::cluster::{Fit, Init, KMeans, by_size, default_n_init, open_session};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::input::Source;
use crate::model::{Model, Provenance, original_centers};
use crate::output::{Kept, LabelSummary, LabelWriter, Output};
use crate::prepare::{ColumnCounts, Design, Placement, Prepared, prepare};
use crate::roles::Roles;

/// What all parts have in common.
pub(super) struct Parts<'a> {
    pub(super) request: &'a FitRequest,
    pub(super) roles: &'a Roles,
    /// Of columns by position, which all parts share.
    pub(super) design: &'a Design,
    pub(super) placement: Placement,
    /// A device that fails in one part is not tried in the next.
    pub(super) ladder: Ladder,
}

/// A part that was clustered.
pub(super) struct Part {
    pub(super) model: Model,
    pub(super) labels: LabelSummary,
    /// The labels, if they went to a scratch file.
    pub(super) kept: Option<Kept>,
    /// How protected attributes are spread over the segments of the part, if that was asked for.
    pub(super) audit: Option<AuditReport>,
    pub(super) columns: Vec<ManifestColumn>,
    pub(super) device_remark: Option<String>,
    pub(super) device_work: Option<DeviceWork>,
}

/// Label passes that may be made until the numbering by size holds: rows that tie exactly between two centroids follow
/// the numbering, and could change it.
const NUMBERINGS: usize = 4;

/// What was written of the labels, and what was kept of them.
type Written = (LabelSummary, Option<Kept>);

/// Opens the output of a label pass; should there be another pass, it starts anew.
pub(super) type Open<'o, 'a> = &'o mut dyn FnMut() -> Result<Output<'a>>;

impl Parts<'_> {
    /// Clusters all rows of `source`, and audits the part if `audited`.
    pub(super) fn cluster<'o>(
        &self,
        source: &Source,
        k: usize,
        audited: bool,
        open: Open<'_, 'o>,
        watch: Watch<'_>,
    ) -> Result<Part> {
        let (request, ladder) = (self.request, &self.ladder);
        let prepared = prepare(source, self.roles, self.design, &request.recipe, &self.placement, watch)?;
        let audit = |k| audited.then(|| Audit::new(source, &self.roles.protected, k));
        let init = match &request.init {
            InitRequest::PlusPlus => Init::PlusPlus,
            InitRequest::Random => Init::Random,
            InitRequest::File(path) => Init::Given(starting_centroids(path, &request.access, &prepared.recipe)?),
        };
        let kmeans = KMeans {
            k,
            n_init: request.n_init.unwrap_or_else(|| default_n_init(k)).max(1),
            init,
            limits: request.limits,
            seed: request.seed,
        };
        let recover = |fault: &Error| ladder.after(fault, watch);
        // The definition starts on the definition; every other backend may start on the CPU, with the same outcome.
        let starter: &dyn Backend =
            if ladder.backend().name() == "reference" { ladder.backend() } else { ladder.cpu() };
        let (fit, mut session) = kmeans.fit(&prepared.tiles, ladder.backend(), starter, &recover, watch)?;
        let (centroids, (labels, kept), audit) = loop {
            match self.label(&prepared, &fit, session.as_mut(), &audit, open, watch) {
                Err(e @ Error::DeviceLost(_)) => {
                    drop(session);
                    let other = recover(&e).ok_or(e)?;
                    session = open_session(other, &prepared.tiles, k, &recover, watch)?;
                }
                outcome => break outcome?,
            }
        };
        let empty = labels.counts.iter().filter(|&&n| n == 0).count();
        if empty > 0 {
            watch.warn(format!("{empty} of {k} segments have no rows; a smaller k would do"));
        }
        Ok(Part {
            model: self.model(source, &prepared, &kmeans, &fit, &centroids, &labels),
            labels,
            kept,
            audit,
            columns: manifest_columns(&prepared),
            device_remark: session.remark(),
            device_work: session.device_work(),
        })
    }

    /// Labels all rows, again until the numbering by size holds.
    fn label<'o, 's>(
        &self,
        prepared: &Prepared,
        fit: &Fit,
        session: &mut dyn Session,
        audit: &dyn Fn(usize) -> Option<Audit<'s>>,
        open: Open<'_, 'o>,
        watch: Watch<'_>,
    ) -> Result<(Centroids, Written, Option<AuditReport>)> {
        let mut centroids = fit.centroids.clone();
        let (weights, step, margin) = (prepared.tiles.weights(), prepared.recipe.step(), self.request.margin);
        watch.stage(Stage::Labels, prepared.tiles.rows(), "rows", || {
            for last in (0..NUMBERINGS).map(|i| i + 1 == NUMBERINGS) {
                let mut writer = LabelWriter::new(open()?, weights, centroids.k(), step, margin);
                let mut audit = audit(centroids.k());
                session.label(&centroids, margin, watch, &mut |labels| {
                    audit.as_mut().map_or(Ok(()), |audit| audit.push(&labels.labels))?;
                    writer.push(&labels)
                })?;
                let labels = writer.finish_into()?;
                let numbered = by_size(&centroids, &labels.0.counts);
                if last || numbered == centroids {
                    let audit = audit.map(|audit| audit.finish(&labels.0.labels_blake3));
                    return Ok((centroids, labels, audit));
                }
                centroids = numbered;
            }
            Err(Error::Internal("the numbering loop ended".into()))
        })
    }

    fn model(
        &self,
        source: &Source,
        prepared: &Prepared,
        kmeans: &KMeans,
        fit: &Fit,
        centroids: &Centroids,
        labels: &LabelSummary,
    ) -> Model {
        let (request, recipe) = (self.request, &prepared.recipe);
        let column_name = |i: usize| source.columns()[i].name.clone();
        let weight_unit = crate::numeric::power_of_two(prepared.weight_exponent);
        Model {
            hyades_version: env!("CARGO_PKG_VERSION").into(),
            algorithm: "kmeans".into(),
            n_clusters: centroids.k(),
            n_features_in_: recipe.columns.len(),
            feature_names_in_: recipe.columns.iter().map(|c| c.name.clone()).collect(),
            cluster_centers_: original_centers(centroids, recipe),
            grid_centers_: centroids.iter().map(<[i32]>::to_vec).collect(),
            counts_: labels.counts.clone(),
            mean_distance_: labels.mean_distance.clone(),
            inertia_: labels.inertia as f64 * recipe.step() * recipe.step() / weight_unit,
            grid_inertia_: labels.inertia.to_string(),
            n_iter_: fit.n_iter,
            stop: fit.stop,
            recipe: recipe.clone(),
            provenance: Provenance {
                rows: source.rows(),
                inputs: input_files(source),
                id_column: self.roles.id.map(column_name),
                weight_column: self.roles.weight.map(column_name),
                seed: request.seed,
                init: match &kmeans.init {
                    Init::PlusPlus => "k-means++".into(),
                    Init::Random => "random".into(),
                    Init::Given(_) => "given".into(),
                },
                n_init: fit.n_init,
                sample_rows: fit.sample_rows,
                max_iter: request.limits.max_iter,
                tol: request.limits.tol,
            },
        }
    }
}

fn manifest_columns(prepared: &Prepared) -> Vec<ManifestColumn> {
    let column = |c: &crate::prepare::PreparedColumn| ManifestColumn {
        counts: ColumnCounts { name: c.name.clone(), counts: c.seen.counts },
        transform: c.transform.name(),
    };
    prepared.recipe.columns.iter().map(column).collect()
}
