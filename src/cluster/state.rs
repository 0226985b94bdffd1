//! The state of a fit between two passes, as it is kept for another process.

use serde::{Deserialize, Serialize};

use super::lloyd::{Progress, Stop};
use super::trust::FitOrigin;
use crate::backend::Centroids;
use crate::error::{Error, Result};

/// What decides how a fit goes on, on any backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FitState {
    /// The centroids on the grid.
    centers: Vec<Vec<i32>>,
    /// Passes made.
    pub(super) n_iter: u32,
    /// The exact inertia of the last pass, which the next one has to fall below; of a finished fit, that of its result.
    inertia: Option<String>,
    /// Why it ends, once that is known.
    pub(super) stop: Option<Stop>,
    /// How it began.
    pub(super) origin: FitOrigin,
    /// Whether there are no more passes to make.
    finished: bool,
}

/// Keeps the state of a fit, so that another process can go on with it.
pub(crate) trait FitKeeper {
    /// The state that was kept last, if any.
    fn last(&self) -> Option<FitState>;

    /// Keeps a state. One that is not finished may be left out.
    fn keep(&self, state: &FitState);
}

impl FitState {
    /// Between two passes.
    pub(super) fn between(progress: &Progress, origin: &FitOrigin) -> Self {
        let Progress { centroids, n_iter, falling_from, stop } = progress;
        let inertia = falling_from.map(|inertia| inertia.to_string());
        let origin = origin.clone();
        FitState { centers: rows(centroids), n_iter: *n_iter, inertia, stop: *stop, origin, finished: false }
    }

    /// After the last pass.
    pub(super) fn finished(
        centroids: &Centroids,
        inertia: u128,
        (n_iter, stop): (u32, Stop),
        origin: &FitOrigin,
    ) -> Self {
        let (inertia, stop) = (Some(inertia.to_string()), Some(stop));
        FitState { centers: rows(centroids), n_iter, inertia, stop, origin: origin.clone(), finished: true }
    }

    /// Whether it is that of a fit of `k` segments in `dim` features.
    pub(super) fn is_of(&self, k: usize, dim: usize) -> bool {
        self.centers.len() == k && self.centers.iter().all(|center| center.len() == dim)
    }

    pub(crate) fn centroids(&self) -> Result<Centroids> {
        Centroids::new(self.centers.first().map_or(0, Vec::len), self.centers.concat())
    }

    pub(super) fn inertia(&self) -> Result<Option<u128>> {
        let number = |text: &String| text.parse().map_err(|_| Error::Internal(format!("an inertia of {text:?}")));
        self.inertia.as_ref().map(number).transpose()
    }

    /// Whether only labels are missing.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// The iteration to go on with.
    pub(super) fn progress(&self) -> Result<Progress> {
        let (centroids, falling_from) = (self.centroids()?, self.inertia()?);
        Ok(Progress { centroids, n_iter: self.n_iter, falling_from, stop: self.stop })
    }
}

fn rows(centroids: &Centroids) -> Vec<Vec<i32>> {
    centroids.iter().map(<[i32]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::backend::cpu::Cpu;
    use crate::backend::reference::Reference;
    use crate::cluster::{Effort, Init, KMeans, Limits};
    use crate::event::Watch;
    use crate::tiles::Tiles;

    /// Remembers all states as text, and begins with one of them.
    #[derive(Default)]
    struct Memory {
        begin: Option<String>,
        kept: RefCell<Vec<String>>,
    }

    impl FitKeeper for Memory {
        fn last(&self) -> Option<FitState> {
            self.begin.as_ref().map(|text| serde_json::from_str(text).unwrap())
        }

        fn keep(&self, state: &FitState) {
            self.kept.borrow_mut().push(serde_json::to_string(state).unwrap());
        }
    }

    #[test]
    fn a_fit_goes_on_from_any_state_on_any_backend() {
        let rows: Vec<i32> = (0..3000i64).map(|i| (i * i * 2_654_435_761 % 1_000_003) as i32).collect();
        let tiles = Tiles::from_rows(3, &rows, None, 256).unwrap();
        let start = Init::Given(Centroids::new(3, rows[..21].to_vec()).unwrap());
        let cpu = Cpu::new(None).unwrap();
        let limits = [(300, 0.0), (300, 1e-2), (6, 0.0)].map(|(max_iter, tol)| Limits { max_iter, tol });
        for (init, limits) in limits.iter().map(|limits| (&start, *limits)).chain([(&Init::PlusPlus, limits[0])]) {
            let kmeans = KMeans { k: 7, n_init: 3, init: init.clone(), effort: Effort::Normal, limits, seed: 0 };
            let fit = |memory: &Memory, watch: Watch<'_>| {
                let backends: [&dyn crate::backend::Backend; 2] = [&cpu, &Reference];
                let backend = backends[usize::from(memory.begin.is_some())];
                kmeans.fit_kept(&tiles, (backend, &cpu), &|_| None, Some(memory), watch).unwrap().0
            };
            let memory = Memory::default();
            let expected = fit(&memory, Watch::none());
            let states = memory.kept.into_inner();
            // One at the start, one after each pass, unless that was the last, and the result.
            assert!(states.len() as u32 > expected.n_iter, "{} of {}", states.len(), expected.n_iter);
            assert!(states[1..].iter().all(|state| !state.contains("\"inertia\":null")), "{states:?}");
            for (i, state) in states.iter().enumerate() {
                let memory = Memory { begin: Some(state.clone()), ..Memory::default() };
                assert_eq!(fit(&memory, Watch::none()), expected, "state {i}, {limits:?}");
                let again = memory.kept.into_inner();
                let rest = if i + 1 == states.len() { &[][..] } else { &states[i..] };
                assert_eq!(again, rest, "state {i}, {limits:?}");
            }
        }
    }

    #[test]
    fn a_state_of_another_fit_is_not_used() {
        let tiles = Tiles::from_rows(1, &[1, 2, 8, 9], None, 64).unwrap();
        let cpu = Cpu::new(None).unwrap();
        let kmeans =
            KMeans { k: 2, n_init: 1, init: Init::PlusPlus, effort: Effort::Low, limits: Limits::default(), seed: 0 };
        let expected = kmeans.fit(&tiles, &cpu, &cpu, &|_| None, Watch::none()).unwrap().0;
        for centers in ["[[1]]", "[[1],[2],[3]]", "[[1,1],[2,2]]", "[]"] {
            let state = format!(
                "{{\"centers\":{centers},\"n_iter\":9,\"inertia\":null,\"stop\":null,\
                 \"origin\":{{\"sample_rows\":4,\"starts\":[]}},\"finished\":false}}"
            );
            let memory = Memory { begin: Some(state), ..Memory::default() };
            let fit = kmeans.fit_kept(&tiles, (&cpu, &cpu), &|_| None, Some(&memory), Watch::none()).unwrap().0;
            assert_eq!(fit, expected);
        }
    }
}
