//! Two counts of rows beside each other.

use super::bins::NumberBins;
use super::counts::{
    NumberRange, PartDistances, ReferenceCategories, ReferenceColumn, ReferenceCounts, ReferenceNumbers,
    ReferenceValues,
};
use super::figures::{figures, wasserstein, wasserstein_noise};
use super::keys::{first_value, middle};
use super::report::{
    BinDrift, BinKind, DistanceDrift, DriftFigures, DriftReport, FeatureDrift, MovesDrift, SegmentDrift, SegmentPair,
    ThenAndNow,
};

/// Categories that are compared by name.
const NAMED: usize = 20;
/// Values beyond these of the reference's quantiles are moved to them before distances are measured: one in so many.
const CLIPPED: u64 = 1000;
/// The share of the reference's rows that lie within the limit of distances, in percent.
const WITHIN: u128 = 99;

/// Compares the rows of `now` with those of a reference: every column that both have, in all rows and, for the given
/// pairs, inside segments; shares of segments; distances of parts whose preparation is the same. Without `pairs`,
/// segments are not compared; of rows that one model labelled, they are
/// [`same_segments`](ReferenceCounts::same_segments).
///
/// Nothing is read or written; the figures are the same for any order of the rows.
///
/// # Examples
/// ```
/// use hyades::drift::compare;
/// use hyades::event::Silent;
/// use hyades::job::{ClusteringOptions, FitRequest, InputOptions, fit};
///
/// let request = FitRequest {
///     input: InputOptions::of(["data/customers.parquet"]),
///     clustering: ClusteringOptions::of(6),
///     ..FitRequest::default()
/// };
/// let outcome = fit(&request, &Silent, &std::sync::atomic::AtomicBool::new(false))?;
/// let counts = outcome.model.reference.expect("counted along with the profile");
/// let report = compare(&counts, &counts, Some(&counts.same_segments()));
/// assert!(report.features.iter().all(|feature| feature.figures.psi == 0.0));
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn compare(reference: &ReferenceCounts, now: &ReferenceCounts, pairs: Option<&[SegmentPair]>) -> DriftReport {
    let (mut features, mut not_compared) = (Vec::new(), Vec::new());
    for column in &reference.columns {
        let other = now.columns.iter().find(|other| other.name == column.name);
        match other.and_then(|other| feature(column, other, pairs.unwrap_or_default())) {
            Some(found) => features.push(found),
            None => not_compared.push(column.name.clone()),
        }
    }
    // Stable: columns that changed equally stay in the order of the input.
    features.sort_by(|a, b| b.size().total_cmp(&a.size()));
    let part = |part: &PartDistances| {
        let other = now.parts.iter().find(|other| other.name == part.name && other.units == part.units)?;
        distances(part, other)
    };
    DriftReport {
        drift_version: 1,
        rows: ThenAndNow { reference: reference.rows, now: now.rows },
        features,
        not_compared,
        segments: pairs.map(|pairs| shares(reference, now, pairs)),
        distances: reference.parts.iter().filter_map(part).collect(),
        moved: moved(reference, now),
    }
}

impl FeatureDrift {
    /// What columns are ranked by: the distance of numbers; of categories w, which for a small shift is as large.
    fn size(&self) -> f64 {
        self.distance.unwrap_or(self.figures.w)
    }
}

