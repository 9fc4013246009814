//! Rules that put a multiple of the identity for C: V = R + a(level) H S S H^T, in the letters of [`super::Guidance`].

use ndarray::Array2;
use scorecast_systems::{Level, Result};

use super::point::Point;
use super::rule::Terms;
use crate::linalg::Gmres;

/// A product with V costs no evaluation of the denoiser, so that the solution is as good as exact.
const SOLVER: Gmres = Gmres { tolerance: 1e-8, iterations: 120, restart: 40 };

/// V^-1 r for each row of `residual` (`[member, value]`).
pub(super) fn pull(at: &Point, residual: &Array2<f64>, of_level: impl Fn(Level) -> f64) -> Result<Array2<f64>> {
    Ok(SOLVER.solve(residual, |v| Result::Ok(at.isotropic_times(v, &of_level)))?.0)
}

/// The terms with w = V^-1 r.
pub(super) fn solve(at: &Point, of_level: impl Fn(Level) -> f64) -> Result<Terms> {
    Ok(Terms::gaussian(at.residual(), pull(at, at.residual(), of_level)?))
}
