//! Heston (1993): the log price X = log S of an asset whose variance v is itself random,
//! dX = (mu - v / 2) dt + sqrt(v) (rho dW_2 + sqrt(1 - rho^2) dW_1), dv = kappa (theta - v) dt + sigma sqrt(v) dW_2 (Ito).
//! The state is (X, v). `E[S]` grows as exp(mu t); v has the laws of the entry `cir`.
//!
//! A lead step h is drawn from the law itself: v' from its noncentral chi-square, then I = int v dt given v and v', then
//! X' ~ N(X + mu h - I / 2 + rho (v' - v - kappa theta h + kappa I) / sigma, (1 - rho^2) I) (Broadie and Kaya 2006).
//! I is the gamma expansion of Glasserman and Kim (2011): with N the Poisson count that v' was drawn with, I is the sum
//! over n >= 1 of Gamma(2 kappa theta / sigma^2 + 2 N + Poisson((v + v') lambda_n)) / gamma_n, where
//! lambda_n = 16 pi^2 n^2 / (sigma^2 h (kappa^2 h^2 + 4 pi^2 n^2)), gamma_n = (kappa^2 h^2 + 4 pi^2 n^2) / (2 sigma^2 h^2).
//! Ten terms are drawn; the rest, about 6 % of the mean and 3e-4 of the variance, is one gamma variable of their mean and
//! variance.

use std::f64::consts::PI;
use std::sync::Arc;

use ndarray::Array2;

use super::DefaultStepping;
use super::cir::positive;
use super::square_root::{SquareRoot, SquareRootTransition};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose, Stream};
use crate::lanes::LANES;
use crate::law::Forecaster;
use crate::linearized::Linearized;
use crate::registry::{DefaultValue, Entry, Param, ParamKind, Settings};
use crate::sde::{Noise, Sde};
use crate::stepping::Stepping;
use crate::system::System;
use crate::transition::{ExactForecaster, ExactTransition};

const MU: Param =
    Param::real("mu", 0.0319, "mean rate of growth of the price, per unit of model time (a year, usually)");
const KAPPA: Param = Param::positive("kappa", 6.21, "rate at which the variance returns to its mean");
const THETA: Param = Param::positive("theta", 0.019, "stationary mean of the variance");
const SIGMA: Param = Param::positive("sigma", 0.61, "volatility of the variance");
const RHO: Param = Param::new(
    "rho",
    ParamKind::real(-1.0, 1.0),
    DefaultValue::Float(-0.7),
    "correlation of the noises of price and variance",
);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "stochastic_volatility",
    about: "Heston's log price and its random variance, correlated, drawn from the exact law",
    reference: "Heston (1993), doi:10.1093/rfs/6.2.327; Broadie and Kaya (2006), doi:10.1287/opre.1050.0247; Glasserman \
                and Kim (2011), doi:10.1007/s00780-009-0115-y",
    params: &[MU, KAPPA, THETA, SIGMA, RHO],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(StochasticVolatility::new(settings))),
        dt: 0.02,
        substeps: 1,
        integrator: "euler_maruyama",
        spin_up: 0,
    },
};

/// Terms of the gamma expansion that are drawn.
const TERMS: usize = 10;

/// Terms whose moments the last gamma variable carries; those beyond are integrated.
const SUMMED: usize = 10_000;

/// The model of Heston (1993); the defaults are the parameters of Broadie and Kaya (2006), table 1.
#[derive(Clone, Debug)]
pub struct StochasticVolatility {
    mu: f64,
    rho: f64,
    variance: SquareRoot,
}

impl StochasticVolatility {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        let variance = SquareRoot { kappa: number(KAPPA.key), theta: number(THETA.key), sigma: number(SIGMA.key) };
        Self { mu: number(MU.key), rho: number(RHO.key), variance }
    }
}

/// lambda_n and 1 / gamma_n.
#[derive(Clone, Copy, Debug)]
struct Term {
    lambda: f64,
    scale: f64,
}

/// int_0^h v dt given both ends, as a sum of gamma variables.
#[derive(Clone, Debug)]
struct IntegratedVariance {
    shape: f64,
    terms: Vec<Term>,
    /// Sums over the other terms: of lambda / gamma, 1 / gamma, lambda / gamma^2 and 1 / gamma^2.
    rest: [f64; 4],
}