/// A column; None if one has numbers and the other categories.
fn feature(column: &ReferenceColumn, other: &ReferenceColumn, pairs: &[SegmentPair]) -> Option<FeatureDrift> {
    let compared = Compared { column, other };
    let (kinds, then, now) = compared.bins(&column.all, &other.all, column.numbers)?;
    let moved = compared.distance(&column.all, &other.all);
    let segment = |pair: &SegmentPair| {
        let then = column.segments.get(pair.reference)?.as_ref()?;
        let now = other.segments.get(pair.now)?.as_ref()?;
        let (_, a, b) = compared.bins(then, now, None)?;
        let distance = compared.distance(then, now).map(|(distance, _)| distance);
        Some(SegmentDrift { segment: *pair, distance, figures: figures(&a, &b) })
    };
    let missing = |values: &ReferenceValues, counts: &[u64]| {
        let missing = match values {
            ReferenceValues::Numbers(of) => of.missing,
            ReferenceValues::Categories(of) => of.missing,
        };
        missing as f64 / counts.iter().sum::<u64>().max(1) as f64
    };
    Some(FeatureDrift {
        name: column.name.clone(),
        distance: moved.map(|(distance, _)| distance),
        distance_noise: moved.map(|(_, noise)| noise),
        figures: figures(&then, &now),
        missing: ThenAndNow { reference: missing(&column.all, &then), now: missing(&other.all, &now) },
        segments: pairs.iter().filter_map(segment).collect(),
        bins: kinds
            .into_iter()
            .zip(then.into_iter().zip(now))
            .map(|(bin, (then, now))| BinDrift { bin, reference: Some(then), now: Some(now) })
            .collect(),
    })
}

/// A column of the reference and the same one now.
#[derive(Clone, Copy)]
struct Compared<'a> {
    column: &'a ReferenceColumn,
    other: &'a ReferenceColumn,
}

impl Compared<'_> {
    /// The bins, and the rows in each on either side.
    fn bins(
        &self,
        then: &ReferenceValues,
        now: &ReferenceValues,
        range: Option<NumberRange>,
    ) -> Option<(Vec<BinKind>, Vec<u64>, Vec<u64>)> {
        match (then, now) {
            (ReferenceValues::Numbers(then), ReferenceValues::Numbers(now)) => {
                let bins = NumberBins::new(then, range, then.values.digits().min(now.values.digits()));
                Some((bins.kinds(), bins.count(then), bins.count(now)))
            }
            (ReferenceValues::Categories(then), ReferenceValues::Categories(now)) => Some(self.categories(then, now)),
            _ => None,
        }
    }

    /// Categories by name where both sides know how many rows have them; the others together.
    fn categories(&self, then: &ReferenceCategories, now: &ReferenceCategories) -> (Vec<BinKind>, Vec<u64>, Vec<u64>) {
        // A side that names all of its categories has none of those that it does not name.
        let all = |column: &ReferenceColumn| matches!(&column.all, ReferenceValues::Categories(of) if of.others == 0);
        let (mut kinds, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for (name, &n) in self.column.categories.iter().zip(&then.counts).take(NAMED) {
            let at = self.other.categories.iter().position(|other| other == name);
            if at.is_some() || all(self.other) {
                kinds.push(BinKind::Category(name.clone()));
                a.push(n);
                b.push(at.map_or(0, |at| now.counts[at]));
            }
        }
        let rest = |of: &ReferenceCategories, named: &[u64]| {
            (of.counts.iter().sum::<u64>() + of.others).saturating_sub(named.iter().sum())
        };
        let (rest_then, rest_now) = (rest(then, &a), rest(now, &b));
        a.extend([rest_then, then.missing]);
        b.extend([rest_now, now.missing]);
        kinds.extend([BinKind::Others, BinKind::Missing]);
        (kinds, a, b)
    }

    /// The Wasserstein distance in deviations of the column's reference, and its noise.
    fn distance(&self, then: &ReferenceValues, now: &ReferenceValues) -> Option<(f64, f64)> {
        let (ReferenceValues::Numbers(then), ReferenceValues::Numbers(now)) = (then, now) else { return None };
        let deviation = self.column.numbers.map(|range| range.deviation).filter(|d| *d > 0.0 && d.is_finite())?;
        let digits = then.values.digits().min(now.values.digits());
        let is_whole = [self.column, self.other].iter().all(|column| column.numbers.is_some_and(|range| range.whole));
        let (mut then, mut now) = (points(then, digits, is_whole), points(now, digits, is_whole));
        let (low, high) = quantiles(&then)?;
        if now.is_empty() {
            return None;
        }
        for (value, _) in then.iter_mut().chain(&mut now) {
            *value = value.clamp(low, high);
        }
        let rows = now.iter().map(|(_, n)| n).sum();
        let noise = wasserstein_noise(&then, rows) / deviation;
        let distance = wasserstein(&then, &now) / deviation;
        (distance.is_finite() && noise.is_finite()).then_some((distance, noise))
    }
}

