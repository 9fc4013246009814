//! FitzHugh (1961) and Nagumo et al. (1962): an excitable cell in two numbers, the membrane potential v and the recovery
//! w, dv = (v - v^3 / 3 - w + I) dt + s dW, dw = eps (v + a - b w) dt + s_w dW.
//!
//! At rest without current, (v, w) = (-1.20, -0.62). The rest state is stable while 1 - v^2 < eps b; it gives way to a
//! limit cycle at I = 0.331.

use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, noise_param};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const A: Param = Param::real("a", 0.7, "shift of the recovery's nullcline");
const B: Param = Param::positive("b", 0.8, "slope of the recovery's nullcline");
const EPS: Param = Param::positive("eps", 0.08, "rate of the recovery relative to the potential");
const CURRENT: Param =
    Param::real("current", 0.5, "I, the stimulus; oscillations from 0.331 to 1.419 at the other defaults");
const NOISE: Param = noise_param(0.1);
const RECOVERY_NOISE: Param =
    Param::at_least("recovery_noise", 0.0, 0.0, "s_w, sd of the noise of w per sqrt(model time); `noise` is that of v");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "fitzhugh_nagumo",
    about: "an excitable cell in two variables, with additive noise",
    reference: "FitzHugh (1961), doi:10.1016/S0006-3495(61)86902-6; Nagumo, Arimoto and Yoshizawa (1962), \
                doi:10.1109/JRPROC.1962.288235",
    params: &[A, B, EPS, CURRENT, NOISE, RECOVERY_NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(FitzHughNagumo::new(settings))),
        dt: 0.5,
        substeps: 10,
        integrator: "heun",
        spin_up: 400,
    },
};

/// The sd of the perturbation of the origin from which a spin-up starts.
const PERTURBATION: f64 = 0.5;

/// The cell of FitzHugh (1961).
#[derive(Clone, Debug)]
pub struct FitzHughNagumo {
    a: f64,
    b: f64,
    eps: f64,
    current: f64,
    noise: [f64; 2],
}

impl FitzHughNagumo {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        Self {
            a: number(A.key),
            b: number(B.key),
            eps: number(EPS.key),
            current: number(CURRENT.key),
            noise: [number(NOISE.key), number(RECOVERY_NOISE.key)],
        }
    }
}

impl Sde for FitzHughNagumo {
    fn dim(&self) -> usize {
        2
    }

    fn noise(&self) -> Noise {
        if self.noise == [0.0; 2] { Noise::None } else { Noise::Additive }
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([v, w], [dv, dw]) = (x, out) else { return };
        for lane in 0..LANES {
            dv[lane] = v[lane] * (1.0 - v[lane] * v[lane] / 3.0) - w[lane] + self.current;
            dw[lane] = self.eps * (v[lane] + self.a - self.b * w[lane]);
        }
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for ((out, dw), sd) in out.iter_mut().zip(dw).zip(self.noise) {
            (0..LANES).for_each(|lane| out[lane] = sd * dw[lane]);
        }
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(self.noise.to_vec())
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for FitzHughNagumo {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([v, _], [dv, dw], [fv, fw]) = (x, dx, out) else { return };
        for lane in 0..LANES {
            fv[lane] = (1.0 - v[lane] * v[lane]) * dv[lane] - dw[lane];
            fw[lane] = self.eps * (dv[lane] - self.b * dw[lane]);
        }
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], u: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([v, _], [uv, uw], [av, aw]) = (x, u, out) else { return };
        for lane in 0..LANES {
            av[lane] = (1.0 - v[lane] * v[lane]) * uv[lane] + self.eps * uw[lane];
            aw[lane] = -uv[lane] - self.eps * self.b * uw[lane];
        }
    }
}

impl System for FitzHughNagumo {
    fn dim(&self) -> usize {
        2
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// The origin with a perturbation of sd 0.5: inside the limit cycle, where there is one.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, 2) * PERTURBATION
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
