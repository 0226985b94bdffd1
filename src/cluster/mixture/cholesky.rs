//! The Cholesky factor of a precision matrix, from a covariance matrix.

/// For a symmetric matrix, given as its upper triangle by column, the upper triangle `P` by column with
/// `P P^T = covariance^-1`; None if the matrix is not positive definite.
pub(super) fn precision_factor(covariance: &[f64], dim: usize) -> Option<Vec<f64>> {
    let at = |r: usize, c: usize| c * (c + 1) / 2 + r;
    // The lower factor by row is an upper triangle by column.
    let mut lower = vec![0.0; covariance.len()];
    for i in 0..dim {
        for j in 0..=i {
            let known = (0..j).fold(0.0, |sum, m| sum + lower[at(m, i)] * lower[at(m, j)]);
            let rest = covariance[at(j, i)] - known;
            if i > j {
                lower[at(j, i)] = rest / lower[at(j, j)];
            } else if rest > 0.0 && rest.is_finite() {
                lower[at(i, i)] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    // Row i of the inverse of the lower factor is column i of its transpose.
    let mut inverse = vec![0.0; covariance.len()];
    for i in 0..dim {
        inverse[at(i, i)] = 1.0 / lower[at(i, i)];
        for j in 0..i {
            let sum = (j..i).fold(0.0, |sum, m| sum + lower[at(m, i)] * inverse[at(j, m)]);
            inverse[at(j, i)] = -sum / lower[at(i, i)];
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_inverts() {
        // [[4, 2, 0.5], [2, 5, -1], [0.5, -1, 3]]
        let covariance = [4.0, 2.0, 5.0, 0.5, -1.0, 3.0];
        let factor = precision_factor(&covariance, 3).unwrap();
        let at = |r: usize, c: usize| c * (c + 1) / 2 + r;
        let upper = |r: usize, c: usize| if r <= c { factor[at(r, c)] } else { 0.0 };
        let full = |r: usize, c: usize| covariance[at(r.min(c), r.max(c))];
        let precision = |r: usize, c: usize| (0..3).map(|m| upper(r, m) * upper(c, m)).sum::<f64>();
        for r in 0..3 {
            for c in 0..3 {
                let unit: f64 = (0..3).map(|m| precision(r, m) * full(m, c)).sum();
                assert!((unit - f64::from(u8::from(r == c))).abs() < 1e-14, "{r} {c}: {unit}");
            }
        }
        assert_eq!(precision_factor(&[1.0, 1.0, 1.0], 2), None, "two features that are the same");
        assert_eq!(precision_factor(&[f64::NAN], 1), None);
    }
}
