//! Diffusion posterior sampling (Chung et al. 2023): the gradient of |y - h(x(D))| times zeta.
//!
//! l_i = -zeta r_i^2 / |r| and w = zeta r / |r|, in the letters of [`super::Guidance`], with r = y - h(x(D)) and |r| its
//! Euclidean norm over the values that are present; where r = 0, or is not finite, no gradient is taken. The source subtracts
//! zeta grad |r| from each step of its own sampler; here it is a score, -zeta grad |r|, so that every sampler runs it.
//!
//! It is not the likelihood of any y with errors of covariance R: R does not enter, and the pull is as strong for a residual
//! of any size. So what it draws is not p(z | y), whatever zeta: of a Gaussian of two components whose posterior is known
//! the mean is off by 3 exact sd and the sd 3.1 times too large at zeta = 1, by .6 and a quarter at zeta = 10.

use std::sync::Arc;

use scorecast_systems::{Entry, Param, Result};

use super::point::Point;
use super::rule::{BuildGuidance, Guidance, Terms};

const ZETA: Param =
    Param::positive("zeta", 1.0, "factor of the gradient of the residual's norm, 1 / unit of the values");

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "dps",
    about: "gradient of the norm of the residual, blind to the observation error: not a posterior sampler",
    reference: "Chung et al. 2023",
    params: &[ZETA],
    build: |settings| Arc::new(Dps { zeta: settings.number(ZETA.key) }),
};

/// Diffusion posterior sampling.
#[derive(Clone, Copy, Debug)]
pub struct Dps {
    /// The factor of the gradient, in 1 / unit of the observed values.
    pub zeta: f64,
}

impl Guidance for Dps {
    fn terms(&self, at: &Point) -> Result<Terms> {
        let mut pull = at.residual().clone();
        for mut row in pull.outer_iter_mut() {
            let norm = row.dot(&row).sqrt();
            match norm > 0.0 && norm.is_finite() {
                true => row *= self.zeta / norm,
                false => row.fill(0.0),
            }
        }
        Ok(Terms::new(-(at.residual() * &pull), pull))
    }

    fn caveat(&self) -> Option<&'static str> {
        Some(
            "is guided by the gradient of the residual's norm, as published; that does not see the observation error, and \
             only weights along the path make up for it.",
        )
    }
}
