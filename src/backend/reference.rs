//! The definition: integer squared distances, compared one by one. It is deliberately simple; every other backend is
//! tested against it.

use super::{Backend, CentroidSums, Centroidal, Centroids, Labels, Session, distance2};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::tiles::{Buffer, Tiles};

/// The backend that implements the definition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference;

/// The nearest centroid of a row, ties to the lowest index: its index, its squared distance, and the squared distance
/// to the second nearest (`u64::MAX` if there is only one centroid).
pub(crate) fn nearest(row: &[i32], centroids: &Centroids) -> (u32, u64, u64) {
    let (mut label, mut best, mut second) = (0, u64::MAX, u64::MAX);
    for (j, centroid) in centroids.iter().enumerate() {
        let d = distance2(row, centroid);
        if d < best {
            (label, second, best) = (j as u32, best, d);
        } else {
            second = second.min(d);
        }
    }
    (label, best, second)
}

impl Backend for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn device(&self) -> String {
        "integer definition, one row at a time".into()
    }

    fn open<'a>(&'a self, tiles: &'a Tiles, _: usize, _: Watch<'_>) -> Result<Box<dyn Session + 'a>> {
        Ok(Box::new(ReferenceSession { tiles, previous: None }))
    }
}

struct ReferenceSession<'a> {
    tiles: &'a Tiles,
    previous: Option<Vec<u32>>,
}

impl Session for ReferenceSession<'_> {
    fn centroidal(&mut self) -> &mut dyn Centroidal {
        self
    }
}

impl Centroidal for ReferenceSession<'_> {
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<CentroidSums> {
        let mut partial = CentroidSums::empty(centroids.k(), self.tiles.dim());
        let mut labels = Vec::with_capacity(self.tiles.rows() as usize);
        let mut row = vec![0; self.tiles.dim()];
        let mut buffer = Buffer::default();
        for i in 0..self.tiles.layout().chunks() {
            watch.check()?;
            let chunk = self.tiles.read(i, &mut buffer)?;
            for r in 0..chunk.rows {
                chunk.copy_row(r, &mut row);
                let (label, ..) = nearest(&row, centroids);
                partial.add(label as usize, chunk.weight(r), |f| row[f]);
                labels.push(label);
            }
            watch.advance(Stage::Passes, chunk.rows as u64);
        }
        partial.changed =
            self.previous.take().map(|old| old.iter().zip(&labels).filter(|(old, new)| old != new).count() as u64);
        self.previous = Some(labels);
        Ok(partial)
    }

    fn label(
        &mut self,
        centroids: &Centroids,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        let mut row = vec![0; self.tiles.dim()];
        let mut buffer = Buffer::default();
        for i in 0..self.tiles.layout().chunks() {
            watch.check()?;
            let chunk = self.tiles.read(i, &mut buffer)?;
            let mut out = Labels {
                first_row: chunk.first_row,
                labels: Vec::with_capacity(chunk.rows),
                distance2: Vec::with_capacity(chunk.rows),
                second2: margin.then(Vec::new),
            };
            for r in 0..chunk.rows {
                chunk.copy_row(r, &mut row);
                let (label, best, second) = nearest(&row, centroids);
                out.labels.push(label);
                out.distance2.push(best);
                if let Some(seconds) = &mut out.second2 {
                    seconds.push(second);
                }
            }
            watch.advance(Stage::Labels, chunk.rows as u64);
            sink(out)?;
        }
        Ok(())
    }
}
