//! Lorenz (1963): convection in three numbers, dx = sigma (y - x) dt, dy = (x (rho - z) - y) dt, dz = (x y - beta z) dt,
//! each with noise s dW, or s x_i dW (Ito). Lyapunov exponent .9056 at the classical parameters (Sprott 2003).

use std::sync::Arc;

use ndarray::Array2;

use super::noise::{EqualNoise, MULTIPLICATIVE};
use super::{DefaultStepping, noise_param};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const SIGMA: Param = Param::positive("sigma", 10.0, "Prandtl number");
const RHO: Param = Param::real("rho", 28.0, "Rayleigh number over its critical value");
const BETA: Param = Param::positive("beta", 8.0 / 3.0, "aspect ratio");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "lorenz63",
    about: "chaotic convection in three variables, with additive or multiplicative noise",
    reference: "Lorenz (1963), doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2",
    params: &[SIGMA, RHO, BETA, noise_param(0.0), MULTIPLICATIVE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Lorenz63::new(settings)?)),
        dt: 0.05,
        substeps: 5,
        integrator: "rk4",
        spin_up: 1000,
    },
};

/// A point near the attractor at the classical parameters, from which a spin-up starts.
const BASIN: [f64; 3] = [1.509, -1.531, 25.46];

/// The system of Lorenz (1963).
#[derive(Clone, Debug)]
pub struct Lorenz63 {
    sigma: f64,
    rho: f64,
    beta: f64,
    noise: EqualNoise,
}

impl Lorenz63 {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When both kinds of noise are set.
    pub fn new(settings: &Settings) -> Result<Self> {
        let number = |key| settings.number(key);
        let noise = EqualNoise::new(settings)?;
        Ok(Self { sigma: number(SIGMA.key), rho: number(RHO.key), beta: number(BETA.key), noise })
    }
}

impl Sde for Lorenz63 {
    fn dim(&self) -> usize {
        3
    }

    fn noise(&self) -> Noise {
        self.noise.kind()
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([x, y, z], [dx, dy, dz]) = (x, out) else { return };
        for lane in 0..LANES {
            dx[lane] = self.sigma * (y[lane] - x[lane]);
            dy[lane] = x[lane] * (self.rho - z[lane]) - y[lane];
            dz[lane] = x[lane] * y[lane] - self.beta * z[lane];
        }
    }

    fn diffuse_block(&self, _t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.noise.diffuse(x, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        self.noise.additive_sd(3)
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for Lorenz63 {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([x, y, z], [dx, dy, dz], [fx, fy, fz]) = (x, dx, out) else { return };
        for lane in 0..LANES {
            fx[lane] = self.sigma * (dy[lane] - dx[lane]);
            fy[lane] = (self.rho - z[lane]) * dx[lane] - dy[lane] - x[lane] * dz[lane];
            fz[lane] = y[lane] * dx[lane] + x[lane] * dy[lane] - self.beta * dz[lane];
        }
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([x, y, z], [vx, vy, vz], [ax, ay, az]) = (x, v, out) else { return };
        for lane in 0..LANES {
            ax[lane] = -self.sigma * vx[lane] + (self.rho - z[lane]) * vy[lane] + y[lane] * vz[lane];
            ay[lane] = self.sigma * vx[lane] - vy[lane] + x[lane] * vz[lane];
            az[lane] = -x[lane] * vy[lane] - self.beta * vz[lane];
        }
    }
}

impl System for Lorenz63 {
    fn dim(&self) -> usize {
        3
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// The point (1.509, -1.531, 25.46) of the basin with a perturbation of sd 1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, 3) + ndarray::aview1(&BASIN)
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
