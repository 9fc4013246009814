//! Symmetric eigenproblems A = V diag(values) V^T of small order.
//!
//! nalgebra's QR iteration is faster up to order about 48 and faer's divide and conquer from there on; the order alone
//! decides.

use faer::{Mat, Side};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2};

use crate::problem::{Error, Result};

/// The smallest order that faer solves.
const FAER_FROM: usize = 56;

/// Sweeps of the QR iteration for each row before it is given up; two or three are usual.
const SWEEPS: usize = 60;

/// The eigenvalues and eigenvectors of a symmetric matrix, in no particular order.
#[derive(Clone, Debug)]
pub struct Eigen {
    /// `[k]`.
    pub values: Array1<f64>,
    /// V^T: row k is the unit eigenvector of `values[k]`.
    pub vectors: Array2<f64>,
}

impl Eigen {
    /// Decomposes a symmetric matrix, of which the lower triangle is read.
    ///
    /// # Errors
    /// When the matrix is not finite or the iteration does not converge.
    pub fn new(matrix: ArrayView2<f64>) -> Result<Self> {
        assert!(matrix.is_square(), "an eigenproblem needs a square matrix");
        if !crate::linalg::all_finite(matrix) {
            return Err(Error::Singular("a covariance is not finite: the ensemble has diverged".to_owned()));
        }
        let eigen = if matrix.nrows() < FAER_FROM { by_nalgebra(matrix) } else { by_faer(matrix) };
        eigen.ok_or_else(|| {
            Error::Singular(format!("the eigenvalues of a matrix of order {} did not converge", matrix.nrows()))
        })
    }

    /// V diag(f(values)) V^T.
    pub fn apply(&self, f: impl Fn(f64) -> f64) -> Array2<f64> {
        let mut scaled = self.vectors.clone();
        for (mut row, value) in scaled.outer_iter_mut().zip(&self.values) {
            row *= f(*value);
        }
        self.vectors.t().dot(&scaled)
    }
}

fn by_nalgebra(matrix: ArrayView2<f64>) -> Option<Eigen> {
    let n = matrix.nrows();
    let columns = DMatrix::from_fn(n, n, |i, j| matrix[(i.max(j), i.min(j))]);
    let eigen = SymmetricEigen::try_new(columns, f64::EPSILON, SWEEPS * n.max(1))?;
    // column-major V is row-major V^T
    let vectors = Array2::from_shape_vec((n, n), eigen.eigenvectors.as_slice().to_vec()).ok()?;
    Some(Eigen { values: eigen.eigenvalues.iter().copied().collect(), vectors })
}

fn by_faer(matrix: ArrayView2<f64>) -> Option<Eigen> {
    let n = matrix.nrows();
    let eigen = Mat::from_fn(n, n, |i, j| matrix[(i, j)]).self_adjoint_eigen(Side::Lower).ok()?;
    let values = eigen.S().column_vector();
    let vectors = Array2::from_shape_fn((n, n), |(k, i)| eigen.U()[(i, k)]);
    Some(Eigen { values: (0..n).map(|k| values[k]).collect(), vectors })
}

/// The symmetric positive semi-definite square root of a symmetric matrix.
///
/// # Errors
/// When an eigenvalue is negative beyond round-off, or the matrix is not finite.
pub fn symmetric_sqrt(matrix: ArrayView2<f64>) -> Result<Array2<f64>> {
    let eigen = Eigen::new(matrix)?;
    let largest = eigen.values.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    let smallest = eigen.values.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    if smallest < -1e-10 * largest {
        return Err(Error::Singular(format!(
            "a covariance has the eigenvalue {smallest:.3e} (the largest is {largest:.3e}); it must be positive \
             semi-definite"
        )));
    }
    Ok(eigen.apply(|value| value.max(0.0).sqrt()))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;

    #[test]
    fn both_solvers_rebuild_the_matrix_and_are_orthogonal() {
        for n in [1, 2, 24, 55, 56, 90] {
            let x = Key::new(1, Domain::Score).at(n as u64).normals(n + 3, n);
            let matrix = x.t().dot(&x);
            let eigen = Eigen::new(matrix.view()).unwrap();
            let scale = matrix.iter().fold(0.0f64, |a, b| a.max(b.abs()));
            assert!((eigen.apply(|v| v) - &matrix).iter().all(|e| e.abs() < 1e-12 * scale * n as f64), "order {n}");
            let gram = eigen.vectors.dot(&eigen.vectors.t()) - Array2::<f64>::eye(n);
            assert!(gram.iter().all(|e| e.abs() < 1e-12), "order {n}");
        }
    }

    #[test]
    fn the_root_is_symmetric_and_squares_to_the_matrix() {
        let matrix = array![[2.0, 0.5], [0.5, 1.0]];
        let root = symmetric_sqrt(matrix.view()).unwrap();
        assert!((root.dot(&root) - &matrix).iter().all(|e| e.abs() < 1e-14));
        assert!((root[(0, 1)] - root[(1, 0)]).abs() < 1e-15);
    }

    #[test]
    fn an_indefinite_or_non_finite_matrix_is_an_error() {
        let message = symmetric_sqrt(array![[1.0, 2.0], [2.0, 1.0]].view()).unwrap_err().to_string();
        assert!(message.contains("-1.000e0") && message.contains("3.000e0"), "{message}");
        assert!(symmetric_sqrt(array![[1.0, f64::NAN], [f64::NAN, 1.0]].view()).is_err());
    }
}
