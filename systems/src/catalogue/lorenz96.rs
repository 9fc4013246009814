//! Lorenz (1996): a ring of `dim` values, dx_i = ((x_{i+1} - x_{i-2}) x_{i-1} - x_i + F) dt + s dW_i. The quadratic part
//! conserves sum x_i^2, so that `E[x^2] - F E[x] = s^2 / 2` in the stationary law. With multiplicative noise s x_i dW_i
//! (Ito) instead, `(1 - s^2 / 2) E[x^2] = F E[x]`. Lyapunov exponent 1.68 at dim 40 and F = 8 without noise (Lorenz and
//! Emanuel 1998).

mod kernel;

use std::sync::Arc;

use ndarray::Array2;
use pulp::Arch;

use super::noise::{EqualNoise, MULTIPLICATIVE};
use super::{DefaultStepping, dim_param, noise_param};
use crate::error::Result;
use crate::fast::{Fast, Reach, Ring, SlopeUse};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const DIM: Param = dim_param(4, 40, "number of grid points on the ring");
const FORCING: Param = Param::real("forcing", 8.0, "F, the constant forcing; chaotic from about 5 on at dim 40");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "lorenz96",
    about: "chaotic waves on a ring of any size, with additive or multiplicative noise",
    reference: "Lorenz (1996), Predictability: a problem partly solved",
    params: &[DIM, FORCING, noise_param(0.0), MULTIPLICATIVE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Lorenz96::new(settings)?)),
        dt: 0.05,
        substeps: 1,
        integrator: "rk4",
        spin_up: 1000,
    },
};

/// The sd of the perturbation of the steady state from which a spin-up starts.
const PERTURBATION: f64 = 0.1;

/// The system of Lorenz (1996).
#[derive(Clone, Debug)]
pub struct Lorenz96 {
    dim: usize,
    forcing: f64,
    noise: EqualNoise,
    /// The vectors of this processor.
    arch: Arch,
}

impl Lorenz96 {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When both kinds of noise are set.
    pub fn new(settings: &Settings) -> Result<Self> {
        let noise = EqualNoise::new(settings)?;
        Ok(Self { dim: settings.count(DIM.key), forcing: settings.number(FORCING.key), noise, arch: Arch::new() })
    }
}

impl Sde for Lorenz96 {
    fn dim(&self) -> usize {
        self.dim
    }

    fn noise(&self) -> Noise {
        self.noise.kind()
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        kernel::members(self.arch, x, self.forcing, SlopeUse::Slope(out));
    }

    fn diffuse_block(&self, _t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.noise.diffuse(x, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        self.noise.additive_sd(self.dim)
    }

    fn fast(&self) -> Option<&dyn Fast> {
        Some(self)
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Fast for Lorenz96 {
    fn stage_block(&self, _t: f64, at: &[[f64; LANES]], _slope: &mut [[f64; LANES]], stage: SlopeUse) {
        kernel::members(self.arch, at, self.forcing, stage);
    }

    fn ring(&self) -> Option<&dyn Ring> {
        Some(self)
    }
}

impl Ring for Lorenz96 {
    fn reach(&self) -> Reach {
        Reach { behind: 2, ahead: 1 }
    }

    fn stage_stretch(&self, _t: f64, at: &[[f64; LANES]], stage: SlopeUse) {
        kernel::stretch(self.arch, at, self.forcing, stage);
    }
}

impl Linearized for Lorenz96 {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let n = x.len();
        for (i, out) in out.iter_mut().enumerate() {
            let (far, last, next) = ((i + n - 2) % n, (i + n - 1) % n, (i + 1) % n);
            for lane in 0..LANES {
                out[lane] = (dx[next][lane] - dx[far][lane]) * x[last][lane]
                    + (x[next][lane] - x[far][lane]) * dx[last][lane]
                    - dx[i][lane];
            }
        }
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let n = x.len();
        for (i, out) in out.iter_mut().enumerate() {
            // x_i stands in the tendencies of i - 1 (as next), i + 1 (as last) and i + 2 (as far)
            let (before, after, second) = ((i + n - 1) % n, (i + 1) % n, (i + 2) % n);
            for lane in 0..LANES {
                out[lane] = v[before][lane] * x[(i + n - 2) % n][lane]
                    + v[after][lane] * (x[second][lane] - x[before][lane])
                    - v[second][lane] * x[after][lane]
                    - v[i][lane];
            }
        }
    }
}

impl System for Lorenz96 {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Ring
    }

    /// The unstable steady state x_i = F with a perturbation of sd 0.1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, self.dim) * PERTURBATION + self.forcing
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
