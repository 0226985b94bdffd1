//! The smallest change of one number, or of two, with which a row has another label. Each change found was verified:
//! the new values were put on the grid, and labelled.

use crate::backend::Centroids;
use crate::backend::reference::nearest;
use crate::numeric::power_of_two;
use crate::prepare::{Derivation, Preparation};

/// Where the border was computed in floating point, a step beyond it is tried, too: factors of the way to the border,
/// and grid steps more.
const BEYOND: [(f64, f64); 10] = [
    (1.0, 0.0),
    (1.0, 1.0),
    (1.0, 2.0),
    (1.0, 4.0),
    (1.0001, 8.0),
    (1.001, 8.0),
    (1.01, 8.0),
    (1.1, 8.0),
    (1.5, 8.0),
    (2.0, 8.0),
];

/// Which numbers a feature takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberSort {
    /// Any.
    Any,
    /// Whole ones.
    Whole,
    /// 0 and 1.
    Flag,
}

/// Looks for ways between segments of a part.
pub(crate) struct Ways<'a> {
    preparation: &'a Preparation,
    centroids: &'a Centroids,
    /// Features that a change of one value changes alone.
    free: Vec<FreeFeature>,
    /// The row's features on their grid, and their values.
    features: Vec<i32>,
    values: Vec<Option<f64>>,
}

type FreeFeature = (usize, NumberSort);

/// Features with the values that they would need.
pub(crate) type NewValues = Vec<(usize, f64)>;

impl<'a> Ways<'a> {
    /// From a row, given by its features on their grid and their values; `sorts`: which numbers each feature takes.
    pub(crate) fn new(
        preparation: &'a Preparation,
        centroids: &'a Centroids,
        (features, values): (Vec<i32>, Vec<Option<f64>>),
        sorts: &[NumberSort],
    ) -> Self {
        let sources = |f: usize| {
            let column = &preparation.columns[f];
            column.from.as_ref().map_or_else(|| vec![column.name.as_str()], Derivation::columns)
        };
        let all = 0..preparation.columns.len();
        let is_free = |f: &usize| {
            let of_category = preparation.columns[*f].from.as_ref().is_some_and(Derivation::is_of_category);
            let is_gap = matches!(preparation.columns[*f].from, Some(Derivation::Missing(_)));
            let mut others = all.clone().filter(|g| g != f);
            let shared = others.any(|g| sources(g).iter().any(|name| sources(*f).contains(name)));
            !of_category && !is_gap && !shared
        };
        let free = all.clone().filter(is_free).map(|f| (f, sorts[f])).collect();
        Ways { preparation, centroids, free, features, values }
    }

    /// The smallest change that leads from segment `from` to segment `to`: of one feature if there is one, else of two.
    pub(crate) fn to(&self, from: usize, to: usize) -> Option<NewValues> {
        let one = self.free.iter().filter_map(|&free| self.along(&[(free, 1.0)], to));
        smallest(one).or_else(|| {
            let ends = [from, to].map(|j| self.preparation.features_of(self.centroids.row(j)));
            let pull = |f: usize| ends[1][f] - ends[0][f];
            let pairs = self.free.iter().enumerate().flat_map(|(i, a)| self.free[..i].iter().map(move |b| (*b, *a)));
            smallest(pairs.filter_map(|(a, b)| self.along(&[(a, pull(a.0)), (b, pull(b.0))], to)))
        })
    }

    /// The smallest step in a direction with which the label is `to`: squared grid steps, and the new values.
    fn along(&self, direction: &[(FreeFeature, f64)], to: usize) -> Option<(f64, NewValues)> {
        let (low, high) = self.interval(direction, to)?;
        let edge = if low >= 0.0 { low } else { high };
        let longest = direction.iter().map(|(_, v)| v.abs()).fold(0.0, f64::max);
        if !(longest > 0.0) || !edge.is_finite() {
            return None;
        }
        BEYOND.into_iter().find_map(|(factor, more)| {
            let length = edge * factor + more.copysign(edge) / longest;
            self.verified(direction, length, to)
        })
    }

