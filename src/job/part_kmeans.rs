//! Clusters one part of a bank by k-means.

use super::base::PartRefit;
use super::budget::{EarlierRows, Steps};
use super::centroids::Start;
use super::part::{Clustered, Parts, on_any_device, tell_empty};
use super::small_cells::is_small;
use crate::backend::{Centroids, Session};
use crate::cluster::{
    Fit, FitKeeper, Fitted, FittedCentroids, Init, KMeans, SegmentStability, by_size, open_session, original_centers,
};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::model::PartModel;
use crate::numeric::power_of_two;
use crate::output::{Destination, LabelSummary, LabelWriter, WrittenLabels};
use crate::prepare::Prepared;
use crate::rules::Stratum;

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
    /// Clusters the rows of a stratum by k-means, and sends their labels to `destination`.
    pub(super) fn by_kmeans(
        &self,
        prepared: &Prepared,
        (stratum, start, earlier): (&Stratum, &Start, Option<&PartModel>),
        kmeans: &KMeans,
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<Clustered> {
        let (ladder, k) = (self.ladder, kmeans.k);
        let recover = |fault: &Error| ladder.after(fault, watch);
        let starter = self.starter();
        let (steps, budget) = (Steps::default(), self.budget(earlier, k));
        let fit = |start: &str, init: Init| {
            let kmeans = KMeans { init, ..kmeans.clone() };
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
            let centroids = part.fitted.of_kmeans("a warm fit")?.grid()?;
            by_earlier = Some(on_any_device(&mut session, &reopen, |on| rows.labels(&centroids, on))?);
        }
        if let (Some(limit), Some(refit), Some(by_earlier)) = (budget, &mut refit, &by_earlier) {
            let (within, spent) =
                on_any_device(&mut session, &reopen, |on| rows.fit(by_earlier, (&steps, &fit), limit, on))?;
            (fit, refit.budget) = (within, Some(spent));
        }
        let (centroids, (labels, kept)) =
            on_any_device(&mut session, &reopen, |on| self.label(prepared, &fit, on, destination, watch))?;
        destination.keep(kept);
        let fitted = self.of_kmeans((prepared, &fit, kmeans), &centroids, &labels, watch)?;
        let of_device = session.as_deref().map(|session| (session.remark(), session.device_work()));
        Ok(Clustered { fitted, labels, device: of_device.unwrap_or_default(), refit, by_earlier })
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
        let (warm, session) = fit(WARM, Init::Given(part.fitted.of_kmeans("a warm fit")?.grid()?))?;
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

    /// Whether the segments by the earlier centroids are of use.
    fn asks(&self, budget: Option<f64>) -> bool {
        self.is_whole || budget.is_some()
    }

    /// The largest share of customers that may be relabelled, if the fit is warm and has such a limit.
    fn budget(&self, earlier: Option<&PartModel>, k: usize) -> Option<f64> {
        earlier.filter(|part| part.fitted.segments() == k)?;
        self.beginning.base?.max_relabelled
    }

    /// The segments, for the model.
    fn of_kmeans(
        &self,
        (prepared, fit, kmeans): (&Prepared, &Fit, &KMeans),
        centroids: &Centroids,
        labels: &LabelSummary,
        watch: Watch<'_>,
    ) -> Result<Fitted> {
        tell_empty(labels, watch);
        self.tell_starts(fit, watch);
        let mut stability_ = self.stability(prepared, kmeans, centroids, watch)?;
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
        kmeans: &KMeans,
        centroids: &Centroids,
        watch: Watch<'_>,
    ) -> Result<Option<SegmentStability>> {
        let Some(replicates) = self.checked.request.clustering.stability else { return Ok(None) };
        // Resampled customers have starts of their own, wherever those of the fit came from.
        let kmeans = KMeans { init: Init::PlusPlus, ..kmeans.clone() };
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
