//! The nearest centroids of the rows of a sample.

use crate::backend::{Centroids, Session};
use crate::error::Result;
use crate::event::Watch;

/// By row: its nearest centroid, and squared distances.
#[derive(Debug, Default)]
pub(super) struct NearestCentroids {
    pub(super) labels: Vec<u32>,
    pub(super) distance2: Vec<u64>,
    /// To the second-nearest centroid; empty if nobody asked for it.
    pub(super) second2: Vec<u64>,
}

impl NearestCentroids {
    /// Of all rows of a session; with the second-nearest ones if `second`.
    pub(super) fn of(
        session: &mut dyn Session,
        centroids: &Centroids,
        second: bool,
        watch: Watch<'_>,
    ) -> Result<NearestCentroids> {
        let mut all = NearestCentroids::default();
        session.centroidal().label(centroids, second, watch.quiet(), &mut |part| {
            all.labels.extend(part.labels);
            all.distance2.extend(part.distance2);
            all.second2.extend(part.second2.into_iter().flatten());
            Ok(())
        })?;
        Ok(all)
    }
}
