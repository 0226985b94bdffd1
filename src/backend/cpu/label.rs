//! Labels and exact distances of one chunk.

use fearless_simd::Simd;

use super::exact;
use super::judge::{Judge, tiles};
use super::kernel::Winners;
use super::rows::{Rows, stride};
use crate::backend::{Centroids, Labels};
use crate::simd::Work;
use crate::tiles::Chunk;

/// The centroids, `k x stride`, padded with zeros.
pub(super) fn padded(centroids: &Centroids) -> Vec<f32> {
    let stride = stride(centroids.dim());
    let mut padded = vec![0.0; centroids.k() * stride];
    for (padded, centroid) in padded.chunks_exact_mut(stride).zip(centroids.iter()) {
        padded.iter_mut().zip(centroid).for_each(|(padded, &value)| *padded = value as f32);
    }
    padded
}

/// Labels and distances of one chunk.
pub(super) struct LabelChunk<'a> {
    pub judge: &'a Judge,
    /// In the form that [`padded`] makes.
    pub centroids: &'a [f32],
    pub chunk: Chunk<'a>,
    pub margin: bool,
}

impl Work for LabelChunk<'_> {
    type Output = Labels;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) -> Labels {
        let LabelChunk { judge, centroids, chunk, margin } = self;
        let mut out = Labels {
            first_row: chunk.first_row,
            labels: Vec::with_capacity(chunk.rows),
            distance2: Vec::with_capacity(chunk.rows),
            second2: margin.then(|| Vec::with_capacity(chunk.rows)),
        };
        let mut winners = Winners::new();
        let mut rows = Rows::new(chunk.dim);
        let stride = stride(chunk.dim);
        for tile in tiles(chunk) {
            let n = tile.there.count_ones() as usize;
            if let Some(second2) = &mut out.second2 {
                rows.load(simd, tile.values, tile.there);
                for r in 0..n {
                    let (label, best, second) = judge.exact.nearest(simd, rows.row(r));
                    out.labels.push(label);
                    out.distance2.push(best);
                    second2.push(second);
                }
                continue;
            }
            judge.decide::<S, R>(simd, tile, &mut rows, &mut winners);
            rows.load(simd, tile.values, tile.there);
            out.labels.extend_from_slice(&winners.labels[..n]);
            for r in 0..n {
                let centroid = &centroids[winners.labels[r] as usize * stride..][..stride];
                out.distance2.push(exact::distance2(simd, rows.row(r), centroid));
            }
        }
        out
    }
}
