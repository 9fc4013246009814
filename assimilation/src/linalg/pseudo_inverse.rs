//! A rectangular matrix A = U diag(s) V^T by its singular values, and its pseudo-inverse A^+ = V diag(1 / s) U^T (Moore 1920;
//! Penrose 1955), of which small s may be left out.

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::error::{Error, Result};

/// U^T, s and V^T of a matrix `[row, column]`; k up to the smaller side.
#[derive(Clone, Debug)]
pub struct Singular {
    /// U^T, `[k, row]`.
    pub left: Array2<f64>,
    /// s, `[k]`, descending.
    pub values: Array1<f64>,
    /// V^T, `[k, column]`.
    pub right: Array2<f64>,
}

impl Singular {
    /// Decomposes a matrix.
    ///
    /// # Errors
    /// When the matrix is not finite or the decomposition does not converge.
    pub fn new(matrix: ArrayView2<f64>) -> Result<Self> {
        let ((rows, columns), rank) = (matrix.dim(), matrix.nrows().min(matrix.ncols()));
        if !crate::linalg::all_finite(matrix) {
            return Err(Error::Singular("a matrix is not finite: the ensemble has diverged".to_owned()));
        }
        let svd = Mat::from_fn(rows, columns, |i, j| matrix[(i, j)]).thin_svd().map_err(|_| {
            Error::Singular(format!("the singular values of a matrix of {rows} x {columns} did not converge"))
        })?;
        let (u, v, s) = (svd.U(), svd.V(), svd.S().column_vector());
        Ok(Self {
            left: Array2::from_shape_fn((rank, rows), |(k, i)| u[(i, k)]),
            values: (0..rank).map(|k| s[k]).collect(),
            right: Array2::from_shape_fn((rank, columns), |(k, j)| v[(j, k)]),
        })
    }

    /// With 0 for the singular values that are round-off of the largest.
    #[must_use]
    pub fn without_round_off(mut self) -> Self {
        let order = self.left.ncols().max(self.right.ncols()) as f64;
        let least = f64::EPSILON * order * self.largest();
        self.values.mapv_inplace(|s| if s > least { s } else { 0.0 });
        self
    }

    /// A^+, `[column, row]`, of the singular values above `least`; the others count as 0.
    pub fn inverse_above(&self, least: f64) -> Array2<f64> {
        let per = self.values.mapv(|s| if s > least { 1.0 / s } else { 0.0 });
        (&self.right * &per.insert_axis(Axis(1))).t().dot(&self.left)
    }

    /// The s up to which values are left out where the largest are kept that have this `share` of the sum of all s^2; 0 where
    /// that takes them all.
    pub fn least_of_share(&self, share: f64) -> f64 {
        let total: f64 = self.values.iter().map(|s| s * s).sum();
        let mut sum = 0.0;
        for s in &self.values {
            if share < 1.0 && sum >= share * total {
                return *s;
            }
            sum += s * s;
        }
        0.0
    }

    /// The largest s; 0 of an empty matrix.
    pub fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, s| s.max(largest))
    }
}

/// A^+, `[columns, rows]`, of a matrix `[rows, columns]`; singular values up to `tolerance` times the largest count as 0.
///
/// # Errors
/// When the matrix is not finite or the decomposition does not converge.
pub fn pseudo_inverse(matrix: ArrayView2<f64>, tolerance: f64) -> Result<Array2<f64>> {
    let singular = Singular::new(matrix)?;
    Ok(singular.inverse_above(tolerance * singular.largest()))
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::*;

    /// The four conditions of Penrose, which one matrix alone fulfils; full rank, and rank 3.
    #[test]
    fn the_conditions_of_penrose_hold() {
        let key = Key::new(4, Domain::Score);
        for (rows, columns) in [(7, 4), (4, 7), (5, 5), (60, 40), (25, 40)] {
            let low = key.normals(rows, 3).dot(&key.at(1).normals(3, columns));
            for a in [key.at(2).normals(rows, columns), low] {
                let inverse = pseudo_inverse(a.view(), 1e-10).unwrap();
                let near = |x: Array2<f64>, y: &Array2<f64>| (x - y).iter().all(|e| e.abs() < 1e-10);
                let (left, right) = (a.dot(&inverse), inverse.dot(&a));
                assert!(near(left.dot(&a), &a) && near(right.dot(&inverse), &inverse), "{rows} x {columns}");
                assert!(near(left.t().to_owned(), &left) && near(right.t().to_owned(), &right), "{rows} x {columns}");
            }
        }
        let of = Singular::new(Array2::from_diag(&ndarray::array![3.0, 1.0, 2.0, 0.1]).view()).unwrap();
        // squares 9, 4, 1, .01
        assert_eq!([0.6, 0.9, 0.95, 0.9999, 1.0].map(|share| of.least_of_share(share)), [2.0, 1.0, 0.1, 0.0, 0.0]);
        assert!(pseudo_inverse(Array2::from_elem((2, 3), f64::NAN).view(), 1e-10).is_err());
        assert!(pseudo_inverse(Array2::zeros((2, 3)).view(), 1e-10).unwrap().iter().all(|value| *value == 0.0));
    }
}