/// The values of all keys and zero, in order, with how many there are.
fn points(counts: &ReferenceNumbers, digits: u32, is_whole: bool) -> Vec<(f64, u64)> {
    let coarse = counts.values.coarser(digits);
    let mut points: Vec<(f64, u64)> =
        coarse.counts().iter().map(|&(key, n)| (middle(key, digits, is_whole), n)).collect();
    if counts.zeros > 0 {
        let at = points.partition_point(|(value, _)| *value < 0.0);
        points.insert(at, (0.0, counts.zeros));
    }
    points
}

/// The first and the last value but for one in [`CLIPPED`] on either side.
fn quantiles(points: &[(f64, u64)]) -> Option<(f64, f64)> {
    let cut = points.iter().map(|(_, n)| n).sum::<u64>() / CLIPPED;
    beyond(points.iter(), cut).zip(beyond(points.iter().rev(), cut))
}

/// The first value before which, with its own, more than `cut` have passed.
fn beyond<'p>(mut points: impl Iterator<Item = &'p (f64, u64)>, cut: u64) -> Option<f64> {
    let mut passed = 0;
    let found = points.find(|(_, n)| {
        passed += n;
        passed > cut
    });
    found.map(|(value, _)| *value)
}

/// Shares of the segments. One that has no pair has no rows on the other side.
fn shares(reference: &ReferenceCounts, now: &ReferenceCounts, pairs: &[SegmentPair]) -> DriftFigures {
    let count = |counts: &ReferenceCounts, segment: usize| counts.segments.get(segment).copied().unwrap_or(0);
    let mut both: Vec<(u64, u64)> =
        pairs.iter().map(|pair| (count(reference, pair.reference), count(now, pair.now))).collect();
    let ended = (0..reference.segments.len()).filter(|s| pairs.iter().all(|pair| pair.reference != *s));
    both.extend(ended.map(|segment| (count(reference, segment), 0)));
    let new = (0..now.segments.len()).filter(|s| pairs.iter().all(|pair| pair.now != *s));
    both.extend(new.map(|segment| (0, count(now, segment))));
    if reference.unassigned + now.unassigned > 0 {
        both.push((reference.unassigned, now.unassigned));
    }
    let (then, now): (Vec<u64>, Vec<u64>) = both.into_iter().unzip();
    figures(&then, &now)
}

/// Distances of a part in the same units on both sides.
fn distances(then: &PartDistances, now: &PartDistances) -> Option<DistanceDrift> {
    let digits = then.squared.digits().min(now.squared.digits());
    let (a, b) = (then.squared.coarser(digits), now.squared.coarser(digits));
    let (all, mut within) = (u128::from(a.total()), 0);
    let (last, _) = a.counts().iter().find(|(_, n)| {
        within += u128::from(*n);
        within * 100 >= all * WITHIN
    })?;
    let share = |side: &super::KeyedCounts| {
        let beyond: u64 = side.counts().iter().filter(|(key, _)| key > last).map(|(_, n)| n).sum();
        beyond as f64 / side.total().max(1) as f64
    };
    Some(DistanceDrift {
        part: then.name.clone(),
        rows: ThenAndNow { reference: then.rows, now: now.rows },
        inertia: then.inertia.zip(now.inertia).map(|(reference, now)| ThenAndNow { reference, now }),
        limit: first_value(last + 1, digits).sqrt() * then.step,
        beyond: ThenAndNow { reference: share(&a), now: share(&b) },
    })
}

