//! A rectangular matrix A = U diag(s) V^T by its singular values, and its pseudo-inverse A^+ = V diag(1 / s) U^T (Moore 1920;
//! Penrose 1955).

use faer::Mat;
use faer::linalg::solvers::Svd;
use ndarray::{Array1, Array2, ArrayView2};

use crate::error::{Error, Result};

/// A^+, `[columns, rows]`, of a matrix `[rows, columns]`; singular values up to `tolerance` times the largest count as 0.
///
/// # Errors
/// When the matrix is not finite or the decomposition does not converge.
pub fn pseudo_inverse(matrix: ArrayView2<f64>, tolerance: f64) -> Result<Array2<f64>> {
    let ((rows, columns), svd) = (matrix.dim(), decomposed(matrix)?);
    let (u, v, s) = (svd.U(), svd.V(), svd.S().column_vector());
    let rank = rows.min(columns);
    let least = tolerance * (0..rank).fold(0.0f64, |largest, k| largest.max(s[k]));
    let scaled = Array2::from_shape_fn((columns, rank), |(j, k)| if s[k] > least { v[(j, k)] / s[k] } else { 0.0 });
    Ok(scaled.dot(&Array2::from_shape_fn((rank, rows), |(k, i)| u[(i, k)])))
}

/// The singular values s, `[k]`, of a matrix `[rows, columns]`, and V^T, `[k, column]`; k up to the smaller side.
///
/// # Errors
/// When the matrix is not finite or the decomposition does not converge.
pub fn right_singular(matrix: ArrayView2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let svd = decomposed(matrix)?;
    let (v, s, rank) = (svd.V(), svd.S().column_vector(), matrix.nrows().min(matrix.ncols()));
    let values = (0..rank).map(|k| s[k]).collect();
    Ok((values, Array2::from_shape_fn((rank, matrix.ncols()), |(k, j)| v[(j, k)])))
}

fn decomposed(matrix: ArrayView2<f64>) -> Result<Svd<f64>> {
    let (rows, columns) = matrix.dim();
    if !crate::linalg::all_finite(matrix) {
        return Err(Error::Singular("a matrix is not finite: the ensemble has diverged".to_owned()));
    }
    Mat::from_fn(rows, columns, |i, j| matrix[(i, j)])
        .thin_svd()
        .map_err(|_| Error::Singular(format!("the singular values of a matrix of {rows} x {columns} did not converge")))
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
        assert!(pseudo_inverse(Array2::from_elem((2, 3), f64::NAN).view(), 1e-10).is_err());
        assert!(pseudo_inverse(Array2::zeros((2, 3)).view(), 1e-10).unwrap().iter().all(|value| *value == 0.0));
    }
}
