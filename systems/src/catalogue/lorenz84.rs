//! Lorenz (1984): the westerlies X and the two phases Y, Z of a wave that they feed,
//! dX = (-Y^2 - Z^2 - a X + a F) dt, dY = (X Y - b X Z - Y + G) dt, dZ = (b X Y + X Z - Z) dt, each with noise s dW.
//! State: X, Y, Z. A unit of model time is five days; the quadratic part conserves X^2 + Y^2 + Z^2, so that
//! a `E[X^2]` + `E[Y^2 + Z^2]` - a F `E[X]` - G `E[Y]` = 3 s^2 / 2 in the stationary law.

use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, additive, diffuse, noise_param};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const A: Param = Param::positive("a", 0.25, "damping of the westerlies, relative to that of the waves");
const B: Param = Param::real("b", 4.0, "displacement of the waves by the westerlies");
const F: Param = Param::real("F", 8.0, "symmetric thermal forcing");
const G: Param = Param::real("G", 1.0, "asymmetric thermal forcing");
const NOISE: Param = noise_param(0.0);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "lorenz84",
    about: "chaotic general circulation in three variables, with additive noise",
    reference: "Lorenz (1984), Irregularity: a fundamental property of the atmosphere, Tellus A 36",
    params: &[A, B, F, G, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Lorenz84::new(settings))),
        dt: 0.05,
        substeps: 1,
        integrator: "rk4",
        spin_up: 1000,
    },
};

/// A point from which a spin-up starts.
const BASIN: [f64; 3] = [1.0, 0.0, 0.0];

/// The system of Lorenz (1984).
#[derive(Clone, Debug)]
pub struct Lorenz84 {
    a: f64,
    b: f64,
    symmetric: f64,
    asymmetric: f64,
    noise: f64,
}

impl Lorenz84 {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        let (symmetric, asymmetric) = (number(F.key), number(G.key));
        Self { a: number(A.key), b: number(B.key), symmetric, asymmetric, noise: number(NOISE.key) }
    }
}

impl Sde for Lorenz84 {
    fn dim(&self) -> usize {
        3
    }

    fn noise(&self) -> Noise {
        additive(self.noise)
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([x, y, z], [dx, dy, dz]) = (x, out) else { return };
        let Self { a, b, symmetric, asymmetric, .. } = *self;
        for l in 0..LANES {
            dx[l] = a * (symmetric - x[l]) - y[l] * y[l] - z[l] * z[l];
            dy[l] = x[l] * (y[l] - b * z[l]) - y[l] + asymmetric;
            dz[l] = x[l] * (b * y[l] + z[l]) - z[l];
        }
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        diffuse(self.noise, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(vec![self.noise; 3])
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for Lorenz84 {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([x, y, z], [dx, dy, dz], [fx, fy, fz]) = (x, dx, out) else { return };
        let Self { a, b, .. } = *self;
        for l in 0..LANES {
            fx[l] = -a * dx[l] - 2.0 * (y[l] * dy[l] + z[l] * dz[l]);
            fy[l] = (y[l] - b * z[l]) * dx[l] + (x[l] - 1.0) * dy[l] - b * x[l] * dz[l];
            fz[l] = (b * y[l] + z[l]) * dx[l] + b * x[l] * dy[l] + (x[l] - 1.0) * dz[l];
        }
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([x, y, z], [vx, vy, vz], [ax, ay, az]) = (x, v, out) else { return };
        let Self { a, b, .. } = *self;
        for l in 0..LANES {
            ax[l] = -a * vx[l] + (y[l] - b * z[l]) * vy[l] + (b * y[l] + z[l]) * vz[l];
            ay[l] = -2.0 * y[l] * vx[l] + (x[l] - 1.0) * vy[l] + b * x[l] * vz[l];
            az[l] = -2.0 * z[l] * vx[l] - b * x[l] * vy[l] + (x[l] - 1.0) * vz[l];
        }
    }
}

impl System for Lorenz84 {
    fn dim(&self) -> usize {
        3
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// The point (1, 0, 0) with a perturbation of sd 1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, 3) + ndarray::aview1(&BASIN)
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
