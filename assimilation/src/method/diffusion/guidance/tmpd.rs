//! Tweedie moment projected diffusions (Boys et al. 2023): the diagonal of the predictive covariance, by row sums.
//!
//! V = R + diag(H S C S H^T 1) in the letters of [`super::Guidance`], one product for all values, and l_i = -1/2 r_i w_i with
//! w = V^-1 r. Two vector-Jacobian products an evaluation, whatever the number of values. Exact for Gaussian laws where the
//! values are independent given z_t, or one in number; where they are correlated the row sums put the covariances into the
//! variances. A sum below 0 counts as 0.

use std::sync::Arc;

use scorecast_systems::{Entry, Result};

use super::point::Point;
use super::rule::{BuildGuidance, Guidance, Terms};
use crate::linalg::Gmres;
use crate::method::diffusion::likelihood::error_times;

/// A product with V costs no evaluation of the denoiser, so that the solution is as good as exact.
const SOLVER: Gmres = Gmres { tolerance: 1e-8, iterations: 120, restart: 40 };

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "tmpd",
    about: "y given z_t as a Gaussian with the row sums of the denoiser's covariance as variances",
    reference: "Boys et al. 2023",
    params: &[],
    build: |_| Arc::new(Tmpd),
};

/// Tweedie moment projection with row sums.
#[derive(Clone, Copy, Debug)]
pub struct Tmpd;

impl Guidance for Tmpd {
    fn terms(&self, at: &Point) -> Result<Terms> {
        let variances = at.variances(1)?;
        let product = |v: &_| Result::Ok(error_times(at.observed(), v) + &variances * v);
        let (pull, _) = SOLVER.solve(at.residual(), product)?;
        Ok(Terms::gaussian(at.residual(), pull))
    }

    fn caveat(&self) -> Option<&'static str> {
        Some(
            "is guided with the row sums of the denoiser's covariance for its diagonal, as published; its draws are those of \
             the posterior where values are independent given the noised state.",
        )
    }
}
