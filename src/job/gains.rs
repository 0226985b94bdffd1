//! By how much a segment is nearer to a customer than another one, feature by feature, in exact integers.

use std::ops::Range;
use std::path::Path;

use arrow::buffer::BooleanBuffer;

use super::assign::typed;
use super::inputs;
use super::request::Resources;
use crate::backend::Centroids;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{RowGroup, Source};
use crate::model::Model;
use crate::prepare::{Design, Placement, Preparation, replay};
use crate::tiles::Buffer;

/// Features that are named of each customer.
pub(crate) const TOP: usize = 3;

/// Rows that are prepared at a time, however little memory there is: each time, their row groups are decoded.
const LEAST_ROWS: u64 = 1 << 14;

/// The rows of an input, to be put on the grids of models.
pub(crate) struct GridRows {
    source: Source,
    /// Bytes that the prepared rows may take.
    memory: u64,
}

/// A row, and two centroids of one set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSegments {
    pub(crate) row: u64,
    /// The set of centroids.
    pub(crate) set: usize,
    /// Their numbers in it.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// The squared distance to one segment less that to another, in squared grid steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gain {
    /// All features together; positive: the second segment is nearer.
    pub(crate) all: i64,
    /// The squared distance to the first segment.
    pub(crate) from: i64,
    /// The features, or components where there are some, that contribute most, with what they contribute.
    pub(crate) top: Vec<(usize, i64)>,
    /// What all others contribute.
    pub(crate) rest: i64,
}

impl GridRows {
    /// The rows of an input; `models` say which columns are needed.
    ///
    /// # Errors
    /// Tables that cannot be joined.
    pub(crate) fn new(
        source: Source,
        models: &[&Model],
        (resources, out): (&Resources, &Path),
        watch: Watch<'_>,
    ) -> Result<Self> {
        let recipes: Vec<&Preparation> =
            models.iter().flat_map(|model| &model.parts).map(|part| &part.preparation).collect();
        let mut source = typed(source, &recipes);
        let mut needed = Vec::new();
        for recipe in recipes {
            needed.extend(Design::of_recipe(&source, recipe)?.columns());
        }
        inputs::join(&mut source, &needed, resources, Some(out), watch)?;
        Ok(GridRows { source, memory: resources.budget() / 8 })
    }

    /// Fails if a file changed since the input was opened.
    ///
    /// # Errors
    /// A file that was replaced, overwritten, extended or removed.
    pub(crate) fn vet_unchanged(&self) -> Result<()> {
        self.source.vet_unchanged()
    }

    pub(crate) fn groups(&self) -> &[RowGroup] {
        self.source.row_groups()
    }

    /// The next row groups, from `first` on, that are taken together: as many as have `most` rows, or one.
    pub(crate) fn batch(&self, first: usize, most: u64) -> Range<usize> {
        let mut sum = 0;
        let fits = |group: &&RowGroup| {
            sum += group.rows;
            sum <= most
        };
        let n = self.groups()[first..].iter().take_while(fits).count().max(1);
        first..first + n
    }

    /// The rows of some row groups.
    pub(crate) fn rows(&self, groups: &Range<usize>) -> Range<u64> {
        let of = &self.groups()[groups.clone()];
        let first = of.first().map_or(0, |group| group.first_row);
        first..first + of.iter().map(|group| group.rows).sum::<u64>()
    }

    /// The gains of `rows`, which do not descend and are within `groups`, on the grid of a preparation, between
    /// centroids of these `sets`.
    ///
    /// # Errors
    /// Rows that cannot be read, or that the preparation refuses.
    pub(crate) fn gains(
        &self,
        preparation: &Preparation,
        sets: &[Centroids],
        groups: &Range<usize>,
        rows: &[RowSegments],
        watch: Watch<'_>,
    ) -> Result<Vec<Gain>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let most = (self.memory / (4 * preparation.grid_dim().max(1) as u64)).max(LEAST_ROWS) as usize;
        // All pairs of a row stay together.
        let mut at = most.min(rows.len());
        while at < rows.len() && rows[at].row == rows[at - 1].row {
            at += 1;
        }
        let (first, rest) = rows.split_at(at);
        if !rest.is_empty() {
            let mut gains = self.gains(preparation, sets, groups, first, watch)?;
            gains.extend(self.gains(preparation, sets, groups, rest, watch)?);
            return Ok(gains);
        }
        let view = self.view(groups, rows);
        let design = Design::of_recipe(&view, preparation)?;
        let placement = Placement::default();
        let (tiles, _) = replay(&view, &design, preparation, view.row_groups(), &placement, watch.quiet())?;
        let (mut buffer, mut row, mut gains) =
            (Buffer::default(), vec![0; tiles.dim()], Vec::with_capacity(rows.len()));
        let mut wanted = rows.chunk_by(|a, b| a.row == b.row);
        for chunk in 0..tiles.layout().chunks() {
            let chunk = tiles.read(chunk, &mut buffer)?;
            for at in 0..chunk.rows {
                chunk.copy_row(at, &mut row);
                for RowSegments { set, from, to, .. } in wanted.next().into_iter().flatten() {
                    gains.push(Gain::of(&row, sets[*set].row(*from), sets[*set].row(*to)));
                }
            }
        }
        if gains.len() != rows.len() {
            return Err(Error::Internal(format!("{} rows of {} were prepared", gains.len(), rows.len())));
        }
        Ok(gains)
    }

    /// Only these rows.
    fn view(&self, groups: &Range<usize>, rows: &[RowSegments]) -> Source {
        let mut rows = rows.iter().map(|row| row.row).peekable();
        let bits = self.groups().iter().enumerate().map(|(i, group)| {
            if !groups.contains(&i) {
                return BooleanBuffer::new_unset(group.rows as usize);
            }
            let mut bits = vec![false; group.rows as usize];
            while let Some(row) = rows.next_if(|row| *row < group.first_row + group.rows) {
                bits[(row - group.first_row) as usize] = true;
            }
            BooleanBuffer::from(bits)
        });
        self.source.select(bits.collect::<Vec<_>>().into_iter())
    }
}

impl Gain {
    fn of(row: &[i32], from: &[i32], to: &[i32]) -> Self {
        let square = |x: i32, c: i32| (i64::from(x) - i64::from(c)).pow(2);
        let mut parts: Vec<(usize, i64)> = row
            .iter()
            .zip(from.iter().zip(to))
            .map(|(&x, (&from, &to))| square(x, from) - square(x, to))
            .enumerate()
            .collect();
        let all = parts.iter().map(|(_, part)| part).sum();
        let from = row.iter().zip(from).map(|(&x, &from)| square(x, from)).sum();
        parts.sort_by_key(|&(feature, part)| (std::cmp::Reverse(part), feature));
        let rest = parts.iter().skip(TOP).map(|(_, part)| part).sum();
        parts.truncate(TOP);
        Gain { all, from, top: parts, rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributions_add_up() {
        let gain = Gain::of(&[10, 0, 5, -3], &[0, 0, 0, 0], &[10, 1, 5, 0]);
        assert_eq!(gain.all, 100 - 1 + 25);
        assert_eq!(gain.top, [(0, 100), (2, 25), (3, 0)]);
        assert_eq!((gain.rest, gain.from), (-1, 134));
        let far = Gain::of(&[8_000_000; 4000], &[-8_000_000; 4000], &[8_000_000; 4000]);
        assert_eq!(far.all, 4000 * 16_000_000i64.pow(2));
    }
}
