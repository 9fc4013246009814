//! The few small dense solves: symmetric eigenproblems, Cholesky factors, inverse roots, pseudo-inverses, random
//! rotations.
//!
//! All run on the calling thread, so that no result depends on the number of threads.

mod cholesky;
mod eigen;
mod gmres;
mod implicit_ql;
mod inverse_root;
pub(crate) mod lanes;
mod pseudo_inverse;
mod rotation;
mod spectrum;
mod tridiagonal;

pub use cholesky::Cholesky;
pub use eigen::{Eigen, symmetric_sqrt};
pub use gmres::Gmres;
pub use inverse_root::{InverseRoot, Root};
pub use pseudo_inverse::{Singular, pseudo_inverse};
pub use rotation::rotate_anomalies;
pub use spectrum::Spectrum;

use ndarray::{Array, Array2, ArrayView2, Axis, RemoveAxis, concatenate};

use crate::error::{Error, Result};

/// The inner product, in eight sums that run side by side.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (x, y) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = x.remainder().iter().zip(y.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in x.zip(y) {
        (0..8).for_each(|lane| sums[lane] += x[lane] * y[lane]);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

/// y + factor x in place.
pub fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

/// Whether every number is finite.
pub fn all_finite(x: ArrayView2<f64>) -> bool {
    x.iter().all(|value| value.is_finite())
}

/// Rows and columns `index` of a square matrix.
pub(crate) fn submatrix(matrix: ArrayView2<f64>, index: &[usize]) -> Array2<f64> {
    Array2::from_shape_fn((index.len(), index.len()), |(i, j)| matrix[(index[i], index[j])])
}

/// Arrays one after the other; one alone as it is.
///
/// # Errors
/// When there is none, or their other axes have different lengths.
pub(crate) fn joined<D: RemoveAxis>(axis: Axis, mut parts: Vec<Array<f64, D>>) -> Result<Array<f64, D>> {
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(axis, &views).map_err(|problem| Error::Shape(problem.to_string()))
}
