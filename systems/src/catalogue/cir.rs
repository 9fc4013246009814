//! Cox, Ingersoll and Ross (1985): a rate that stays positive, each component dv = kappa (theta - v) dt + sigma sqrt(v) dW
//! (Ito), with its exact noncentral chi-square transition, density and stationary gamma law. 0 is never reached where
//! 2 kappa theta >= sigma^2 (Feller's condition).
//!
//! As an equation it is written with max(v, 0) in drift and noise, for integrators that step below 0: their
//! Euler-Maruyama is then the full truncation scheme (Lord, Koekkoek and van Dijk 2010).

use std::sync::Arc;

use ndarray::Array2;

use super::square_root::{SquareRoot, SquareRootTransition};
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
const KAPPA: Param = Param::positive("kappa", 1.0, "rate at which the mean is approached, per unit of model time");
const THETA: Param = Param::positive("theta", 1.0, "stationary mean");
const SIGMA: Param = Param::positive("sigma", 0.5, "noise: sd per sqrt(model time) is sigma sqrt(v)");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "cir",
    about: "mean-reverting positive rate with square-root noise and an exact noncentral chi-square transition",
    reference: "Cox, Ingersoll and Ross (1985), doi:10.2307/1911242; Feller (1951)",
    params: &[DIM, KAPPA, THETA, SIGMA],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Cir::new(settings))),
        dt: 0.1,
        substeps: 1,
        integrator: "euler_maruyama",
        spin_up: 0,
    },
};

/// Independent square-root processes.
#[derive(Clone, Debug)]
pub struct Cir {
    dim: usize,
    process: SquareRoot,
}

impl Cir {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        let process = SquareRoot { kappa: number(KAPPA.key), theta: number(THETA.key), sigma: number(SIGMA.key) };
        Self { dim: settings.count(DIM.key), process }
    }
}

/// The exact transition of every component.
struct CirTransition {
    dim: usize,
    each: SquareRootTransition,
}

impl ExactTransition for CirTransition {
    fn dim(&self) -> usize {
        self.dim
    }

    fn draw(&self, x: &mut [f64], stream: &mut Stream) {
        // a filter may hand over a state below 0, from where the process comes back at once
        x.iter_mut().for_each(|v| *v = self.each.draw(positive(*v), stream).0);
    }

    fn density(&self) -> Option<&dyn LogDensity> {
        Some(self)
    }
}

impl LogDensity for CirTransition {
    fn log_density(&self, x: &[f64], next: &[f64]) -> f64 {
        x.iter().zip(next).map(|(v, next)| self.each.log_density(positive(*v), *next)).sum()
    }
}

/// max(v, 0), but NaN for NaN.
pub(super) fn positive(v: f64) -> f64 {
    if v < 0.0 { 0.0 } else { v }
}

impl Sde for Cir {
    fn dim(&self) -> usize {
        self.dim
    }

    fn noise(&self) -> Noise {
        Noise::Diagonal
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let SquareRoot { kappa, theta, .. } = self.process;
        for (out, v) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()) {
            *out = kappa * (theta - positive(*v));
        }
    }

    fn diffuse_block(&self, _t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let cells = out.as_flattened_mut().iter_mut().zip(x.as_flattened()).zip(dw.as_flattened());
        cells.for_each(|((out, v), dw)| *out = self.process.sigma * positive(*v).sqrt() * dw);
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for Cir {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let cells = out.as_flattened_mut().iter_mut().zip(x.as_flattened()).zip(dx.as_flattened());
        cells.for_each(|((out, v), dx)| *out = if *v < 0.0 { 0.0 } else { -self.process.kappa * dx });
    }

    /// The derivative is diagonal, so its adjoint is itself.
    fn adjoint_block(&self, t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.tangent_block(t, x, v, out);
    }
}

impl System for Cir {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    fn lower_bound(&self) -> Option<f64> {
        Some(0.0)
    }

    /// Draws of the stationary gamma law.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let key = key.purpose(Purpose::InitialState);
        let mut out = Array2::zeros((members, self.dim));
        for (member, mut row) in out.outer_iter_mut().enumerate() {
            let mut stream = key.stream(member as u64);
            row.iter_mut().for_each(|v| *v = self.process.draw_stationary(&mut stream));
        }
        out
    }

    fn initial_is_stationary(&self) -> bool {
        true
    }

    /// The exact transition, whatever integrator and substeps.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        let transition = CirTransition { dim: self.dim, each: self.process.transition(stepping.dt) };
        Ok(Box::new(ExactForecaster::new(transition)))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
