//! Geometric Brownian motion, each component dS = mu S dt + sigma S dW (Ito; Osborne 1959, Samuelson 1965), exactly:
//! log S(t + h) ~ N(log S + (mu - sigma^2 / 2) h, sigma^2 h). `E[S]` grows as exp(mu t); there is no stationary law.

use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, dim_param};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose, Stream};
use crate::lanes::LANES;
use crate::law::Forecaster;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::stepping::Stepping;
use crate::system::System;
use crate::transition::{ExactForecaster, ExactTransition, LogDensity};

const DIM: Param = dim_param(1, 1, "number of independent components");
const MU: Param = Param::real("mu", 0.05, "mean rate of growth, per unit of model time (a year, usually)");
const SIGMA: Param =
    Param::at_least("sigma", 0.2, 0.0, "volatility: sd of the noise relative to the state, per sqrt(model time)");
const INITIAL: Param =
    Param::positive("initial", 1.0, "median of the states that trajectories start from, each within about 10 %");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "geometric_brownian",
    about: "growth at a random rate, with multiplicative noise and an exact lognormal transition",
    reference: "Osborne (1959), doi:10.1287/opre.7.2.145; Samuelson (1965)",
    params: &[DIM, MU, SIGMA, INITIAL],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(GeometricBrownian::new(settings))),
        dt: 0.1,
        substeps: 1,
        integrator: "euler_maruyama",
        spin_up: 0,
    },
};

/// The sd of log S at the start.
const PERTURBATION: f64 = 0.1;

/// Independent geometric Brownian motions.
#[derive(Clone, Debug)]
pub struct GeometricBrownian {
    dim: usize,
    mu: f64,
    sigma: f64,
    initial: f64,
}

impl GeometricBrownian {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        Self {
            dim: settings.count(DIM.key),
            mu: number(MU.key),
            sigma: number(SIGMA.key),
            initial: number(INITIAL.key),
        }
    }

    /// The exact transition over `h` of model time.
    fn transition(&self, h: f64) -> Lognormal {
        let Self { dim, mu, sigma, .. } = *self;
        Lognormal { dim, drift: (mu - 0.5 * sigma * sigma) * h, sd: sigma * h.sqrt() }
    }
}

/// S' = S exp(drift + sd z), each component.
struct Lognormal {
    dim: usize,
    drift: f64,
    sd: f64,
}

impl ExactTransition for Lognormal {
    fn dim(&self) -> usize {
        self.dim
    }

    fn draw(&self, x: &mut [f64], stream: &mut Stream) {
        x.iter_mut().for_each(|x| *x *= (self.drift + self.sd * stream.normal()).exp());
    }

    fn density(&self) -> Option<&dyn LogDensity> {
        (self.sd > 0.0).then_some(self)
    }
}

impl LogDensity for Lognormal {
    fn log_density(&self, x: &[f64], next: &[f64]) -> f64 {
        let term = |(x, next): (&f64, &f64)| {
            let ratio = next / x;
            let z = (ratio.ln() - self.drift) / self.sd;
            if ratio > 0.0 { -0.5 * (z * z + TAU.ln()) - (self.sd * next.abs()).ln() } else { f64::NEG_INFINITY }
        };
        x.iter().zip(next).map(term).sum()
    }
}

impl Sde for GeometricBrownian {
    fn dim(&self) -> usize {
        self.dim
    }

    fn noise(&self) -> Noise {
        if self.sigma > 0.0 { Noise::Diagonal } else { Noise::None }
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        scale(self.mu, x, out);
    }

    fn diffuse_block(&self, _t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let cells = out.as_flattened_mut().iter_mut().zip(x.as_flattened()).zip(dw.as_flattened());
        cells.for_each(|((out, x), dw)| *out = self.sigma * x * dw);
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

/// out = factor x.
fn scale(factor: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
    out.as_flattened_mut().iter_mut().zip(x.as_flattened()).for_each(|(out, x)| *out = factor * x);
}

impl Linearized for GeometricBrownian {
    fn tangent_block(&self, _t: f64, _x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        scale(self.mu, dx, out);
    }

    fn adjoint_block(&self, _t: f64, _x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        scale(self.mu, v, out);
    }
}

impl System for GeometricBrownian {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// The value grows for ever.
    fn has_climate(&self) -> bool {
        false
    }

    fn lower_bound(&self) -> Option<f64> {
        Some(0.0)
    }

    /// `initial` times exp(0.1 z), each component.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let normals = key.purpose(Purpose::InitialState).normals(members, self.dim);
        normals.mapv(|z| self.initial * (PERTURBATION * z).exp())
    }

    /// The exact transition, whatever integrator and substeps.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        Ok(Box::new(ExactForecaster::new(self.transition(stepping.dt))))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
