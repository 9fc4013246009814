//! Vissio and Lucarini (2020): Lorenz-96 with a temperature theta at each point of the ring,
//!
//! dX_k = (X_{k-1} (X_{k+1} - X_{k-2}) - alpha theta_k - gamma X_k + F) dt + s dW,
//! dtheta_k = (X_{k+1} theta_{k+2} - X_{k-1} theta_{k-2} + alpha X_k - gamma theta_k + G) dt + s dW.
//!
//! State: X_0 .. X_{n-1}, then theta_0 .. theta_{n-1}. Without forcing and dissipation the energy
//! sum (X^2 + theta^2) / 2 is conserved: alpha turns kinetic energy X^2 / 2 into potential energy theta^2 / 2 and back.
//! So gamma `E[X^2 + theta^2]` - F `E[X]` - G `E[theta]` = s^2 in the stationary law, averaged over the ring.

use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, additive, diffuse, dim_param, noise_param};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const DIM: Param = dim_param(4, 36, "number of grid points; the state has an X and a theta for each");
const F: Param = Param::real("F", 10.0, "forcing of X");
const G: Param = Param::real("G", 0.0, "forcing of theta");
const ALPHA: Param = Param::real("alpha", 1.0, "rate of conversion between the two forms of energy");
const GAMMA: Param = Param::positive("gamma", 1.0, "rate of dissipation");
const NOISE: Param = noise_param(0.0);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "vissio_lucarini",
    about: "chaotic waves on a ring that exchange energy with a temperature, with additive noise",
    reference: "Vissio and Lucarini (2020), doi:10.1140/epjp/s13360-020-00814-w",
    params: &[DIM, F, G, ALPHA, GAMMA, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(VissioLucarini::new(settings))),
        dt: 0.05,
        substeps: 1,
        integrator: "rk4",
        spin_up: 1000,
    },
};

/// The system of Vissio and Lucarini (2020).
#[derive(Clone, Debug)]
pub struct VissioLucarini {
    points: usize,
    kinetic_forcing: f64,
    thermal_forcing: f64,
    alpha: f64,
    gamma: f64,
    noise: f64,
}

impl VissioLucarini {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        Self {
            points: settings.count(DIM.key),
            kinetic_forcing: number(F.key),
            thermal_forcing: number(G.key),
            alpha: number(ALPHA.key),
            gamma: number(GAMMA.key),
            noise: number(NOISE.key),
        }
    }

    /// The places k - 2, k - 1, k + 1, k + 2.
    fn around(&self, k: usize) -> [usize; 4] {
        let n = self.points;
        [(k + n - 2) % n, (k + n - 1) % n, (k + 1) % n, (k + 2) % n]
    }
}

impl Sde for VissioLucarini {
    fn dim(&self) -> usize {
        2 * self.points
    }

    fn noise(&self) -> Noise {
        additive(self.noise)
    }

    fn drift_block(&self, _t: f64, state: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ((x, theta), (fx, ft)) = (state.split_at(self.points), out.split_at_mut(self.points));
        for (k, (fx, ft)) in fx.iter_mut().zip(ft).enumerate() {
            let [far, last, next, second] = self.around(k);
            for l in 0..LANES {
                fx[l] = x[last][l] * (x[next][l] - x[far][l]) - self.alpha * theta[k][l] - self.gamma * x[k][l]
                    + self.kinetic_forcing;
                ft[l] = x[next][l] * theta[second][l] - x[last][l] * theta[far][l] + self.alpha * x[k][l]
                    - self.gamma * theta[k][l]
                    + self.thermal_forcing;
            }
        }
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        diffuse(self.noise, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(vec![self.noise; 2 * self.points])
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for VissioLucarini {
    fn tangent_block(&self, _t: f64, state: &[[f64; LANES]], d: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ((x, theta), (dx, dt)) = (state.split_at(self.points), d.split_at(self.points));
        let (fx, ft) = out.split_at_mut(self.points);
        for (k, (fx, ft)) in fx.iter_mut().zip(ft).enumerate() {
            let [far, last, next, second] = self.around(k);
            for l in 0..LANES {
                fx[l] = dx[last][l] * (x[next][l] - x[far][l]) + x[last][l] * (dx[next][l] - dx[far][l])
                    - self.alpha * dt[k][l]
                    - self.gamma * dx[k][l];
                ft[l] = dx[next][l] * theta[second][l] + x[next][l] * dt[second][l]
                    - dx[last][l] * theta[far][l]
                    - x[last][l] * dt[far][l]
                    + self.alpha * dx[k][l]
                    - self.gamma * dt[k][l];
            }
        }
    }

    fn adjoint_block(&self, _t: f64, state: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ((x, theta), (vx, vt)) = (state.split_at(self.points), v.split_at(self.points));
        let (ax, at) = out.split_at_mut(self.points);
        for (k, (ax, at)) in ax.iter_mut().zip(at).enumerate() {
            let [far, last, next, second] = self.around(k);
            for l in 0..LANES {
                ax[l] = vx[next][l] * (x[second][l] - x[last][l]) + vx[last][l] * x[far][l]
                    - vx[second][l] * x[next][l]
                    + vt[last][l] * theta[next][l]
                    - vt[next][l] * theta[last][l]
                    + self.alpha * vt[k][l]
                    - self.gamma * vx[k][l];
                // theta_k stands in the tendencies of theta_{k-2} (with X_{k-1}) and theta_{k+2} (with X_{k+1})
                at[l] = vt[far][l] * x[last][l]
                    - vt[second][l] * x[next][l]
                    - self.alpha * vx[k][l]
                    - self.gamma * vt[k][l];
            }
        }
    }
}

impl System for VissioLucarini {
    fn dim(&self) -> usize {
        2 * self.points
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Independent standard normals.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, 2 * self.points)
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
