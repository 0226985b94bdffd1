//! Prediction strength: whether the segments of one half of the rows are found again in the other half.

use rayon::prelude::*;

use super::kmeans::KMeans;
use super::lloyd::Converged;
use super::sample::Sample;
use super::study::Study;
use crate::error::Result;
use crate::numeric::{Contingency, mix};

impl Study<'_> {
    /// The prediction strength of `kmeans` (R. Tibshirani and G. Walther, "Cluster Validation by Prediction Strength",
    /// 2005), as in the R package fpc: the sample is halved again and again; each half is fitted, and its rows are
    /// labelled by the centroids of the other half, too. What counts is, of the pairs of rows that are in one segment
    /// of their half, the share that is together by the other centroids; of the segment where it is least; the mean
    /// over all halves. None if halves have too few distinct rows.
    ///
    /// # Errors
    /// An interruption, or too little memory.
    pub(crate) fn prediction_strength(&self, kmeans: &KMeans, halvings: u32) -> Result<Option<f64>> {
        let found: Vec<Option<f64>> =
            (0..halvings).into_par_iter().map(|n| self.halving(kmeans, n)).collect::<Result<_>>()?;
        let found: Vec<f64> = found.into_iter().flatten().collect();
        Ok((!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64))
    }

    fn halving(&self, kmeans: &KMeans, n: u32) -> Result<Option<f64>> {
        let key = mix(kmeans.seed ^ 0x4841_4c46) ^ u64::from(n);
        let [a, b] = self.sample.halves(key);
        let fits = (self.refit(kmeans, &a, mix(key))?, self.refit(kmeans, &b, mix(key) ^ 1)?);
        let (Some(of_a), Some(of_b)) = fits else { return Ok(None) };
        let both = self.kept_together(&a, &of_a, &of_b)? + self.kept_together(&b, &of_b, &of_a)?;
        Ok(Some(both / 2.0))
    }

    /// Of the segment where it is least: the share of its pairs of rows that the other fit has in one segment.
    fn kept_together(&self, rows: &Sample, own: &Converged, other: &Converged) -> Result<f64> {
        let (tiles, k) = (rows.tiles()?, own.centroids.k());
        let mut counts = Contingency::new(k, k);
        counts.push(&self.labels_of(&tiles, &own.centroids)?, &self.labels_of(&tiles, &other.centroids)?);
        Ok(counts.pairs_kept().into_iter().flatten().fold(1.0, f64::min))
    }
}

impl Sample {
    /// Its rows in two halves, by the order of a hash.
    fn halves(&self, key: u64) -> [Sample; 2] {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_by_key(|&row| (mix(mix(key) ^ self.hash(row)), row));
        let (first, second) = order.split_at(self.rows() / 2);
        [first, second].map(|half| {
            let mut rows = Sample::empty(self.dim, self.weights.is_some());
            half.iter().for_each(|&row| rows.push(self.row(row), self.weight(row), self.hash(row)));
            rows
        })
    }
}
