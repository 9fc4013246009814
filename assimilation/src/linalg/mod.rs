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
mod tridiagonal;

pub use cholesky::Cholesky;
pub use eigen::{Eigen, symmetric_sqrt};
pub use gmres::Gmres;
pub use inverse_root::{InverseRoot, Root};
pub use pseudo_inverse::pseudo_inverse;
pub use rotation::rotate_anomalies;

use ndarray::{Array1, Array2, ArrayView2};

use crate::outcome::weighted_mean;

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

/// The mean of the rows `[component]` and the rows minus it `[member, component]`.
pub fn anomalies(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> (Array1<f64>, Array2<f64>) {
    let mean = weighted_mean(x, weights);
    let mut centred = x.to_owned();
    match (centred.as_slice_mut(), mean.as_slice()) {
        (Some(rows), Some(mean)) if !mean.is_empty() => rows
            .chunks_exact_mut(mean.len())
            .for_each(|row| row.iter_mut().zip(mean).for_each(|(value, centre)| *value -= centre)),
        _ => centred -= &mean,
    }
    (mean, centred)
}

/// The unbiased weighted covariance of rows: sum w (x - m)(x - m)^T / (1 - sum w^2), `[component, component]`.
pub fn covariance(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> Array2<f64> {
    covariance_of(&anomalies(x, weights).1, weights)
}

/// The same of anomalies, `[member, component]`.
pub(crate) fn covariance_of(centred: &Array2<f64>, weights: Option<&Array1<f64>>) -> Array2<f64> {
    match weights {
        None => centred.t().dot(centred) / (centred.nrows() as f64 - 1.0),
        Some(weights) => {
            let weighted = centred * &weights.view().insert_axis(ndarray::Axis(1));
            weighted.t().dot(centred) / (1.0 - weights.dot(weights))
        }
    }
}
