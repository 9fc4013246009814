//! C = V diag(l) V^T for a symmetric matrix, and functions of it.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::error::{Error, Result};

/// Eigenvalues of a covariance below this fraction of the largest count as 0: rounding, not variance.
const NEGLIGIBLE: f64 = 1e-14;

/// Eigenvalues and orthonormal eigenvectors of a covariance.
#[derive(Clone, Debug)]
pub struct SymmetricEigen {
    /// l, `[component]`, with negligible and negative values set to 0.
    pub values: Array1<f64>,
    /// V, `[component, component]`, one eigenvector a column.
    pub vectors: Array2<f64>,
}

impl SymmetricEigen {
    /// Of a symmetric positive semi-definite matrix; only its symmetric part counts.
    ///
    /// # Errors
    /// When the matrix is not square and finite, or has an eigenvalue that is negative beyond rounding.
    pub fn new(matrix: ArrayView2<f64>) -> Result<Self> {
        let n = matrix.nrows();
        if n != matrix.ncols() || matrix.iter().any(|value| !value.is_finite()) {
            let size = format!("{n} x {}", matrix.ncols());
            return Err(Error::Unsupported(format!("a covariance must be square and finite; this one is {size}")));
        }
        let symmetric = DMatrix::from_fn(n, n, |i, j| 0.5 * (matrix[[i, j]] + matrix[[j, i]]));
        let eigen = symmetric.symmetric_eigen();
        let largest = eigen.eigenvalues.amax();
        let smallest = eigen.eigenvalues.min();
        if smallest < -1e-9 * largest {
            return Err(Error::Unsupported(format!(
                "a covariance must be positive semi-definite, but this one has eigenvalues from {smallest} to {largest}"
            )));
        }
        let keep = |value: f64| if value > NEGLIGIBLE * largest { value } else { 0.0 };
        let values = eigen.eigenvalues.iter().map(|value| keep(*value)).collect();
        let vectors = Array2::from_shape_fn((n, n), |(i, j)| eigen.eigenvectors[(i, j)]);
        Ok(Self { values, vectors })
    }

    /// With the eigenvalues in falling order.
    #[must_use]
    pub fn descending(self) -> Self {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by(|i, j| self.values[*j].total_cmp(&self.values[*i]));
        Self { values: self.values.select(Axis(0), &order), vectors: self.vectors.select(Axis(1), &order) }
    }

    /// V diag(f(l)) V^T, such as the symmetric root.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Array2<f64> {
        (&self.vectors * &self.values.mapv(f)).dot(&self.vectors.t())
    }

    /// Each row of `x` (`[member, component]`) times V diag(f(l)) V^T.
    pub fn apply(&self, x: ArrayView2<f64>, f: impl Fn(f64) -> f64) -> Array2<f64> {
        (x.dot(&self.vectors) * self.values.mapv(f)).dot(&self.vectors.t())
    }
}
