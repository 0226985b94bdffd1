//! What is asked of a clustering. The set of algorithms is closed, as that of [`Fitted`](super::Fitted) is.

use super::kmeans::KMeans;

/// An algorithm with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Clustering {
    /// k-means.
    KMeans(KMeans),
}
