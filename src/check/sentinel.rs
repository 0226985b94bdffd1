//! Numbers that stand for "unknown" or "not asked": 999, -1, 96, 1900-01-01.

use super::numbers::NumberCounts;
use super::sample::quantile;

/// Share of rows from which a pile of equal values at the edge is suspicious.
const PILE: f64 = 0.001;
/// How many times as common as its neighbors a pile must be.
const PILED: u64 = 5;
/// The least share, and the least number, of rows with a code.
const LEAST: (f64, u64) = (0.0001, 5);

/// Codes at one end of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codes {
    /// The places of the codes and their counts, outermost first.
    pub(super) values: Vec<(i128, u64)>,
    /// The place of the nearest other value.
    pub(super) next: i128,
}

/// Whether this number is commonly used for "unknown": -1, -9 or 9, and numbers of two or more digits, all nines except
/// the last, which is 6 to 9 (96 to 99, 996 to 999, 99999), with either sign.
fn is_code(v: f64) -> bool {
    if v == -1.0 {
        return true;
    }
    let size = v.abs();
    if size.trunc() != size || size > 1e12 {
        return false;
    }
    let n = size as u64;
    n == 9 || (n > 90 && n % 10 >= 6 && (n / 10).to_string().bytes().all(|b| b == b'9'))
}

/// Days since 1970 of 1900-01-01, 1970-01-01, 2099-12-31 and 9999-12-31.
const DATE_CODES: [f64; 4] = [-25567.0, 0.0, 47481.0, 2_932_896.0];

/// The codes of a column; `sorted` is a sorted sample of its finite values.
///
/// A group of codes is reported if nothing lies beyond it, if at least one row in ten thousand and at least five rows
/// have one, and if either
/// - it is isolated: the gap to the nearest other value is as wide as the span from the first to the last percent of
///   all other values (96 and 98 in counts from 0 to 17); or
/// - it is a pile: one row in a thousand has a code, and it is five times as common as the median of the next values
///   (99 in ages up to 95; -1 below hundreds of other numbers).
///
/// The values -1, 0, 1 alone are no codes: -1 needs other values than 0 and 1 beside it.
pub(super) fn sentinels(n: &NumberCounts, sorted: &[f64], is_date: bool) -> Vec<Codes> {
    let code = |v: f64| if is_date { DATE_CODES.contains(&v.floor()) } else { is_code(v) };
    let others: Vec<f64> = sorted.iter().copied().filter(|&v| !code(v)).collect();
    let (Some(first), Some(last)) = (quantile(&others, 0.01), quantile(&others, 0.99)) else { return Vec::new() };
    let edges = n.edges();
    let codes = |end: Vec<(i128, u64)>| {
        let told: Vec<(f64, u64)> = end.iter().map(|&(place, count)| (n.grain.number(place), count)).collect();
        let group = codes(&told, n.moments.n, last - first, &code)?;
        Some(Codes { values: end[..group].to_vec(), next: end[group].0 })
    };
    [edges.low, edges.high].into_iter().filter_map(codes).collect()
}

/// How many values at an end are a group of codes; another value follows it.
fn codes(end: &[(f64, u64)], present: u64, span: f64, code: &impl Fn(f64) -> bool) -> Option<usize> {
    let group = end.iter().take_while(|(v, _)| code(*v)).count();
    let (values, rest) = end.split_at(group);
    let (&(inner, _), &(next, _)) = (values.last()?, rest.first()?);
    let n: u64 = values.iter().map(|(_, n)| n).sum();
    let share = n as f64 / present.max(1) as f64;
    let mut neighbours: Vec<u64> = rest.iter().map(|(_, n)| *n).collect();
    neighbours.sort_unstable();
    let usual = neighbours[neighbours.len() / 2];
    let signs = inner == -1.0 && rest.iter().all(|(v, _)| *v == 0.0 || *v == 1.0);
    let isolated = (inner - next).abs() >= span && !signs;
    let piled = share >= PILE && n >= PILED * usual && rest.len() > 2;
    let enough = n >= LEAST.1 && share >= LEAST.0;
    (enough && (isolated || piled)).then_some(group)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::super::class::Class;
    use super::super::grain::Grain;
    use super::super::piece::Piece;
    use super::*;
    use crate::simd::Dispatch;

    /// The codes of a column and the nearest other value, of whole numbers.
    fn found(values: &[f64]) -> Vec<Codes> {
        let array: ArrayRef = Arc::new(values.iter().map(|&v| v as i64).collect::<Int64Array>());
        let (mut n, mut piece) = (NumberCounts::new(Grain::Decimal(0)), Piece::default());
        piece.take(&array, Class::Number, n.grain).unwrap();
        n.push(&piece, &[], Dispatch::default());
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sentinels(&n, &sorted, false)
    }

    fn cycle(n: usize, of: i32, more: &[(f64, usize)]) -> Vec<f64> {
        let mut values: Vec<f64> = (0..n).map(|i| f64::from(i as i32 % of)).collect();
        more.iter().for_each(|&(v, times)| values.extend(std::iter::repeat_n(v, times)));
        values
    }

    #[test]
    fn isolated_codes() {
        // Times past due in a credit bureau's file: 0 to 17, and 96 and 98 for unknown.
        let codes = found(&cycle(10_000, 18, &[(96.0, 5), (98.0, 264)]));
        assert_eq!(codes, [Codes { values: vec![(98, 264), (96, 5)], next: 17 }]);
        assert_eq!(found(&cycle(10_000, 80, &[(-999.0, 10)])).len(), 1);
        assert_eq!(found(&cycle(10_000, 2, &[(9.0, 10)])).len(), 1);
        assert_eq!(found(&cycle(100_000, 80, &[(-999.0, 4)])), [], "too few rows");
    }

    #[test]
    fn piles_at_the_edge() {
        assert_eq!(found(&cycle(10_000, 90, &[(99.0, 900)]))[0].values, [(99, 900)]);
        assert_eq!(found(&cycle(10_000, 90, &[(-1.0, 900)]))[0].values, [(-1, 900)]);
    }

    #[test]
    fn values_that_only_look_like_codes() {
        assert_eq!(found(&cycle(10_000, 100, &[])), [], "99 is as common as 98");
        assert_eq!(found(&cycle(9_999, 1000, &[])), [], "999 follows 998");
        assert_eq!(found(&cycle(10_000, 200, &[(99.0, 4000)])), [], "99 is not at the edge");
        assert_eq!(found(&cycle(10_000, 2, &[(-1.0, 5000)])), [], "signs");
        assert_eq!(found(&cycle(10_000, 50, &[(500.0, 900)])), [], "nobody's code");
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn numbers_of_nines() {
        for v in [9.0, 96.0, 99.0, 997.0, 99999.0, -1.0, -9.0, -99.0, -9998.0] {
            assert!(is_code(v), "{v}");
        }
        for v in [0.0, 1.0, 8.0, 95.0, 90.0, 100.0, 199.0, 989.0, 99.5, -2.0, 1e300] {
            assert!(!is_code(v), "{v}");
        }
    }
}
