//! Clusters one part of a bank: sends the labels of its rows to their destination, and returns its part of the model.

use super::assign::tell_unseen;
use super::base::{Beginning, PartRefit};
use super::budget::{EarlierRows, Steps};
use super::centroids::Start;
use super::manifest::ManifestColumn;
use super::recovery::Ladder;
use super::request::CheckedFit;
use super::small_cells::is_small;
use crate::backend::{Backend, Centroids, DeviceWork, Session};
use crate::cluster::{
    Clustering, Fit, FitKeeper, Fitted, FittedCentroids, Init, KMeans, SegmentStability, by_size, open_session,
    original_centers,
};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::input::Source;
use crate::migration::RowCodes;
use crate::model::PartModel;
use crate::numeric::power_of_two;
use crate::output::{Destination, LabelSummary, LabelWriter, WrittenLabels};
use crate::prepare::{ColumnCounts, Design, Placement, Preparation, Prepared, PreparedColumn, prepare, prepare_again};
use crate::roles::Roles;
use crate::rules::Stratum;

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

/// The most label passes until the numbering by size is stable: rows that tie exactly between two centroids depend on
/// the numbering, and can change it.
const NUMBERINGS: usize = 4;

/// A start is as good as the result if its inertia is at most so many times that of the result.
const AS_GOOD: f64 = 1.01;
/// Below this adjusted Rand index two results are not the same segments (D. Steinley, "Properties of the Hubert-Arabie
/// adjusted Rand index", Psychological Methods 9, 2004: poor recovery).
const AGREE: f64 = 0.65;

/// What the fits of a part are called, from new starts and from earlier centroids.
const COLD: &str = "cold";
const WARM: &str = "warm";

