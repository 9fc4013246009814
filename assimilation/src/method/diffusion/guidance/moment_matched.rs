//! The moment-matched rule (Rozet et al. 2024; for known priors Song et al. 2023).
//!
//! The predictive law of y given z_t is taken as N(h(x(D)), V), V = R + H S (sigma^2 / alpha) J S H^T, in the letters of
//! [`super::Guidance`]: l_i = -1/2 r_i w_i with r = y - h(x(D)) and w = V^-1 r, the determinant left out. The guided denoiser
//! is that of p(z | y) where z is Gaussian and h linear. V is never formed: GMRES asks for products V v.

use std::sync::Arc;

use scorecast_systems::{Entry, Param, Result};

use super::point::Point;
use super::rule::{BuildGuidance, Guidance, Terms};
use crate::linalg::Gmres;
use crate::method::diffusion::counts;

const ITERATIONS: Param = counts::repeats("iterations", 20, 1, "most GMRES iterations in one evaluation");
const TOLERANCE: Param = Param::positive("tolerance", 1e-4, "relative residual of GMRES");

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "moment_matched",
    about: "y given z_t as a Gaussian with the denoiser's own covariance: exact for Gaussian laws and linear operators",
    reference: "Rozet et al. 2024; Song et al. 2023",
    params: &[ITERATIONS, TOLERANCE],
    build: |settings| {
        let iterations = settings.count(ITERATIONS.key);
        let tolerance = settings.number(TOLERANCE.key);
        Arc::new(MomentMatched { solver: Gmres { tolerance, iterations, restart: iterations.min(20) } })
    },
};

/// The moment-matched rule.
#[derive(Clone, Copy, Debug)]
pub struct MomentMatched {
    /// The solver of V w = r.
    pub solver: Gmres,
}

impl Guidance for MomentMatched {
    fn terms(&self, at: &Point) -> Result<Terms> {
        let (pull, products) = self.solver.solve(at.residual(), |v| at.predictive_times(v))?;
        Ok(Terms { noted: Some(("gmres_iterations", products as f64)), ..Terms::gaussian(at.residual(), pull) })
    }
}
