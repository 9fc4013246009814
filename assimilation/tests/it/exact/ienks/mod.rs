//! The iterative ensemble Kalman smoother against dense solutions and an independent minimiser.

#![allow(clippy::unwrap_used)]

mod contract;
mod linear;
mod lorenz96;
mod noise;
mod nonlinear;

use ndarray::{Array1, Array2};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::linalg::Cholesky;
use scorecast_systems::{Domain, Key};

const KEY: Key = Key::new(21, Domain::Method);
const CYCLES: usize = 8;

fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::eye(matrix.nrows());
    Cholesky::new(matrix.view()).unwrap().solve_in_place(&mut out);
    out
}

/// The largest of some numbers; `max` would pass over NaN.
fn largest<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, e| if e.is_finite() { most.max(e.abs()) } else { f64::INFINITY })
}

fn off(mean: Array1<f64>, ensemble: &Array2<f64>, exact: &(Array1<f64>, Array2<f64>)) -> f64 {
    largest(&(mean - &exact.0)).max(largest(&(covariance(ensemble.view(), None) - &exact.1)))
}
