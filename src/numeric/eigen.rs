//! Eigenvalues and eigenvectors with the same bits on every platform.

use crate::error::Result;
use crate::event::Watch;

/// Eigenvalues of a symmetric matrix in descending order, and their unit eigenvectors, with the sign that makes the
/// largest component positive.
///
/// Jacobi's method in cyclic order (Golub and Van Loan, *Matrix Computations*, 8.5): additions, multiplications,
/// divisions and square roots in a fixed order, so that every platform gives the same bits. Libraries choose their
/// instructions, and with them the last bits, by processor.
pub(crate) fn eigen(dim: usize, matrix: &[f64], watch: Watch<'_>) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let mut a = matrix.to_vec();
    let mut vectors: Vec<f64> = (0..dim * dim).map(|i| f64::from(u8::from(i % (dim + 1) == 0))).collect();
    let size: f64 = (0..dim).map(|i| a[i * dim + i].abs()).sum();
    for _ in 0..64 {
        let off: f64 = (0..dim).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * dim + j].abs()).sum();
        if !(off > 1e-17 * size) {
            break;
        }
        for p in 0..dim {
            watch.check()?;
            for q in p + 1..dim {
                rotate(&mut a, &mut vectors, dim, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|&i, &j| a[j * dim + j].total_cmp(&a[i * dim + i]).then(i.cmp(&j)));
    let vector = |&i: &usize| {
        let v: Vec<f64> = (0..dim).map(|row| vectors[row * dim + i]).collect();
        let largest = v.iter().fold(0.0, |best: f64, x| if x.abs() > best.abs() { *x } else { best });
        v.into_iter().map(|x| if largest < 0.0 { -x } else { x }).collect()
    };
    Ok((order.iter().map(|&i| a[i * dim + i].max(0.0)).collect(), order.iter().map(vector).collect()))
}

/// Rotates so that the value at (p, q) becomes 0.
fn rotate(a: &mut [f64], vectors: &mut [f64], dim: usize, p: usize, q: usize) {
    let apq = a[p * dim + q];
    if apq == 0.0 {
        return;
    }
    let tau = (a[q * dim + q] - a[p * dim + p]) / (2.0 * apq);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    let s = t * c;
    for k in 0..dim {
        let (x, y) = (a[k * dim + p], a[k * dim + q]);
        (a[k * dim + p], a[k * dim + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..dim {
        let (x, y) = (a[p * dim + k], a[q * dim + k]);
        (a[p * dim + k], a[q * dim + k]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..dim {
        let (x, y) = (vectors[k * dim + p], vectors[k * dim + q]);
        (vectors[k * dim + p], vectors[k * dim + q]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_rebuild_the_matrix() {
        let dim = 7;
        let value = |i: usize, j: usize| ((i * 31 + j * 17) % 11) as f64 - 4.0;
        // A symmetric matrix with eigenvalues of one sign: B'B.
        let at = |i: usize, j: usize| (0..dim).map(|k| value(k, i) * value(k, j)).sum::<f64>();
        let matrix: Vec<f64> = (0..dim * dim).map(|n| at(n / dim, n % dim)).collect();
        let (values, vectors) = eigen(dim, &matrix, Watch::none()).unwrap();
        assert!(values.windows(2).all(|w| w[0] >= w[1]));
        for i in 0..dim {
            for j in 0..dim {
                let rebuilt: f64 = (0..dim).map(|k| values[k] * vectors[k][i] * vectors[k][j]).sum();
                assert!((rebuilt - at(i, j)).abs() < 1e-9, "({i}, {j}): {rebuilt} {}", at(i, j));
                let product: f64 = (0..dim).map(|k| vectors[i][k] * vectors[j][k]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