    /// Between which lengths of a step in a direction the label is `to`, up to rounding.
    fn interval(&self, direction: &[(FreeFeature, f64)], to: usize) -> Option<(f64, f64)> {
        let row = self.preparation.row_of(&self.features);
        let (mut moves, there) = (vec![0.0; row.len()], self.centroids.row(to));
        for &((f, _), v) in direction {
            match &self.preparation.projection {
                None => moves[f] += v,
                Some(p) => {
                    let steps = power_of_two(-p.step_exponent);
                    let components = p.components.iter().zip(&p.unit).map(|(c, unit)| c[f] * unit * steps * v);
                    moves.iter_mut().zip(components).for_each(|(m, component)| *m += component);
                }
            }
        }
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for other in (0..self.centroids.k()).filter(|j| *j != to).map(|j| self.centroids.row(j)) {
            // How much farther the other is: gap + s * slope after a step of length s.
            let (mut gap, mut slope) = (0.0, 0.0);
            for (i, x) in row.iter().enumerate() {
                let [x, here, there] = [*x, other[i], there[i]].map(f64::from);
                gap += (there - here) * (2.0 * x - here - there);
                slope += 2.0 * moves[i] * (there - here);
            }
            match slope {
                s if s > 0.0 => low = low.max(-gap / s),
                s if s < 0.0 => high = high.min(-gap / s),
                _ if gap < 0.0 => return None,
                _ => {}
            }
        }
        (low <= high).then_some((low, high))
    }

    /// The values after a step of this length, if the row with them has the label `to`.
    fn verified(&self, direction: &[(FreeFeature, f64)], length: f64, to: usize) -> Option<(f64, NewValues)> {
        let step = self.preparation.step_exponent;
        let (mut features, mut size, mut values) = (self.features.clone(), 0.0, Vec::new());
        for &((f, sort), v) in direction {
            let column = &self.preparation.columns[f];
            let grid = f64::from(self.features[f]) + v * length;
            let transformed = column.transformed_from_grid(grid, step);
            if column.winsor.is_some_and(|[low, high]| !(low..=high).contains(&transformed)) {
                return None;
            }
            let raw = column.raw(transformed);
            let start = self.values[f].unwrap_or_else(|| column.original(f64::from(self.features[f]), step));
            let value = readable(start, raw, sort != NumberSort::Any);
            if sort == NumberSort::Flag && value != 0.0 && value != 1.0 {
                return None;
            }
            features[f] = column.on_grid(value, step)?;
            let change = f64::from(features[f]) - f64::from(self.features[f]);
            size += change * change;
            values.push((f, value));
        }
        let label = nearest(&self.preparation.row_of(&features), self.centroids).0;
        (label as usize == to).then_some((size, values))
    }
}

/// The first of the smallest.
fn smallest(found: impl Iterator<Item = (f64, NewValues)>) -> Option<NewValues> {
    let found: Vec<(f64, NewValues)> = found.collect();
    found.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, values)| values)
}

/// A value a little beyond `to`, seen from `from`, with few digits: at most a tenth of the way more.
fn readable(from: f64, to: f64, whole: bool) -> f64 {
    let way = (to - from).abs();
    if !(way > 0.0 && way.is_finite() && to.is_finite()) {
        return if whole { to.round() } else { to };
    }
    let least = if whole { 1.0 } else { 0.0 };
    // The power of ten of the first digit, as it is printed.
    let exponent = format!("{:e}", way / 10.0).split_once('e').map_or_else(|| "0".to_owned(), |(_, e)| e.to_owned());
    let unit = format!("1e{exponent}").parse::<f64>().unwrap_or(1.0).max(least);
    // Below 1, whole numbers are divided by a power of ten, which gives the nearest decimal.
    let many = if unit < 1.0 { (1.0 / unit).round() } else { 1.0 };
    let steps = if unit < 1.0 { to * many } else { to / unit };
    let steps = if to > from { steps.ceil() } else { steps.floor() };
    let value = if unit < 1.0 { steps / many } else { steps * unit };
    if value.is_finite() { value } else { to }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_few_digits_and_lie_beyond() {
        assert_eq!(readable(0.0, 1234.5, false), 1300.0);
        assert_eq!(readable(1_000_000.0, 1_000_301.2, false), 1_000_310.0);
        assert_eq!(readable(10.0, 3.3, false), 3.3);
        assert_eq!(readable(10.0, 3.37, false), 3.3);
        assert_eq!(readable(2.0, 2.2, true), 3.0);
        assert_eq!(readable(0.5, 0.25, false), 0.25);
        assert_eq!(readable(0.0, -17.3, true), -18.0);
    }
}
