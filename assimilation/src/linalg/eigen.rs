//! Symmetric eigenproblems A = V diag(values) V^T of small order, by [`Spectrum`].

use ndarray::{Array1, Array2, ArrayView2};

use super::Spectrum;
use crate::error::{Error, Result};

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
        let n = matrix.nrows();
        let mut spectrum = Spectrum::new(n);
        let rows: Vec<f64> = matrix.iter().copied().collect();
        if !spectrum.decompose(n, &rows) {
            return Err(Error::Singular(format!("the eigenvalues of a matrix of order {n} did not converge")));
        }
        let vectors = Array2::from_shape_fn((n, n), |(k, i)| spectrum.vector(k)[i]);
        Ok(Self { values: spectrum.values().iter().copied().collect(), vectors })
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

/// The symmetric positive semi-definite square root of a symmetric matrix.
///
/// # Errors
/// When an eigenvalue is negative beyond round-off, or the matrix is not finite.
pub fn symmetric_sqrt(matrix: ArrayView2<f64>) -> Result<Array2<f64>> {
    // of a diagonal matrix, as simple priors have, no eigenproblem of the size of a state is to be solved
    let simple = |((i, j), value): ((usize, usize), &f64)| *value == 0.0 || i == j && *value > 0.0 && value.is_finite();
    if matrix.indexed_iter().all(simple) {
        return Ok(Array2::from_diag(&matrix.diag().mapv(f64::sqrt)));
    }
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

    /// Matrices of every kind that reaches the solver, against nalgebra's eigenvalues.
    #[test]
    fn eigenvalues_are_those_of_another_solver_and_vectors_are_orthonormal() {
        for n in [1, 2, 3, 7, 8, 9, 16, 17, 24, 31, 40, 55] {
            let key = Key::new(5, Domain::Score).at(n as u64);
            let x = key.normals(n, n);
            let graded = Array2::from_shape_fn((n, n), |(i, j)| x[(i, j)] * 10f64.powf(-14.0 * j as f64 / n as f64));
            let few = key.at(1).normals(2, n);
            let chain = |d: f64, e: f64| {
                Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
                    0 => d,
                    1 => e,
                    _ => 0.0,
                })
            };
            // Wilkinson's matrix: pairs of eigenvalues that agree to many digits
            let mut pairs = chain(0.0, 1.0);
            (0..n).for_each(|i| pairs[(i, i)] = (i as f64 - 0.5 * (n as f64 - 1.0)).abs());
            let mut centred = x.clone();
            centred -= &x.mean_axis(ndarray::Axis(0)).unwrap();
            let cases = [
                &x + &x.t(),
                centred.dot(&centred.t()),
                graded.dot(&graded.t()),
                few.t().dot(&few),
                Array2::zeros((n, n)),
                Array2::eye(n) * 3.0,
                Array2::ones((n, n)),
                Array2::from_diag(&Array1::from_iter((0..n).map(|i| (i % 3) as f64 - 1.0))),
                chain(2.0, -1.0),
                chain(1.0, 1e-9),
                pairs,
                x.dot(&x.t()) * 1e-200,
                x.dot(&x.t()) * 1e200,
                Array2::eye(n) + few.t().dot(&few) * 1e12,
            ];
            for (case, matrix) in cases.iter().enumerate() {
                let eigen = Eigen::new(matrix.view()).unwrap();
                let largest = matrix.iter().fold(0.0f64, |a, b| a.max(b.abs())) * n as f64;
                let dense = nalgebra::DMatrix::from_fn(n, n, |i, j| matrix[(i.max(j), i.min(j))] / largest.max(1e-300));
                let mut expected = dense.symmetric_eigenvalues().as_slice().to_vec();
                let mut found = eigen.values.mapv(|value| value / largest.max(1e-300)).to_vec();
                expected.sort_by(f64::total_cmp);
                found.sort_by(f64::total_cmp);
                assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "order {n}, case {case}");
                let gram = eigen.vectors.dot(&eigen.vectors.t()) - Array2::<f64>::eye(n);
                assert!(gram.iter().all(|e| e.abs() < 1e-12), "order {n}, case {case}");
                let rebuilt = eigen.apply(|v| v) - matrix;
                assert!(rebuilt.iter().all(|e| e.abs() <= 1e-12 * largest), "order {n}, case {case}");
            }
        }
    }

    #[test]
    fn the_root_is_symmetric_and_squares_to_the_matrix() {
        let matrix = array![[2.0, 0.5], [0.5, 1.0]];
        let root = symmetric_sqrt(matrix.view()).unwrap();
        assert!((root.dot(&root) - &matrix).iter().all(|e| e.abs() < 1e-14));
        assert!((root[(0, 1)] - root[(1, 0)]).abs() < 1e-15);
        // a diagonal one is not decomposed, and is what decomposing it gives
        let diagonal = Array1::from_iter((0..60).map(|i| 0.3 * f64::from(i)));
        let matrix = Array2::from_diag(&diagonal);
        let exact = Eigen::new(matrix.view()).unwrap().apply(|value| value.max(0.0).sqrt());
        assert!((symmetric_sqrt(matrix.view()).unwrap() - exact).iter().all(|e| e.abs() < 1e-13));
    }

    #[test]
    fn an_indefinite_or_non_finite_matrix_is_an_error() {
        let message = symmetric_sqrt(array![[1.0, 2.0], [2.0, 1.0]].view()).unwrap_err().to_string();
        assert!(message.contains("-1.000e0") && message.contains("3.000e0"), "{message}");
        assert!(symmetric_sqrt(array![[1.0, f64::NAN], [f64::NAN, 1.0]].view()).is_err());
        assert!(symmetric_sqrt(array![[1.0, 0.0], [0.0, f64::INFINITY]].view()).is_err());
        assert!(symmetric_sqrt(array![[1.0, 0.0], [0.0, -1.0]].view()).is_err());
    }
}
