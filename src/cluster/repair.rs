//! Moves segments that have lost all their rows, and detects inputs with fewer distinct rows than segments.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::backend::{Centroids, Farthest, Session};
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::tiles::{Buffer, Tiles};

/// Moves the centroids of empty segments onto rows far from their own centroids: each segment offers its farthest row
/// (ties: the lowest row number), and the empty segments, in order, take the farthest offers. Returns how many moved:
/// fewer than are empty if all other rows lie on their centroids.
pub(super) fn move_empty(
    tiles: &Tiles,
    session: &mut dyn Session,
    labelled_by: &Centroids,
    mass: &[i64],
    next: &mut Centroids,
    watch: Watch<'_>,
) -> Result<usize> {
    let farthest = match tiles.weights().filter(|w| w.contains(&0)) {
        None => session.centroidal().farthest(labelled_by, watch.quiet())?,
        Some(weights) => farthest_of_weight(session, labelled_by, weights, watch)?,
    };
    let mut farthest: Vec<_> = farthest.into_iter().flatten().map(|f| (f.distance2, Reverse(f.row))).collect();
    farthest.sort_unstable_by(|a, b| b.cmp(a));
    let empty = mass.iter().enumerate().filter(|(_, n)| **n == 0).map(|(j, _)| j);
    let mut moved = 0;
    for (j, (_, Reverse(row))) in empty.zip(farthest) {
        next.set_row(j, &tiles.row(row)?);
        moved += 1;
    }
    Ok(moved)
}

/// The farthest row of every segment among those of a weight above 0.
fn farthest_of_weight(
    session: &mut dyn Session,
    centroids: &Centroids,
    weights: &[u32],
    watch: Watch<'_>,
) -> Result<Vec<Option<Farthest>>> {
    let mut farthest = vec![None; centroids.k()];
    session.centroidal().label(centroids, false, watch.quiet(), &mut |part| {
        for (row, (&label, &distance2)) in (part.first_row..).zip(part.labels.iter().zip(&part.distance2)) {
            if weights[row as usize] > 0 {
                Farthest { distance2, row }.offer_to(&mut farthest[label as usize]);
            }
        }
        Ok(())
    })?;
    Ok(farthest)
}

/// The first `k` distinct rows of a weight above 0; fewer if there are no more.
pub(super) fn distinct_rows(tiles: &Tiles, k: usize, watch: Watch<'_>) -> Result<Vec<Vec<i32>>> {
    let mut seen = HashSet::new();
    let mut distinct = Vec::new();
    let (mut buffer, mut row) = (Buffer::default(), vec![0; tiles.dim()]);
    for i in 0..tiles.layout().chunks() {
        watch.check()?;
        let chunk = tiles.read(i, &mut buffer)?;
        for r in (0..chunk.rows).filter(|&r| chunk.weight(r) > 0) {
            chunk.copy_row(r, &mut row);
            if !seen.contains(&row) {
                seen.insert(row.clone());
                distinct.push(row.clone());
                if distinct.len() == k {
                    return Ok(distinct);
                }
            }
        }
    }
    Ok(distinct)
}

/// How many distinct rows of a weight above 0 there are, up to `most`.
pub(crate) fn distinct(tiles: &Tiles, most: usize, watch: Watch<'_>) -> Result<usize> {
    Ok(distinct_rows(tiles, most, watch)?.len())
}

/// The error for more segments than distinct rows.
pub(crate) fn too_few(k: usize, distinct: usize) -> Error {
    let rows = if distinct == 1 { "row is" } else { "rows are" };
    Error::input(format!("k = {k}, but only {distinct} {rows} distinct after preparation; choose k up to {distinct}"))
        .of_option("--k")
}
