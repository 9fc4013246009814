//! The Cholesky factor A = L L^T of a symmetric positive definite matrix, its solves and its log-determinant.

use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView2};
use scorecast_systems::wide;

use super::lanes::{Lanes, WIDTH, ZEROS, add_scaled, combine, groups};
use crate::error::{Error, Result};

/// The smallest order whose factor faer computes.
const FAER_FROM: usize = 96;

/// L with A = L L^T, kept as the rows of L^T.
#[derive(Clone, Debug)]
pub struct Cholesky(Array2<f64>);

impl Cholesky {
    /// Factorizes a symmetric matrix, of which the lower triangle is read.
    ///
    /// # Errors
    /// When the matrix is not positive definite.
    pub fn new(matrix: ArrayView2<f64>) -> Result<Self> {
        assert!(matrix.is_square(), "a Cholesky factor needs a square matrix");
        let upper = if matrix.nrows() < FAER_FROM { factor(matrix) } else { factor_by_faer(matrix) };
        upper.map(Self).ok_or_else(|| {
            Error::Singular(format!(
                "a matrix of order {} is not positive definite; are the observation errors above zero?",
                matrix.nrows()
            ))
        })
    }

    /// L, `[order, order]`, zero above the diagonal.
    pub fn lower(&self) -> ArrayView2<'_, f64> {
        self.0.t()
    }

    /// L^T row by row.
    fn upper(&self) -> &[f64] {
        self.0.as_slice().unwrap_or_default()
    }

    /// L^-1 b for each column of `b` (`[order, column]`), in place.
    pub fn half_solve_in_place(&self, b: &mut Array2<f64>) {
        each_block(b, |block| forward(self.upper(), block));
    }

    /// A^-1 b for each column of `b` (`[order, column]`), in place.
    pub fn solve_in_place(&self, b: &mut Array2<f64>) {
        each_block(b, |block| {
            forward(self.upper(), block);
            backward(self.upper(), block);
        });
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
        let square = self.mahalanobis(residual);
        let constant = residual.len() as f64 * (2.0 * std::f64::consts::PI).ln();
        (-0.5 * (square + self.log_det() + constant), square)
    }

    /// residual^T A^-1 residual.
    pub fn mahalanobis(&self, residual: &Array1<f64>) -> f64 {
        let mut white = residual.to_vec();
        let mut square = 0.0;
        for (k, row) in self.upper().chunks_exact(white.len().max(1)).enumerate() {
            let value = white[k] / row[k];
            square += value * value;
            super::add_scaled(&mut white[k + 1..], -value, &row[k + 1..]);
        }
        square
    }
}

/// Hands out 8 columns at a time, `[order]` groups; the last are filled up with zeros.
fn each_block(b: &mut Array2<f64>, solve: impl Fn(&mut [Lanes])) {
    let (n, columns) = b.dim();
    let mut block = vec![ZEROS; n];
    for from in (0..columns).step_by(WIDTH) {
        let part = ndarray::s![.., from..(from + WIDTH).min(columns)];
        for (row, lanes) in b.slice(part).outer_iter().zip(&mut block) {
            row.iter().zip(lanes).for_each(|(value, lane)| *lane = *value);
        }
        solve(&mut block);
        for (mut row, lanes) in b.slice_mut(part).outer_iter_mut().zip(&block) {
            row.iter_mut().zip(lanes).for_each(|(value, lane)| *value = *lane);
        }
    }
}

wide! {
    /// L^-1 x in place.
    fn forward(upper: &[f64], x: &mut [Lanes]) {
        let n = x.len();
        for k in 0..n {
            let row = &upper[k * n..(k + 1) * n];
            let solved = combine(x[k], ZEROS, |value, _| value / row[k]);
            x[k] = solved;
            for (x, u) in x[k + 1..].iter_mut().zip(&row[k + 1..]) {
                *x = combine(*x, solved, |x, solved| x - u * solved);
            }
        }
    }
}

wide! {
    /// L^-T x in place.
    fn backward(upper: &[f64], x: &mut [Lanes]) {
        let n = x.len();
        for k in (0..n).rev() {
            let solved = combine(x[k], ZEROS, |value, _| value / upper[k * n + k]);
            x[k] = solved;
            for (i, x) in x[..k].iter_mut().enumerate() {
                let u = upper[i * n + k];
                *x = combine(*x, solved, |x, solved| x - u * solved);
            }
        }
    }
}

/// L^T, `[order, order]`; none where the matrix is not positive definite.
fn factor(matrix: ArrayView2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let width = groups(n);
    let mut rows = vec![ZEROS; n * width];
    for (i, given) in matrix.outer_iter().enumerate() {
        given.iter().take(i + 1).enumerate().for_each(|(j, value)| rows[j * width + i / WIDTH][i % WIDTH] = *value);
    }
    let mut sound = true;
    eliminate(n, &mut rows, &mut sound);
    let mut upper = Vec::with_capacity(n * n);
    rows.chunks_exact(width.max(1)).for_each(|row| upper.extend_from_slice(&row.as_flattened()[..n]));
    if sound { Array2::from_shape_vec((n, n), upper).ok() } else { None }
}

wide! {
    /// The upper triangle of A, in rows of whole groups with zeros before the diagonal, to L^T in place.
    fn eliminate(n: usize, rows: &mut [Lanes], sound: &mut bool) {
        let width = groups(n);
        for k in 0..n {
            let (done, below) = rows.split_at_mut((k + 1) * width);
            let row = &mut done[k * width..];
            // the elimination has also written before the diagonal
            row.as_flattened_mut()[..k].fill(0.0);
            let pivot = row.as_flattened()[k];
            // written so that NaN is refused too
            if !(pivot > 0.0 && pivot.is_finite()) {
                *sound = false;
                return;
            }
            let inverse = 1.0 / pivot.sqrt();
            for group in row.iter_mut() {
                *group = combine(*group, ZEROS, |value, _| value * inverse);
            }
            row.as_flattened_mut()[k] = pivot.sqrt();
            for (i, other) in (k + 1..n).zip(below.chunks_exact_mut(width)) {
                let from = i / WIDTH;
                let factor = -row.as_flattened()[i];
                add_scaled(&mut other[from..], factor, &row[from..]);
            }
        }
    }
}

fn factor_by_faer(matrix: ArrayView2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let llt = Mat::from_fn(n, n, |i, j| matrix[(i, j)]).llt(Side::Lower).ok()?;
    let lower = llt.L();
    Some(Array2::from_shape_fn((n, n), |(i, j)| if i <= j { lower[(j, i)] } else { 0.0 }))
        .filter(|upper| upper.diag().iter().all(|d| *d > 0.0 && d.is_finite()))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;

    #[test]
    fn solves_and_log_determinant_are_exact_for_both_factorizations() {
        for n in [1, 2, 3, 7, 8, 9, 24, 40, 95, 96, 130] {
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
