//! Clusters one part of a bank by a Gaussian mixture.

use super::centroids::Start;
use super::part::{Clustered, Parts, tell_empty};
use super::small_cells::is_small;
use crate::backend::MAHALANOBIS_UNIT;
use crate::cluster::{
    CovarianceType, Fit, Fitted, FittedMixture, KMeans, Mixture, MixtureFit, criteria, mean_log_likelihood,
};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::numeric::power_of_two;
use crate::output::{Destination, LabelSummary, LabelWriter, WrittenLabels};
use crate::prepare::Prepared;

/// The most label passes until the numbering by size is stable.
const NUMBERINGS: usize = 4;

impl Parts<'_> {
    /// Clusters the rows of a stratum by a mixture that starts from k-means, and sends their labels to `destination`.
    pub(super) fn by_mixture(
        &self,
        prepared: &Prepared,
        start: &Start,
        (kmeans, mixture): (&KMeans, &Mixture),
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<Clustered> {
        let (tiles, cpu, step) = (&prepared.tiles, self.ladder.cpu(), prepared.recipe.step());
        let kmeans = KMeans { init: start.of(&prepared.recipe)?, ..kmeans.clone() };
        let (begun, session) = kmeans.fit(tiles, cpu, cpu, &|_| None, watch)?;
        drop(session);
        let mut fit =
            watch.stage(Stage::Mixture, 0, "rows", || mixture.fit(tiles, cpu, (&begun.centroids, step), watch))?;
        fit.components = fit.components.reordered(&fit.components.by_size(None));
        let (labels, kept, log_density) = self.label_mixture(prepared, &mut fit, destination, watch)?;
        destination.keep(kept);
        tell_empty(&labels, watch);
        self.tell_mixture(prepared, mixture, &fit, watch);
        let fitted = self.mixture_of(prepared, (&begun, mixture, &fit), &labels, log_density);
        let device = (None, None);
        Ok(Clustered { fitted: Fitted::Mixture(fitted), labels, device, refit: None, by_earlier: None })
    }

    /// Labels all rows, repeating until the numbering by size is stable. Also returns the sum of log densities.
    fn label_mixture(
        &self,
        prepared: &Prepared,
        fit: &mut MixtureFit,
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<(LabelSummary, WrittenLabels, i128)> {
        let (tiles, k) = (&prepared.tiles, fit.components.k());
        let weights = tiles.weights();
        watch.stage(Stage::Labels, tiles.rows(), "rows", || {
            for last in (0..NUMBERINGS).map(|i| i + 1 == NUMBERINGS) {
                let gaussians = fit.components.gaussians().map_err(|j| {
                    Error::Internal(format!("the covariance of component {j} is no longer positive definite"))
                })?;
                let mut writer = LabelWriter::new(destination.open()?, weights, k, MAHALANOBIS_UNIT, false)
                    .with_posteriors(true)
                    .counting_distances(!self.checked.request.output.no_profile);
                let (mut sizes, mut log_density) = (vec![0u64; k], 0);
                self.ladder.cpu().mixture_labels(tiles, &gaussians, watch, &mut |found| {
                    let rows = (found.labels.first_row as usize..).zip(&found.labels.labels);
                    rows.for_each(|(row, &label)| {
                        sizes[label as usize] += u64::from(weights.is_none_or(|w| w[row] > 0))
                    });
                    log_density += found.log_density;
                    writer.push_with(&found.labels, &found.posteriors)
                })?;
                let (labels, kept) = writer.finish()?;
                // Rows of weight 0 do not decide about the numbers of segments.
                let order = fit.components.by_size(Some(&sizes));
                if last || order.iter().copied().eq(0..k) {
                    return Ok((labels, kept, log_density));
                }
                fit.components = fit.components.reordered(&order);
            }
            Err(Error::Internal("the numbering loop ended".into()))
        })
    }

    /// Says what a user should know before trusting the components.
    fn tell_mixture(&self, prepared: &Prepared, mixture: &Mixture, fit: &MixtureFit, watch: Watch<'_>) {
        let (rows, dim) = (prepared.tiles.counted_rows() as f64, prepared.tiles.dim());
        let needed = if mixture.covariance == CovarianceType::Full { dim + 1 } else { 2 };
        let thin = |weight: &&f64| **weight * rows < needed as f64;
        let thin: Vec<f64> = fit.components.weights.iter().filter(thin).map(|weight| weight * rows).collect();
        if let Some(least) = thin.iter().copied().reduce(f64::min) {
            watch.warn(format!(
                "{} of {} components have the weight of fewer than {needed} customers (the smallest of {least:.1}): \
                 their covariance follows from --reg-covar and --variance-floor; choose a smaller --k, or --covariance \
                 diag",
                thin.len(),
                fit.components.k()
            ));
        }
        if fit.floored > 0 {
            watch.note(format!(
                "{} variances of components are at the least, {} of the feature's own variance: many customers have \
                 nearly the same value there (--variance-floor)",
                fit.floored, mixture.variance_floor
            ));
        }
        if !fit.converged {
            watch.note(format!(
                "the log-likelihood still changed by {} or more after {} iterations (--tol, --max-iter)",
                mixture.tol, mixture.max_iter
            ));
        }
    }

    /// The mixture, for the model.
    fn mixture_of(
        &self,
        prepared: &Prepared,
        (begun, mixture, fit): (&Fit, &Mixture, &MixtureFit),
        labels: &LabelSummary,
        log_density: i128,
    ) -> FittedMixture {
        let (tiles, step, of) = (&prepared.tiles, prepared.recipe.step(), &fit.components);
        let (k, dim, small_cells) = (of.k(), tiles.dim(), self.checked.request.output.small_cells());
        let mean_distance = labels.counts.iter().zip(&labels.mean_distance);
        let unit = 1.0 / power_of_two(prepared.weight_exponent);
        let log_likelihood_ = mean_log_likelihood(log_density, tiles.mass() as f64, dim, step);
        let mass = tiles.mass() as f64 * unit;
        let [bic_, aic_] = criteria(mixture.covariance, (k, dim), log_likelihood_ * mass, mass);
        FittedMixture {
            n_components: k,
            covariance_type: mixture.covariance,
            weights_: of.weights.clone(),
            means_: of.original_means(&prepared.recipe),
            scaled_means_: of.scaled_means(step),
            covariances_: of.scaled_covariances(step),
            step_exponent: prepared.recipe.grid_exponent(),
            counts_: labels.counts.clone(),
            mean_distance_: mean_distance.map(|(&n, &mean)| (!is_small(n, small_cells)).then_some(mean)).collect(),
            inertia_: labels.inertia as f64 * MAHALANOBIS_UNIT * MAHALANOBIS_UNIT * unit,
            log_likelihood_,
            lower_bounds_: fit.log_likelihoods.clone(),
            bic_,
            aic_,
            converged_: fit.converged,
            n_iter_: fit.log_likelihoods.len() as u32,
            floored_: fit.floored,
            reg_covar: mixture.reg_covar,
            variance_floor: mixture.variance_floor,
            n_init: begun.n_init,
            sample_rows: begun.sample_rows,
        }
    }
}
