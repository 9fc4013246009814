//! Pseudo-inverse guidance (Song et al. 2023): z given z_t as a normal with one variance for all components.
//!
//! V = R + r_t^2 H S S H^T with r_t^2 = sigma^2 / (alpha^2 + sigma^2), the variance of unit normals given z_t, in the letters of
//! [`super::Guidance`]: l_i = -1/2 r_i w_i with w = V^-1 r. Without errors w is the pseudo-inverse of H S at r. One
//! vector-Jacobian product an evaluation. Exact where the components of z are independent unit normals; where they are
//! correlated, or narrower, the pull is too weak on the way.

use std::sync::Arc;

use scorecast_systems::{Entry, Level, Result};

use super::point::Point;
use super::rule::{BuildGuidance, Guidance, Terms};
use super::without_products::solve;

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "pseudo_inverse",
    about: "y given z_t as a Gaussian with the covariance of unit normals: exact for independent ones",
    reference: "Song et al. 2023",
    params: &[],
    build: |_| Arc::new(PseudoInverse),
};

/// Pseudo-inverse guidance.
#[derive(Clone, Copy, Debug)]
pub struct PseudoInverse;

/// r_t^2.
pub(super) fn unit_variance(Level { alpha, sigma }: Level) -> f64 {
    sigma * sigma / (alpha * alpha + sigma * sigma)
}

impl Guidance for PseudoInverse {
    fn terms(&self, at: &Point) -> Result<Terms> {
        solve(at, unit_variance)
    }

    fn caveat(&self) -> Option<&'static str> {
        Some(
            "is guided as if the components were independent and of unit variance, as published; its draws are those of \
             the posterior for such laws only.",
        )
    }
}
