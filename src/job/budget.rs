//! A warm fit that may relabel only some customers: of the steps between the earlier centroids and those where the
//! iteration ends, the last one that relabels few enough.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};

use crate::backend::{Centroids, Session};
use crate::cluster::{Fit, FitKeeper, FitState, Stop, by_size};
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::identity::{FreshSegment, KnownSegment, MatchedBy, Overlap, identify};
use crate::migration::{MemberPlace, RowCodes};
use crate::tiles::Tiles;

/// The step that was taken, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefitBudget {
    /// The largest share of customers that may be relabelled.
    pub max_relabelled: f64,
    /// The step that was taken; 0: the earlier centroids.
    pub step: u32,
    /// Steps until the iteration ended.
    pub steps: u32,
    /// Share of the customers whose segment differs from that of the earlier centroids.
    pub relabelled: f64,
    /// The same where the iteration ended.
    pub relabelled_at_end: f64,
    /// Exact inertia of the step, in squared grid steps.
    pub inertia: String,
    /// By which share the inertia is above that where the iteration ended.
    pub cost: f64,
}

/// Remembers the centroids between passes.
#[derive(Default)]
pub(super) struct Steps(RefCell<Vec<Centroids>>);

impl FitKeeper for Steps {
    fn last(&self) -> Option<FitState> {
        None
    }

    fn keep(&self, state: &FitState) {
        // A result is known to whoever asked for it.
        if !state.is_finished()
            && let Ok(centroids) = state.centroids()
        {
            self.0.borrow_mut().push(centroids);
        }
    }
}

/// Rows on the grid of an earlier fit.
pub(super) struct EarlierRows<'a> {
    pub(super) tiles: &'a Tiles,
    pub(super) watch: Watch<'a>,
}

