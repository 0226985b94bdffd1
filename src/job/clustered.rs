//! Clusters one part of a bank: sends the labels of its rows to their destination, and returns its part of the model.

use super::centroids::Start;
use super::part::{Clustered, Part, Parts};
use crate::cluster::{Algorithm, Clustering, Init, KMeans, Limits, Ward};
use crate::error::Result;
use crate::event::Watch;
use crate::input::Source;
use crate::output::Destination;
use crate::rules::Stratum;

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
        let earlier = self.beginning.base.and_then(|base| base.part(stratum));
        let (prepared, columns) = self.prepared(source, earlier, watch)?;
        let found = match self.clustering(k) {
            Clustering::KMeans(kmeans) => {
                self.by_kmeans(&prepared, (stratum, start, earlier), &kmeans, destination, watch)
            }
            Clustering::Mixture(kmeans, mixture) => {
                self.by_mixture(&prepared, start, (&kmeans, &mixture), destination, watch)
            }
            Clustering::Ward(ward) => self.by_ward(&prepared, &ward, destination, watch),
        };
        let Clustered { fitted, labels, device: (device_remark, device_work), refit, by_earlier } = found?;
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

    /// The clustering requested, for one part.
    fn clustering(&self, k: usize) -> Clustering {
        let options = &self.checked.request.clustering;
        let kmeans = |limits: Limits| KMeans {
            k,
            n_init: options.n_init_of(k),
            init: Init::PlusPlus,
            effort: options.effort(),
            limits,
            seed: options.seed(),
        };
        match options.algorithm() {
            Algorithm::KMeans => Clustering::KMeans(kmeans(options.limits())),
            Algorithm::Gmm => Clustering::Mixture(kmeans(Limits::default()), options.mixture()),
            Algorithm::Ward => Clustering::Ward(Ward { k, micro: options.micro, seed: options.seed() }),
        }
    }
}
