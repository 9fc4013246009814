//! Underdamped Langevin dynamics of a particle of mass 1 (Kramers 1940): dq = p dt,
//! dp = (-grad V(q) - gamma p) dt + sqrt(2 gamma / beta) dW. The state is (q, p); its stationary density is proportional
//! to exp(-beta (V(q) + p^2 / 2)). The noise enters p alone: g is the constant matrix [0; s I], with one Brownian motion
//! a momentum.

use std::sync::Arc;

use ndarray::Array2;

use super::potential::{BETA_PARAM, POTENTIAL_PARAM, STIFFNESS_PARAM};
use super::{DefaultStepping, Potential, diffuse};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const FRICTION: Param = Param::positive("friction", 10.0, "gamma, the rate at which a momentum is lost; the mass is 1");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "langevin_underdamped",
    about: "Langevin dynamics with inertia on the Mueller-Brown or a quadratic potential; the stationary law is known",
    reference: "Kramers (1940), doi:10.1016/S0031-8914(40)90098-2; Mueller and Brown (1979), doi:10.1007/BF00547608",
    params: &[POTENTIAL_PARAM, STIFFNESS_PARAM, BETA_PARAM, FRICTION],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(LangevinUnderdamped::new(settings)?)),
        dt: 0.1,
        substeps: 50,
        integrator: "heun",
        spin_up: 1000,
    },
};

/// Langevin dynamics with inertia.
#[derive(Clone, Debug)]
pub struct LangevinUnderdamped {
    potential: Potential,
    beta: f64,
    friction: f64,
}

impl LangevinUnderdamped {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When a spring is not above 0.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (beta, friction) = (settings.number(BETA_PARAM.key), settings.number(FRICTION.key));
        Ok(Self { potential: Potential::new(settings)?, beta, friction })
    }
}

/// out -= friction p.
fn damp(friction: f64, p: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
    out.as_flattened_mut().iter_mut().zip(p.as_flattened()).for_each(|(out, p)| *out -= friction * p);
}

impl Sde for LangevinUnderdamped {
    fn dim(&self) -> usize {
        2 * self.potential.dim()
    }

    fn noise(&self) -> Noise {
        Noise::Constant(self.potential.dim())
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let half = self.potential.dim();
        let ((q, p), (dq, dp)) = (x.split_at(half), out.split_at_mut(half));
        dq.copy_from_slice(p);
        self.potential.force_block(q, dp);
        damp(self.friction, p, dp);
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let (dq, dp) = out.split_at_mut(self.potential.dim());
        dq.fill([0.0; LANES]);
        diffuse((2.0 * self.friction / self.beta).sqrt(), dw, dp);
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for LangevinUnderdamped {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let half = self.potential.dim();
        let ((dq, dp), (fq, fp)) = (dx.split_at(half), out.split_at_mut(half));
        fq.copy_from_slice(dp);
        self.potential.force_tangent_block(&x[..half], dq, fp);
        damp(self.friction, dp, fp);
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let half = self.potential.dim();
        let ((vq, vp), (aq, ap)) = (v.split_at(half), out.split_at_mut(half));
        self.potential.force_tangent_block(&x[..half], vp, aq);
        ap.copy_from_slice(vq);
        damp(self.friction, vp, ap);
    }
}

impl System for LangevinUnderdamped {
    fn dim(&self) -> usize {
        2 * self.potential.dim()
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// q as in [`super::LangevinOverdamped`]; p from its stationary law N(0, I / beta).
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let half = self.potential.dim();
        let mut x = key.purpose(Purpose::InitialState).normals(members, 2 * half);
        for mut row in x.outer_iter_mut() {
            if let Some((q, p)) = row.as_slice_mut().map(|row| row.split_at_mut(half)) {
                self.potential.start(self.beta, q);
                p.iter_mut().for_each(|p| *p /= self.beta.sqrt());
            }
        }
        x
    }

    fn initial_is_stationary(&self) -> bool {
        matches!(self.potential, Potential::Quadratic(_))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
