//! What systems of the catalogue share: how they are made and stepped, common settings, additive noise.

use std::sync::Arc;

use crate::error::Result;
use crate::lanes::LANES;
use crate::registry::{Param, Settings};
use crate::sde::Noise;
use crate::stepping::Stepping;
use crate::system::System;
use crate::wide::wide;

/// How a system is built from its settings, and how it is stepped unless the user says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct DefaultStepping {
    /// From checked settings.
    pub make: fn(&Settings) -> Result<Arc<dyn System>>,
    /// The usual lead step, in model time.
    pub dt: f64,
    /// Integration steps in that lead step.
    pub substeps: usize,
    /// The usual integrator; systems with an exact transition ignore it.
    pub integrator: &'static str,
    /// Lead steps after which a trajectory has forgotten where it started.
    pub spin_up: usize,
}

impl DefaultStepping {
    /// The usual stepping.
    pub fn stepping(&self) -> Stepping {
        Stepping { dt: self.dt, substeps: self.substeps, integrator: self.integrator.to_owned() }
    }

    /// Integration steps in a lead step of `dt`: the fewest that are no longer than a usual one; at most a million.
    pub fn substeps_for(&self, dt: f64) -> usize {
        round_up(dt / self.dt * self.substeps as f64).clamp(1, 1_000_000)
    }

    /// Lead steps of `dt` that take no less model time than the usual spin-up; at most a thousand million.
    pub fn spin_up_for(&self, dt: f64) -> usize {
        round_up(self.dt / dt * self.spin_up as f64).min(1_000_000_000)
    }
}

/// The next whole number, with some leave for rounding.
fn round_up(count: f64) -> usize {
    (count * (1.0 - 1e-9)).ceil() as usize
}

/// Additive noise of one size on every component, as most systems have it.
pub(crate) const fn noise_param(default: f64) -> Param {
    Param::at_least(
        "noise",
        default,
        0.0,
        "sd of the additive noise per sqrt(model time); sd per integration step = noise * sqrt(dt / substeps)",
    )
}

/// A whole number.
pub(crate) const fn count_param(key: &'static str, min: i64, default: i64, about: &'static str) -> Param {
    Param::int(key, default, min, about).up_to(10_000_000)
}

/// A number of components.
pub(crate) const fn dim_param(min: i64, default: i64, about: &'static str) -> Param {
    Param::int("dim", default, min, about).up_to(10_000_000)
}

/// Additive where there is noise.
pub(crate) fn additive(noise: f64) -> Noise {
    if noise > 0.0 { Noise::Additive } else { Noise::None }
}

wide! {
    /// out = noise * dw for noise of one size.
    pub(crate) fn diffuse(noise: f64, dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (out, dw) in out.as_flattened_mut().iter_mut().zip(dw.as_flattened()) {
            *out = noise * dw;
        }
    }
}
