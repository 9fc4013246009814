//! The noise that most systems may have, of one size on every component: additive, s dW_i, or multiplicative,
//! s x_i dW_i (Ito). Each component has one Brownian motion, so a system has one kind or the other.

use super::noise_param;
use crate::error::Result;
use crate::lanes::LANES;
use crate::registry::{Param, Settings};
use crate::sde::Noise;

/// The setting of multiplicative noise, beside `noise`.
pub(super) const MULTIPLICATIVE: Param = Param::at_least(
    "multiplicative",
    0.0,
    0.0,
    "s in the multiplicative Ito noise s x_i dW_i, per sqrt(model time); needs an integrator for such noise and `noise` 0",
);

/// No noise, or one kind and its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum EqualNoise {
    None,
    Additive(f64),
    Multiplicative(f64),
}

impl EqualNoise {
    /// From the settings `noise` and `multiplicative`; a system without one of them leaves it unset.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let size = |key| settings.optional_number(key).unwrap_or(0.0);
        match (size(noise_param(0.0).key), size(MULTIPLICATIVE.key)) {
            (0.0, 0.0) => Ok(Self::None),
            (sd, 0.0) => Ok(Self::Additive(sd)),
            (0.0, sd) => Ok(Self::Multiplicative(sd)),
            (additive, multiplicative) => Err(settings.mistake(
                MULTIPLICATIVE.key,
                format!("is {multiplicative} beside a `noise` of {additive}, but a component has one Brownian motion; set one of the two to 0"),
            )),
        }
    }

    pub(super) fn kind(self) -> Noise {
        match self {
            Self::None => Noise::None,
            Self::Additive(_) => Noise::Additive,
            Self::Multiplicative(_) => Noise::Diagonal,
        }
    }

    /// g(x) dw into `out`.
    pub(super) fn diffuse(self, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        match self {
            Self::None => out.fill([0.0; LANES]),
            Self::Additive(sd) => super::diffuse(sd, dw, out),
            Self::Multiplicative(sd) => {
                let cells = x.as_flattened().iter().zip(dw.as_flattened());
                for (out, (x, dw)) in out.as_flattened_mut().iter_mut().zip(cells) {
                    *out = sd * x * dw;
                }
            }
        }
    }

    pub(super) fn additive_sd(self, dim: usize) -> Option<Vec<f64>> {
        match self {
            Self::None => Some(vec![0.0; dim]),
            Self::Additive(sd) => Some(vec![sd; dim]),
            Self::Multiplicative(_) => None,
        }
    }
}