impl IntegratedVariance {
    fn new(process: &SquareRoot, h: f64) -> Self {
        let (a, s2) = (process.kappa * h, process.sigma * process.sigma);
        let term = |n: usize| {
            let frequency = 4.0 * PI * PI * (n * n) as f64;
            let total = a * a + frequency;
            Term { lambda: 4.0 * frequency / (s2 * h * total), scale: 2.0 * s2 * h * h / total }
        };
        let terms = (1..=TERMS).map(term).collect();
        let mut rest = [0.0; 4];
        for Term { lambda, scale } in (TERMS + 1..=SUMMED).rev().map(term) {
            let parts = [lambda * scale, scale, lambda * scale * scale, scale * scale];
            rest.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        // beyond, terms fall as 1 / n^2 and 1 / n^4: the sum of 1 / n^2 from m + 1 is 1 / (m + 1/2)
        let beyond = 1.0 / (SUMMED as f64 + 0.5);
        rest[0] += 2.0 * h / (PI * PI) * beyond;
        rest[1] += s2 * h * h / (2.0 * PI * PI) * beyond;
        Self { shape: process.half_degrees(), terms, rest }
    }

    /// A draw, given the sum of v at both ends and the Poisson count of the transition.
    fn draw(&self, ends: f64, count: f64, stream: &mut Stream) -> f64 {
        let shape = self.shape + 2.0 * count;
        let mut sum = 0.0;
        for Term { lambda, scale } in &self.terms {
            let more = stream.poisson(ends * lambda);
            sum += scale * stream.gamma(shape + more);
        }
        let mean = ends * self.rest[0] + shape * self.rest[1];
        let variance = 2.0 * ends * self.rest[2] + shape * self.rest[3];
        sum + variance / mean * stream.gamma(mean * mean / variance)
    }
}

/// The exact transition over h.
struct HestonTransition {
    model: StochasticVolatility,
    h: f64,
    variance: SquareRootTransition,
    integral: IntegratedVariance,
}

impl ExactTransition for HestonTransition {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, x: &mut [f64], stream: &mut Stream) {
        let [log_price, v] = x else { return };
        let StochasticVolatility { mu, rho, variance: SquareRoot { kappa, theta, sigma } } = self.model;
        let start = positive(*v);
        let (end, count) = self.variance.draw(start, stream);
        let integral = self.integral.draw(start + end, count, stream);
        let shared = rho / sigma * (end - start + kappa * (integral - theta * self.h));
        let own = ((1.0 - rho * rho) * integral).sqrt() * stream.normal();
        *log_price += mu * self.h - 0.5 * integral + shared + own;
        *v = end;
    }
}

impl Sde for StochasticVolatility {
    fn dim(&self) -> usize {
        2
    }

    fn noise(&self) -> Noise {
        Noise::General(2)
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([_, v], [dx, dv]) = (x, out) else { return };
        let SquareRoot { kappa, theta, .. } = self.variance;
        for lane in 0..LANES {
            let v = positive(v[lane]);
            dx[lane] = self.mu - 0.5 * v;
            dv[lane] = kappa * (theta - v);
        }
    }

    fn diffuse_block(&self, _t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([_, v], [own, shared], [dx, dv]) = (x, dw, out) else { return };
        let across = (1.0 - self.rho * self.rho).sqrt();
        for lane in 0..LANES {
            let root = positive(v[lane]).sqrt();
            dx[lane] = root * (across * own[lane] + self.rho * shared[lane]);
            dv[lane] = root * self.variance.sigma * shared[lane];
        }
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

/// 1 where v counts, 0 where it is cut off.
fn counts(v: f64) -> f64 {
    if v < 0.0 { 0.0 } else { 1.0 }
}

impl Linearized for StochasticVolatility {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([_, v], [_, dv], [fx, fv]) = (x, dx, out) else { return };
        for lane in 0..LANES {
            let dv = counts(v[lane]) * dv[lane];
            fx[lane] = -0.5 * dv;
            fv[lane] = -self.variance.kappa * dv;
        }
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], u: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ([_, v], [ux, uv], [ax, av]) = (x, u, out) else { return };
        for lane in 0..LANES {
            ax[lane] = 0.0;
            av[lane] = -counts(v[lane]) * (0.5 * ux[lane] + self.variance.kappa * uv[lane]);
        }
    }
}

impl System for StochasticVolatility {
    fn dim(&self) -> usize {
        2
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// The log price wanders for ever.
    fn has_climate(&self) -> bool {
        false
    }

    /// Log price 0; the variance is drawn from its stationary law.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let key = key.purpose(Purpose::InitialState);
        let mut out = Array2::zeros((members, 2));
        for (member, v) in out.column_mut(1).iter_mut().enumerate() {
            *v = self.variance.draw_stationary(&mut key.stream(member as u64));
        }
        out
    }

    /// The exact transition, whatever integrator and substeps.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        let h = stepping.dt;
        Ok(Box::new(ExactForecaster::new(HestonTransition {
            h,
            variance: self.variance.transition(h),
            integral: IntegratedVariance::new(&self.variance, h),
            model: (*self).clone(),
        })))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
