//! Clusters one part of a bank by Ward's method.

use super::part::{Clustered, Parts, on_any_device};
use super::small_cells::is_small;
use crate::backend::Session;
use crate::cluster::{Fitted, FittedTree, Ward, WardFit, WardLeaves, open_session, original_centers};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::numeric::power_of_two;
use crate::output::{Destination, LabelSummary, LabelWriter, WrittenLabels};
use crate::prepare::Prepared;

/// A session, where one was needed.
type Opened<'t> = Option<Box<dyn Session + 't>>;

impl Parts<'_> {
    /// Clusters the rows of a stratum by Ward's method, and sends their labels to `destination`.
    pub(super) fn by_ward(
        &self,
        prepared: &Prepared,
        ward: &Ward,
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<Clustered> {
        let (ladder, tiles, starter) = (self.ladder, &prepared.tiles, self.starter());
        let recover = |fault: &Error| ladder.after(fault, watch);
        let (fit, mut session): (WardFit, Opened<'_>) = match ward.leaves(tiles, starter, watch)? {
            WardLeaves::Rows(leaves) => (ward.exact(leaves, tiles, watch)?, None),
            WardLeaves::Micro(found) => {
                let k = found.centroids.k();
                let mut session = Some(open_session(ladder.backend(), tiles, k, &recover, watch)?);
                let reopen = |fault: Error| {
                    let other = recover(&fault).ok_or(fault)?;
                    open_session(other, tiles, k, &recover, watch)
                };
                let over = |on: &mut dyn Session| ward.over_micro(&found, (tiles, starter), on, watch);
                (on_any_device(&mut session, &reopen, over)?, session)
            }
        };
        tell_leaves(&fit, watch);
        let (labels, kept, micro_rows) = loop {
            let on = session.as_deref_mut();
            match self.label_tree(prepared, &fit, on, destination, watch) {
                Err(fault @ Error::DeviceLost(_)) => {
                    // Its memory is released before the next one allocates.
                    drop(session.take());
                    let other = recover(&fault).ok_or(fault)?;
                    session = Some(open_session(other, tiles, fit.micro.k(), &recover, watch)?);
                }
                outcome => break outcome?,
            }
        };
        destination.keep(kept);
        let relabelled_ = fit.relabelled(starter, watch)?;
        tell_trust(&fit, relabelled_, watch);
        let found = self.tree_of(prepared, &fit, &labels, micro_rows);
        let of_device = session.as_deref().map(|session| (session.remark(), session.device_work()));
        Ok(Clustered {
            fitted: Fitted::Tree(FittedTree { relabelled_, ..found }),
            labels,
            device: of_device.unwrap_or_default(),
            refit: None,
            by_earlier: None,
        })
    }

    /// Labels all rows. Also returns the rows of each micro-segment.
    fn label_tree(
        &self,
        prepared: &Prepared,
        fit: &WardFit,
        session: Option<&mut (dyn Session + '_)>,
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<(LabelSummary, WrittenLabels, Vec<u64>)> {
        let (tiles, step) = (&prepared.tiles, prepared.recipe.step());
        watch.stage(Stage::Labels, tiles.rows(), "rows", || {
            let mut writer = LabelWriter::new(destination.open()?, tiles.weights(), fit.centroids.k(), step, false)
                .of_micro(Some(&fit.segment_of))
                // Rows lie on the leaves of an exact tree: later rows are farther, whatever they are.
                .counting_distances(!self.checked.request.output.no_profile && !fit.is_exact());
            let mut rows = vec![0u64; fit.micro.k()];
            fit.label(tiles, session, watch, &mut |labels| {
                labels.labels.iter().for_each(|&micro| rows[micro as usize] += 1);
                writer.push(&labels)
            })?;
            let (labels, kept) = writer.finish()?;
            Ok((labels, kept, rows))
        })
    }

    /// The tree, for the model.
    fn tree_of(
        &self,
        prepared: &Prepared,
        fit: &WardFit,
        labels: &LabelSummary,
        micro_counts_: Vec<u64>,
    ) -> FittedTree {
        let small_cells = self.checked.request.output.small_cells();
        let mean_distance = labels.counts.iter().zip(&labels.mean_distance);
        let step = prepared.recipe.step();
        let unit = step * step / power_of_two(prepared.weight_exponent);
        FittedTree {
            n_clusters: fit.centroids.k(),
            is_exact: fit.is_exact(),
            n_leaves_: fit.leaves,
            cluster_centers_: original_centers(&fit.centroids, &prepared.recipe),
            counts_: labels.counts.clone(),
            mean_distance_: mean_distance.map(|(&n, &mean)| (!is_small(n, small_cells)).then_some(mean)).collect(),
            inertia_: fit.inertia as f64 * unit,
            grid_inertia_: fit.inertia.to_string(),
            micro_centers_: fit.micro.iter().map(<[i32]>::to_vec).collect(),
            micro_segments_: fit.segment_of.clone(),
            linkage_: fit.linkage(&micro_counts_, unit),
            micro_counts_,
            sample_rows: fit.sample_rows,
            agreement_: fit.agreement,
            relabelled_: None,
        }
    }
}

/// Says what the tree is made of.
fn tell_leaves(fit: &WardFit, watch: Watch<'_>) {
    watch.note(match fit.is_exact() {
        true => format!("exact tree over {} distinct rows", fit.leaves),
        false => format!(
            "too many distinct rows for an exact tree: it is over {} micro-segments, found on {} rows by k-means",
            fit.leaves, fit.sample_rows
        ),
    });
}

/// Below this adjusted Rand index two results are not the same segments, as for the starts of k-means.
const AGREE: f64 = 0.65;

/// Says how far the segments depend on the sample, and how far `assign` follows them.
fn tell_trust(fit: &WardFit, relabelled: Option<u64>, watch: Watch<'_>) {
    if let Some(agreement) = fit.agreement.filter(|agreement| *agreement < AGREE) {
        watch.warn(format!(
            "micro-segments of another sample lead to other segments (adjusted Rand index {agreement:.2}, where 1 is \
             the same): which customers are together depends on --seed; try another --k"
        ));
    }
    if let Some(rows) = relabelled {
        watch.note(format!(
            "assign labels by the nearest of {} micro-segments: of the rows of this fit, {rows} would get another segment",
            fit.micro.k()
        ));
    }
}
