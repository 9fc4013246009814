//! The Cholesky factor A = L L^T of a symmetric positive definite matrix, its solves and its log-determinant.

use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView2};

use crate::problem::{Error, Result};

/// The smallest order whose factor faer computes.
const FAER_FROM: usize = 96;

/// L with A = L L^T.
#[derive(Clone, Debug)]
pub struct Cholesky(Array2<f64>);

impl Cholesky {
    /// Factorizes a symmetric matrix, of which the lower triangle is read.
    ///
    /// # Errors
    /// When the matrix is not positive definite.
    pub fn new(matrix: ArrayView2<f64>) -> Result<Self> {
        assert!(matrix.is_square(), "a Cholesky factor needs a square matrix");
        let factor = if matrix.nrows() < FAER_FROM { factor(matrix) } else { factor_by_faer(matrix) };
        factor.map(Self).ok_or_else(|| {
            Error::Singular(format!(
                "a matrix of order {} is not positive definite; are the observation errors above zero?",
                matrix.nrows()
            ))
        })
    }

    /// L, `[order, order]`, zero above the diagonal.
    pub fn lower(&self) -> ArrayView2<'_, f64> {
        self.0.view()
    }

    /// L^-1 b for each column of `b` (`[order, column]`), in place.
    pub fn half_solve_in_place(&self, b: &mut Array2<f64>) {
        let n = self.0.nrows();
        for i in 0..n {
            let (done, mut rest) = b.view_mut().split_at(ndarray::Axis(0), i);
            let mut row = rest.row_mut(0);
            for (j, solved) in done.outer_iter().enumerate() {
                row.scaled_add(-self.0[(i, j)], &solved);
            }
            row /= self.0[(i, i)];
        }
    }

    /// A^-1 b for each column of `b` (`[order, column]`), in place.
    pub fn solve_in_place(&self, b: &mut Array2<f64>) {
        self.half_solve_in_place(b);
        for i in (0..self.0.nrows()).rev() {
            let (mut rest, mut tail) = b.view_mut().split_at(ndarray::Axis(0), i);
            let mut row = tail.row_mut(0);
            row /= self.0[(i, i)];
            for (j, mut above) in rest.outer_iter_mut().enumerate() {
                above.scaled_add(-self.0[(i, j)], &row);
            }
        }
    }

    /// A^-1 b for one column.
    pub fn solve(&self, b: &Array1<f64>) -> Array1<f64> {
        let mut column = b.clone().insert_axis(ndarray::Axis(1));
        self.solve_in_place(&mut column);
        column.remove_axis(ndarray::Axis(1))
    }

    /// log det A.
    pub fn log_det(&self) -> f64 {
        2.0 * self.0.diag().iter().map(|d| d.ln()).sum::<f64>()
    }

    /// log N(residual; 0, A), and the squared Mahalanobis length residual^T A^-1 residual.
    pub fn log_normal(&self, residual: &Array1<f64>) -> (f64, f64) {
        let mut white: Vec<f64> = Vec::with_capacity(residual.len());
        for (row, value) in self.0.outer_iter().zip(residual) {
            let done = white.len();
            let known: f64 = row.iter().zip(&white).map(|(l, z)| l * z).sum();
            white.push((value - known) / row[done]);
        }
        let square = white.iter().map(|z| z * z).sum::<f64>();
        let constant = residual.len() as f64 * (2.0 * std::f64::consts::PI).ln();
        (-0.5 * (square + self.log_det() + constant), square)
    }
}

/// Row by row on flat slices: at these orders the bookkeeping of array views costs more than the arithmetic.
fn factor(matrix: ArrayView2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let mut lower = vec![0.0; n * n];
    for (i, given) in matrix.outer_iter().enumerate() {
        let (above, rest) = lower.split_at_mut(i * n);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &above[j * n..j * n + j + 1];
            row[j] = (given[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = given[i] - dot(&row[..i], &row[..i]);
        // written so that NaN is refused too
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        row[i] = pivot.sqrt();
    }
    Array2::from_shape_vec((n, n), lower).ok()
}

/// The inner product; four sums side by side, so that it is vectorized.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (left, right) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

fn factor_by_faer(matrix: ArrayView2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let llt = Mat::from_fn(n, n, |i, j| matrix[(i, j)]).llt(Side::Lower).ok()?;
    let lower = llt.L();
    Some(Array2::from_shape_fn((n, n), |(i, j)| if j <= i { lower[(i, j)] } else { 0.0 }))
        .filter(|lower| lower.diag().iter().all(|d| *d > 0.0 && d.is_finite()))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;

    #[test]
    fn solves_and_log_determinant_are_exact_for_both_factorizations() {
        for n in [1, 3, 40, 95, 96, 130] {
            let x = Key::new(2, Domain::Score).at(n as u64).normals(2 * n + 5, n);
            let matrix = x.t().dot(&x) / (2 * n + 5) as f64;
            let factor = Cholesky::new(matrix.view()).unwrap();
            assert!((factor.lower().dot(&factor.lower().t()) - &matrix).iter().all(|e| e.abs() < 1e-13), "order {n}");
            let b = Key::new(3, Domain::Score).normals(n, 4);
            let mut solution = b.clone();
            factor.solve_in_place(&mut solution);
            assert!((matrix.dot(&solution) - &b).iter().all(|e| e.abs() < 1e-10), "order {n}");
            let values = crate::linalg::Eigen::new(matrix.view()).unwrap().values;
            assert!((factor.log_det() - values.iter().map(|v| v.ln()).sum::<f64>()).abs() < 1e-9, "order {n}");
        }
    }

    #[test]
    fn the_log_density_of_two_correlated_normals_is_the_textbook_one() {
        let factor = Cholesky::new(array![[4.0, 1.2], [1.2, 1.0]].view()).unwrap();
        // det = 4 - 1.44 = 2.56; z^T A^-1 z = (1*1 - 2*1.2*1*(-.5) + 4*.25) / 2.56 = 3.2 / 2.56
        let (log_density, square) = factor.log_normal(&array![1.0, -0.5]);
        assert!((square - 1.25).abs() < 1e-14);
        let exact = -0.5 * (1.25 + 2.56f64.ln()) - (2.0 * std::f64::consts::PI).ln();
        assert!((log_density - exact).abs() < 1e-14);
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_refused() {
        assert!(Cholesky::new(array![[1.0, 2.0], [2.0, 1.0]].view()).is_err());
        assert!(Cholesky::new(array![[f64::NAN]].view()).is_err());
    }
}