fn moved(reference: &ReferenceCounts, now: &ReferenceCounts) -> Vec<MovesDrift> {
    let moves = |of: &super::FeatureMoves| [of.unseen, of.outside, of.winsorised, of.clipped];
    let each = |then: &super::FeatureMoves| {
        let other = now.features.iter().find(|other| other.name == then.name)?;
        let (a, b) = (moves(then), moves(other));
        let share = |at: usize| ThenAndNow {
            reference: a[at] as f64 / reference.rows.max(1) as f64,
            now: b[at] as f64 / now.rows.max(1) as f64,
        };
        let any = a.iter().chain(&b).any(|n| *n > 0);
        any.then(|| MovesDrift {
            name: then.name.clone(),
            unseen: share(0),
            outside: share(1),
            winsorised: share(2),
            clipped: share(3),
        })
    };
    reference.features.iter().filter_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{CountedColumn, CountedNumbers, CountedTexts, DIGITS, KeyedCounts, ReferenceNumbers, key_of};

    fn numbers(values: &[f64], missing: u64) -> ReferenceColumn {
        let mut keys: Vec<(u32, u64)> = Vec::new();
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| *v != 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        for value in &sorted {
            match keys.last_mut() {
                Some((key, n)) if *key == key_of(*value, DIGITS) => *n += 1,
                _ => keys.push((key_of(*value, DIGITS), 1)),
            }
        }
        let zeros = (values.len() - sorted.len()) as u64;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        let range = NumberRange {
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            deviation,
            whole: values.iter().all(|v| v.fract() == 0.0),
        };
        let group = ReferenceNumbers { missing, zeros, values: KeyedCounts::new(DIGITS, keys) };
        let groups = vec![ReferenceNumbers::default(), group.clone(), group];
        let range = (!values.is_empty()).then_some(range);
        CountedColumn::Numbers(CountedNumbers::new(range, groups)).kept("x".into(), &[false; 3], 0)
    }

    fn texts(counts: &[(&str, u64)], others: u64) -> ReferenceColumn {
        let counts = counts.iter().map(|(name, n)| ((*name).to_owned(), vec![0, *n])).collect();
        let texts = CountedTexts { counts, others: vec![0, others], missing: vec![0, 1] };
        CountedColumn::Texts(texts).kept("t".into(), &[false; 3], 0)
    }

    fn rows(columns: Vec<ReferenceColumn>, segments: &[u64]) -> ReferenceCounts {
        ReferenceCounts {
            rows: segments.iter().sum(),
            small_cells: 0,
            segments: segments.to_vec(),
            unassigned: 0,
            columns,
            features: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Ten thousand quantiles of a normal distribution around a mean, by sums of twelve uniform ones.
    fn bell(mean: f64, deviation: f64) -> Vec<f64> {
        let mut random = crate::numeric::Random::new(11, 3);
        let mut uniform = || random.below(1 << 40) as f64 / (1u64 << 40) as f64;
        (0..10_000).map(|_| mean + deviation * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)).collect()
    }

    #[test]
    fn a_shift_is_told_in_deviations_of_the_reference() {
        let reference = numbers(&bell(5000.0, 700.0), 0);
        for shift in [0.05, 0.1, 0.5] {
            let now = numbers(&bell(5000.0 + shift * 700.0, 700.0), 0);
            let found = feature(&reference, &now, &[]).unwrap();
            let distance = found.distance.unwrap();
            // Tails beyond one in a thousand do not count.
            assert!((distance / shift - 1.0).abs() < 0.02, "{shift}: {distance}");
            assert!((found.figures.w / shift - 1.0).abs() < 0.2, "{shift}: {}", found.figures.w);
            assert_eq!(found.bins.len(), 13);
        }
        let same = feature(&reference, &reference, &[SegmentPair { reference: 0, now: 0 }]).unwrap();
        assert_eq!((same.distance, same.figures.psi, same.segments[0].distance), (Some(0.0), 0.0, Some(0.0)));
    }

    #[test]
    fn a_column_that_vanished_is_far_away() {
        let reference = numbers(&bell(0.0, 1.0), 100);
        let found = feature(&reference, &numbers(&[], 5000), &[]).unwrap();
        assert_eq!(found.distance, None);
        assert!(found.figures.psi > 5.0, "{}", found.figures.psi);
        assert_eq!((found.missing.reference, found.missing.now), (100.0 / 10_100.0, 1.0));
        let constant = feature(&numbers(&[7.0; 30], 0), &numbers(&[8.0; 30], 0), &[]).unwrap();
        assert_eq!(constant.distance, None, "no spread to measure by");
        assert!(constant.figures.psi > 1.0, "{}", constant.figures.psi);
    }

    #[test]
    fn categories_are_compared_where_both_sides_know_them() {
        let counts = |of: &ReferenceColumn, now: &ReferenceColumn| {
            let found = feature(of, now, &[]).unwrap();
            let side = |bin: &BinDrift| (bin.bin.clone(), bin.reference.unwrap(), bin.now.unwrap());
            found.bins.iter().map(side).collect::<Vec<_>>()
        };
        let named = |name: &str| BinKind::Category(name.into());
        let complete = counts(&texts(&[("a", 9), ("b", 4)], 0), &texts(&[("a", 5), ("c", 7)], 0));
        assert_eq!(
            complete,
            [(named("a"), 9, 5), (named("b"), 4, 0), (BinKind::Others, 0, 7), (BinKind::Missing, 1, 1)]
        );
        let unknown = counts(&texts(&[("a", 9), ("b", 4)], 0), &texts(&[("a", 5), ("c", 7)], 2));
        assert_eq!(unknown, [(named("a"), 9, 5), (BinKind::Others, 4, 9), (BinKind::Missing, 1, 1)]);
        assert!(feature(&texts(&[], 0), &numbers(&[1.0], 0), &[]).is_none(), "numbers are no categories");
    }

    #[test]
    fn what_changed_most_comes_first_and_segments_keep_their_pairs() {
        let named = |name: &str, mut column: ReferenceColumn| {
            column.name = name.into();
            column
        };
        let column = |name: &str, mean: f64| named(name, numbers(&bell(mean, 1.0), 0));
        let then = rows(vec![column("a", 0.0), column("b", 0.0), column("gone", 0.0)], &[60, 40]);
        let now = rows(vec![column("b", 0.4), column("a", 0.1)], &[40, 60]);
        let report = compare(&then, &now, None);
        let names: Vec<&str> = report.features.iter().map(|feature| feature.name.as_str()).collect();
        assert_eq!((names, report.not_compared, report.segments), (vec!["b", "a"], vec!["gone".to_owned()], None));
        let crossed = [SegmentPair { reference: 0, now: 1 }, SegmentPair { reference: 1, now: 0 }];
        assert_eq!(compare(&then, &now, Some(&crossed)).segments.unwrap().psi, 0.0);
        assert!(compare(&then, &now, Some(&then.same_segments())).segments.unwrap().psi > 0.1);
        assert!(compare(&then, &now, Some(&[])).segments.unwrap().psi > 1.0, "all ended, and all are new");
    }

    #[test]
    fn one_of_a_hundred_is_beyond_the_limit() {
        let part = |counts: &[(u32, u64)]| {
            let squared = KeyedCounts::new(5, counts.iter().map(|&(v, n)| (key_of(f64::from(v), 5), n)).collect());
            let rows = squared.total();
            PartDistances { name: "p".into(), units: "u".into(), rows, inertia: Some(1.0), step: 0.5, squared }
        };
        let found = distances(&part(&[(4, 90), (16, 9), (100, 1)]), &part(&[(4, 5), (64, 3), (100, 2)])).unwrap();
        assert_eq!((found.beyond.reference, found.beyond.now), (0.01, 0.5));
        // The first squared distance beyond is 16.5.
        assert!((found.limit - 16.5f64.sqrt() * 0.5).abs() < 1e-12, "{}", found.limit);
    }
}
