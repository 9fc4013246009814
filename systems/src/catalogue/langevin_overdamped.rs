//! Overdamped Langevin dynamics, dq = -grad V(q) dt + sqrt(2 / beta) dW (Smoluchowski 1916), whose stationary density is
//! proportional to exp(-beta V). The mobility is 1: time is in units of length^2 / energy.

use std::sync::Arc;

use ndarray::Array2;

use super::potential::{BETA_PARAM, POTENTIAL_PARAM, STIFFNESS_PARAM};
use super::{DefaultStepping, Potential, diffuse};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "langevin_overdamped",
    about: "overdamped Langevin dynamics on the Mueller-Brown or a quadratic potential; the stationary law is known",
    reference: "Mueller and Brown (1979), doi:10.1007/BF00547608",
    params: &[POTENTIAL_PARAM, STIFFNESS_PARAM, BETA_PARAM],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(LangevinOverdamped::new(settings)?)),
        dt: 0.01,
        substeps: 100,
        integrator: "heun",
        spin_up: 1000,
    },
};

/// Overdamped Langevin dynamics.
#[derive(Clone, Debug)]
pub struct LangevinOverdamped {
    potential: Potential,
    beta: f64,
}

impl LangevinOverdamped {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When a spring is not above 0.
    pub fn new(settings: &Settings) -> Result<Self> {
        Ok(Self { potential: Potential::new(settings)?, beta: settings.number(BETA_PARAM.key) })
    }

    fn noise_sd(&self) -> f64 {
        (2.0 / self.beta).sqrt()
    }
}

impl Sde for LangevinOverdamped {
    fn dim(&self) -> usize {
        self.potential.dim()
    }

    fn noise(&self) -> Noise {
        Noise::Additive
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.potential.force_block(x, out);
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        diffuse(self.noise_sd(), dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(vec![self.noise_sd(); self.potential.dim()])
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for LangevinOverdamped {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.potential.force_tangent_block(x, dx, out);
    }

    /// The derivative of a gradient is its own adjoint.
    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.potential.force_tangent_block(x, v, out);
    }
}

impl System for LangevinOverdamped {
    fn dim(&self) -> usize {
        self.potential.dim()
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Draws of the stationary law for springs; for Mueller-Brown its deepest minimum with a perturbation of sd 0.05.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let mut q = key.purpose(Purpose::InitialState).normals(members, self.potential.dim());
        for mut row in q.outer_iter_mut() {
            if let Some(row) = row.as_slice_mut() {
                self.potential.start(self.beta, row);
            }
        }
        q
    }

    fn initial_is_stationary(&self) -> bool {
        matches!(self.potential, Potential::Quadratic(_))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