impl EarlierRows<'_> {
    /// The last step that relabels no more than the share `max_relabelled`: the lowest inertia, since that only falls.
    /// `end` is where the iteration ended, `earlier` are the labels by the first step.
    ///
    /// # Errors
    /// Those of a pass.
    pub(super) fn fit(
        &self,
        earlier: &RowCodes,
        (steps, end): (&Steps, &Fit),
        max_relabelled: f64,
        session: &mut dyn Session,
    ) -> Result<(Fit, RefitBudget)> {
        let steps = steps.0.borrow();
        let at_end = self.relabelled(earlier, &end.centroids, session)?;
        let rows = self.tiles.rows().max(1) as f64;
        let share = |relabelled: u64| relabelled as f64 / rows;
        let budget = |step: usize, relabelled: u64, inertia: u128| RefitBudget {
            max_relabelled,
            step: step as u32,
            steps: steps.len() as u32,
            relabelled: share(relabelled),
            relabelled_at_end: share(at_end),
            inertia: inertia.to_string(),
            cost: if end.inertia == 0 { 0.0 } else { inertia as f64 / end.inertia as f64 - 1.0 },
        };
        if share(at_end) <= max_relabelled {
            return Ok((end.clone(), budget(steps.len(), at_end, end.inertia)));
        }
        for (step, centroids) in steps.iter().enumerate().rev() {
            // The first step is the earlier centroids.
            let relabelled = if step == 0 { 0 } else { self.relabelled(earlier, centroids, session)? };
            if share(relabelled) <= max_relabelled {
                let sums = session.centroidal().pass(centroids, self.watch)?;
                let inertia = sums.inertia(centroids, self.tiles.sum_squares());
                let fit = Fit {
                    centroids: by_size(centroids, &sums.counts),
                    n_iter: step as u32,
                    stop: Stop::Budget,
                    inertia,
                    ..end.clone()
                };
                return Ok((fit, budget(step, relabelled, inertia)));
            }
        }
        Err(Error::Internal("the first step relabels nobody".into()))
    }

    /// The segment of each row.
    ///
    /// # Errors
    /// Those of a pass.
    pub(super) fn labels(&self, centroids: &Centroids, session: &mut dyn Session) -> Result<RowCodes> {
        let mut codes = RowCodes::new(self.tiles.rows(), centroids.k());
        session.centroidal().label(centroids, false, self.watch, &mut |labels| {
            let places = labels.labels.iter().map(|&label| MemberPlace::of(Some(label)));
            (labels.first_row..).zip(places).for_each(|(row, place)| codes.set(row, place));
            Ok(())
        })?;
        Ok(codes)
    }

    /// Rows whose segment is not the one that continues their earlier one.
    fn relabelled(&self, earlier: &RowCodes, centroids: &Centroids, session: &mut dyn Session) -> Result<u64> {
        let k = centroids.k();
        let mut counts = vec![0u64; k * k];
        session.centroidal().label(centroids, false, self.watch, &mut |labels| {
            for (row, &now) in (labels.first_row..).zip(&labels.labels) {
                let before = earlier.get(row).segment().unwrap_or_default();
                counts[before as usize * k + now as usize] += 1;
            }
            Ok(())
        })?;
        let mut overlap = Overlap::new(k, k);
        for (at, n) in counts.iter().enumerate() {
            overlap.add(Some(at / k), Some(at % k), *n);
        }
        let known = |id: u64| KnownSegment { segment_id: id, rule: None, stratum: None };
        let old: Vec<KnownSegment> = (1..=k as u64).map(known).collect();
        let found = identify(&old, &vec![FreshSegment::default(); k], &overlap, MatchedBy::Definition, k as u64 + 1)?;
        let continued = found.segments.iter().enumerate().filter(|(_, identity)| identity.segment_id <= k as u64);
        let same: u64 = continued.map(|(now, of)| counts[(of.segment_id as usize - 1) * k + now]).sum();
        Ok(self.tiles.rows() - same)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::Backend;
    use crate::backend::cpu::Cpu;
    use crate::cluster::{Effort, Init, KMeans, Limits};

    fn labels(tiles: &Tiles, cpu: &Cpu, centroids: &Centroids) -> Vec<u32> {
        let mut all = Vec::new();
        let mut session = cpu.open(tiles, centroids.k(), Watch::none()).unwrap();
        session
            .centroidal()
            .label(centroids, false, Watch::none(), &mut |labels| {
                all.extend(labels.labels);
                Ok(())
            })
            .unwrap();
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_last_step_within_the_budget(
            rows in prop::collection::vec(-1000i32..1000, 60..240),
            limit in 0.0f64..0.5,
            k in 2usize..5,
        ) {
            let n = rows.len() / 2;
            let tiles = Tiles::from_rows(2, &rows[..2 * n], None, 64).unwrap();
            let start = Centroids::new(2, rows[..2 * k].to_vec()).unwrap();
            let cpu = Cpu::new(None).unwrap();
            let steps = Steps::default();
            let kmeans =
                KMeans { k, n_init: 1, init: Init::Given(start.clone()), effort: Effort::Low, limits: Limits { max_iter: 300, tol: 0.0 }, seed: 0 };
            let Ok((end, mut session)) =
                kmeans.fit_kept(&tiles, (&cpu, &cpu), &|_| None, Some(&steps), Watch::none()) else { return Ok(()) };
            let of = EarlierRows { tiles: &tiles, watch: Watch::none() };
            let earlier = of.labels(&start, session.as_mut()).unwrap();
            let mut fit = |limit| of.fit(&earlier, (&steps, &end), limit, session.as_mut()).unwrap();
            // All of it is the fit itself, nothing the earlier centroids.
            let (all, _) = fit(1.0);
            prop_assert_eq!(&all, &end);
            let (none, spent) = fit(0.0);
            prop_assert_eq!(spent.relabelled, 0.0);
            if spent.step == 0 {
                let mut sorted: Vec<&[i32]> = none.centroids.iter().collect();
                let mut given: Vec<&[i32]> = start.iter().collect();
                sorted.sort_unstable();
                given.sort_unstable();
                prop_assert_eq!(sorted, given);
            }
            let (some, spent) = fit(limit);
            prop_assert!(spent.relabelled <= limit && spent.relabelled <= 1.0 && spent.cost >= 0.0);
            prop_assert_eq!(spent.inertia, some.inertia.to_string());
            // Most segments keep more than half of their customers, so a count by hand finds the same share.
            let (before, now) = (labels(&tiles, &cpu, &start), labels(&tiles, &cpu, &some.centroids));
            let mut shared = vec![vec![0u64; k]; k];
            before.iter().zip(&now).for_each(|(&b, &a)| shared[b as usize][a as usize] += 1);
            let goes_on = |b: usize, a: usize| {
                let (of_old, of_new): (u64, u64) = (shared[b].iter().sum(), shared.iter().map(|row| row[a]).sum());
                shared[b][a] > 0 && 10 * shared[b][a] >= 7 * of_old && 2 * shared[b][a] >= of_new
            };
            let mut taken = vec![false; k];
            let mut same = 0;
            for b in 0..k {
                if let Some(a) = (0..k).find(|&a| !taken[a] && goes_on(b, a)) {
                    taken[a] = true;
                    same += shared[b][a];
                }
            }
            prop_assert_eq!(spent.relabelled, (n as u64 - same) as f64 / n as f64);
        }
    }
}