impl Parts<'_> {
    /// Clusters all rows of `source`, the view of a stratum, into `k` segments, and sends their labels to
    /// `destination`.
    pub(super) fn cluster(
        &self,
        source: &Source,
        (stratum, k, start): (&Stratum, usize, &Start),
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<Part> {
        let ladder = self.ladder;
        let earlier = self.beginning.base.and_then(|base| base.part(stratum));
        let (prepared, columns) = self.prepared(source, earlier, watch)?;
        let recover = |fault: &Error| ladder.after(fault, watch);
        let starter = self.starter();
        let (steps, budget) = (Steps::default(), self.budget(earlier, k));
        let fit = |start: &str, init: Init| {
            let Clustering::KMeans(kmeans) = self.clustering(k, init);
            if budget.is_some() {
                return kmeans.fit_kept(&prepared.tiles, (ladder.backend(), starter), &recover, Some(&steps), watch);
            }
            let checkpoint = self.beginning.checkpoints.map(|all| all.of(stratum, start, watch));
            let keeper = checkpoint.as_ref().map(|checkpoint| checkpoint as &dyn FitKeeper);
            kmeans.fit_kept(&prepared.tiles, (ladder.backend(), starter), &recover, keeper, watch)
        };
        let drawn = start.of(&prepared.recipe)?;
        let (mut fit, session, mut refit) = self.best_fit(&fit, (stratum, k, earlier), drawn)?;
        let mut session = Some(session);
        let reopen = |fault: Error| {
            let other = recover(&fault).ok_or(fault)?;
            open_session(other, &prepared.tiles, k, &recover, watch)
        };
        let rows = EarlierRows { tiles: &prepared.tiles, watch };
        let mut by_earlier = None;
        if let Some(part) = earlier.filter(|part| self.asks(budget) && part.fitted.segments() == k) {
            let centroids = part.fitted.centroids().grid()?;
            by_earlier = Some(on_any_device(&mut session, &reopen, |on| rows.labels(&centroids, on))?);
        }
        if let (Some(limit), Some(refit), Some(by_earlier)) = (budget, &mut refit, &by_earlier) {
            let (within, spent) =
                on_any_device(&mut session, &reopen, |on| rows.fit(by_earlier, (&steps, &fit), limit, on))?;
            (fit, refit.budget) = (within, Some(spent));
        }
        let (centroids, (labels, kept)) =
            on_any_device(&mut session, &reopen, |on| self.label(&prepared, &fit, on, destination, watch))?;
        destination.keep(kept);
        let fitted = self.fitted(&prepared, &fit, &centroids, &labels, watch)?;
        let of_device = session.as_deref().map(|session| (session.remark(), session.device_work()));
        let (device_remark, device_work) = of_device.unwrap_or_default();
        drop(session);
        Ok(Part {
            preparation: prepared.recipe,
            fitted,
            labels,
            columns,
            device_remark,
            device_work,
            refit,
            by_earlier,
        })
    }

    /// The rows on a grid: that of the earlier model's part, if there is one.
    fn prepared(
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

    /// The fit from the centroids of an earlier part, or from `drawn` starts; the better one if both are tried.
    fn best_fit<'t>(
        &self,
        fit: &dyn Fn(&str, Init) -> Result<(Fit, Box<dyn Session + 't>)>,
        (stratum, k, earlier): (&Stratum, usize, Option<&PartModel>),
        drawn: Init,
    ) -> Result<(Fit, Box<dyn Session + 't>, Option<PartRefit>)> {
        let Some(base) = self.beginning.base else {
            return fit(COLD, drawn).map(|(fit, session)| (fit, session, None));
        };
        let refit = |warm, cold| PartRefit::new(&stratum.name, earlier.is_some(), warm, cold);
        let Some(part) = earlier.filter(|part| part.fitted.segments() == k) else {
            let (cold, session) = fit(COLD, drawn)?;
            let (refit, _) = refit(None, Some(cold.inertia));
            return Ok((cold, session, Some(refit)));
        };
        let (warm, session) = fit(WARM, Init::Given(part.fitted.centroids().grid()?))?;
        if !base.competes {
            let (refit, _) = refit(Some(warm.inertia), None);
            return Ok((warm, session, Some(refit)));
        }
        // Only one of them holds the device.
        drop(session);
        let (cold, session) = fit(COLD, drawn)?;
        let (refit, takes_cold) = refit(Some(warm.inertia), Some(cold.inertia));
        Ok((if takes_cold { cold } else { warm }, session, Some(refit)))
    }

    /// The reference backend starts on itself; every other backend may start on the CPU, with the same result.
    fn starter(&self) -> &dyn Backend {
        let backend = self.ladder.backend();
        if backend.name() == "reference" { backend } else { self.ladder.cpu() }
    }

    /// Whether the segments by the earlier centroids are of use.
    fn asks(&self, budget: Option<f64>) -> bool {
        self.is_whole || budget.is_some()
    }

    /// The largest share of customers that may be relabelled, if the fit is warm and has such a limit.
    fn budget(&self, earlier: Option<&PartModel>, k: usize) -> Option<f64> {
        earlier.filter(|part| part.fitted.segments() == k)?;
        self.beginning.base?.max_relabelled
    }

    /// The clustering requested, for one part.
    fn clustering(&self, k: usize, init: Init) -> Clustering {
        let options = &self.checked.request.clustering;
        Clustering::KMeans(KMeans {
            k,
            n_init: options.n_init_of(k),
            init,
            effort: options.effort(),
            limits: options.limits(),
            seed: options.seed(),
        })
    }

    /// The segments, for the model.
    fn fitted(
        &self,
        prepared: &Prepared,
        fit: &Fit,
        centroids: &Centroids,
        labels: &LabelSummary,
        watch: Watch<'_>,
    ) -> Result<Fitted> {
        tell_empty(labels, watch);
        self.tell_starts(fit, watch);
        let mut stability_ = self.stability(prepared, centroids, watch)?;
        let small_cells = self.checked.request.output.small_cells();
        for (jaccard, &n) in stability_.iter_mut().flat_map(|s| &mut s.jaccard).zip(&labels.counts) {
            *jaccard = jaccard.filter(|_| !is_small(n, small_cells));
        }
        let found = fitted(prepared, fit, centroids, labels, small_cells);
        Ok(Fitted::Centroids(FittedCentroids { stability_, ..found }))
    }

    /// Warns if a start that is as good found other segments.
    fn tell_starts(&self, fit: &Fit, watch: Watch<'_>) {
        let as_good = fit.starts.iter().filter(|start| start.inertia <= AS_GOOD).map(|start| start.adjusted_rand);
        let least = as_good.fold(1.0, f64::min);
        if least >= AGREE {
            return;
        }
        let more = match self.checked.request.clustering.stability {
            None => ", and --stability 50 to see which segments to trust",
            Some(_) => "",
        };
        watch.warn(format!(
            "another start, as good within 1 %, found other segments (adjusted Rand index {least:.2}, where 1 is the \
             same): which customers are together depends on --seed; try another --k{more}"
        ));
    }

    /// How stable the segments are, if that is asked for.
    fn stability(
        &self,
        prepared: &Prepared,
        centroids: &Centroids,
        watch: Watch<'_>,
    ) -> Result<Option<SegmentStability>> {
        let Some(replicates) = self.checked.request.clustering.stability else { return Ok(None) };
        // Resampled customers have starts of their own, wherever those of the fit came from.
        let Clustering::KMeans(kmeans) = self.clustering(centroids.k(), Init::PlusPlus);
        kmeans.stability(&prepared.tiles, centroids, replicates, self.starter(), watch).map(Some)
    }

    /// Labels all rows, repeating until the numbering by size is stable.
    fn label(
        &self,
        prepared: &Prepared,
        fit: &Fit,
        session: &mut dyn Session,
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<(Centroids, (LabelSummary, WrittenLabels))> {
        let mut centroids = fit.centroids.clone();
        let margin = self.checked.request.output.margin;
        let (weights, step) = (prepared.tiles.weights(), prepared.recipe.step());
        watch.stage(Stage::Labels, prepared.tiles.rows(), "rows", || {
            for last in (0..NUMBERINGS).map(|i| i + 1 == NUMBERINGS) {
                let mut writer = LabelWriter::new(destination.open()?, weights, centroids.k(), step, margin)
                    .counting_distances(!self.checked.request.output.no_profile);
                let mut sizes = weights.filter(|w| w.contains(&0)).map(|w| (w, vec![0u64; centroids.k()]));
                session.centroidal().label(&centroids, margin, watch, &mut |labels| {
                    if let Some((weights, sizes)) = &mut sizes {
                        let rows = labels.labels.iter().zip(&weights[labels.first_row as usize..]);
                        rows.for_each(|(&label, &weight)| sizes[label as usize] += u64::from(weight > 0));
                    }
                    writer.push(&labels)
                })?;
                let labels = writer.finish()?;
                // Rows of weight 0 do not decide about the numbers of segments.
                let numbered = by_size(&centroids, sizes.as_ref().map_or(&labels.0.counts, |(_, sizes)| sizes));
                if last || numbered == centroids {
                    return Ok((centroids, labels));
                }
                centroids = numbered;
            }
            Err(Error::Internal("the numbering loop ended".into()))
        })
    }
}

fn tell_empty(labels: &LabelSummary, watch: Watch<'_>) {
    let empty = labels.counts.iter().filter(|&&n| n == 0).count();
    if empty > 0 {
        watch.warn(format!("{empty} of {} segments have no rows; a smaller k would do", labels.counts.len()));
    }
}

/// Does `work` in a session, and once more in another one if its device is lost.
fn on_any_device<'t, T>(
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

/// The part for the model.
fn fitted(
    prepared: &Prepared,
    fit: &Fit,
    centroids: &Centroids,
    labels: &LabelSummary,
    small_cells: u64,
) -> FittedCentroids {
    let mean_distance = labels.counts.iter().zip(&labels.mean_distance);
    let step = prepared.recipe.step();
    FittedCentroids {
        n_clusters: centroids.k(),
        cluster_centers_: original_centers(centroids, &prepared.recipe),
        grid_centers_: centroids.iter().map(<[i32]>::to_vec).collect(),
        counts_: labels.counts.clone(),
        mean_distance_: mean_distance.map(|(&n, &mean)| (!is_small(n, small_cells)).then_some(mean)).collect(),
        inertia_: labels.inertia as f64 * step * step / power_of_two(prepared.weight_exponent),
        grid_inertia_: labels.inertia.to_string(),
        n_iter_: fit.n_iter,
        stop: fit.stop,
        n_init: fit.n_init,
        sample_rows: fit.sample_rows,
        starts_: fit.starts.clone(),
        stability_: None,
    }
}

/// `counts`: those of each column of the recipe, in the rows at hand.
fn manifest_columns(recipe: &Preparation, counts: Vec<ColumnCounts>) -> Vec<ManifestColumn> {
    let columns = counts.into_iter().zip(&recipe.columns);
    columns.map(|(counts, column)| ManifestColumn { counts, transform: column.transform.name() }).collect()
}
