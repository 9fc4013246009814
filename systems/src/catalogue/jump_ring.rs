//! The jump diffusion of Chen et al. (2024, section 5.1): wells on a ring, between which the state jumps.
//!
//! In well k, dX = -C_k^-1 (X - mu_k) dt + s dW, where mu_k = R^k (r, 0), C_k = R^k diag(c_1, c_2) R^-k and R is the
//! rotation by 2 pi / wells. A Poisson clock of rate lambda turns the state into R X and the well into k + 1.
//!
//! Seen from its well, Y = R^-k X is an Ornstein-Uhlenbeck process about (r, 0), dY_i = -(Y_i - m_i) / c_i dt + s dW_i,
//! which no jump touches. So a lead step h is drawn exactly: Y' from its Gaussian, the number of jumps N from
//! Poisson(lambda h), and X' = R^(k + N) Y'. The stationary law is the mixture, in equal parts, of the N(mu_k, s^2 C_k / 2);
//! with s = sqrt(2) its covariances are the C_k.
//!
//! The well is hidden: the state is X alone. The kernel is the law of X' given X in the stationary process, with k drawn
//! from p(k | X), which is what a forecaster learns from pairs (X, X'). Wells overlap so little that k is certain almost
//! everywhere; this makes the kernel Markov in X and gives it a density.

use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::Array2;

use super::DefaultStepping;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose, Stream};
use crate::law::Forecaster;
use crate::registry::{Entry, Param, Settings};
use crate::stepping::Stepping;
use crate::system::System;
use crate::transition::{ExactForecaster, ExactTransition, LogDensity};

const WELLS: Param = Param::int("wells", 5, 1, "number of wells on the ring").up_to(1000);
const RADIUS: Param = Param::positive("radius", 5.0, "r, the distance of the wells from the origin");
const RADIAL: Param = Param::positive("radial", 1.5, "c_1, the well's relaxation time along the radius");
const TANGENTIAL: Param = Param::positive("tangential", 0.1, "c_2, the well's relaxation time along the ring");
const RATE: Param = Param::at_least("rate", 2.0, 0.0, "lambda, jumps per unit of model time");
const NOISE: Param = Param::at_least(
    "noise",
    1.0,
    0.0,
    "s, sd of the noise per sqrt(model time); the variances in a well are s^2 c / 2",
);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "jump_ring",
    about: "a diffusion in Gaussian wells on a ring, which jumps from well to well, drawn from the exact law",
    reference: "Chen, Goldstein, Hua, Albergo, Boffi and Vanden-Eijnden (2024), arXiv:2403.13724",
    params: &[WELLS, RADIUS, RADIAL, TANGENTIAL, RATE, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(JumpRing::new(settings))),
        dt: 0.5,
        substeps: 1,
        integrator: "euler_maruyama",
        spin_up: 0,
    },
};

/// The jump diffusion of Chen et al. (2024).
#[derive(Clone, Debug)]
pub struct JumpRing {
    /// (cos, sin) of the angle of each well.
    angles: Vec<[f64; 2]>,
    radius: f64,
    relaxation: [f64; 2],
    rate: f64,
    noise: f64,
}

impl JumpRing {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let (number, wells) = (|key| settings.number(key), settings.count(WELLS.key));
        let angle = |k: usize| TAU * k as f64 / wells as f64;
        Self {
            angles: (0..wells).map(|k| [angle(k).cos(), angle(k).sin()]).collect(),
            radius: number(RADIUS.key),
            relaxation: [number(RADIAL.key), number(TANGENTIAL.key)],
            rate: number(RATE.key),
            noise: number(NOISE.key),
        }
    }

    /// R^k y.
    fn turn(&self, k: usize, [y1, y2]: [f64; 2]) -> [f64; 2] {
        let [cos, sin] = self.angles[k];
        [cos * y1 - sin * y2, sin * y1 + cos * y2]
    }

    /// R^-k x.
    fn turn_back(&self, k: usize, [x1, x2]: [f64; 2]) -> [f64; 2] {
        let [cos, sin] = self.angles[k];
        [cos * x1 + sin * x2, cos * x2 - sin * x1]
    }

    /// y - (r, 0).
    fn deviation(&self, [y1, y2]: [f64; 2]) -> [f64; 2] {
        [y1 - self.radius, y2]
    }

    /// p(k | x) / p(the likeliest k | x) in the stationary process.
    fn plausibility(&self, x: [f64; 2]) -> impl Fn(usize) -> f64 {
        // without noise the nearest well alone counts
        let s2 = (self.noise * self.noise).max(f64::MIN_POSITIVE);
        let log_weight = move |k: usize| {
            let [d1, d2] = self.deviation(self.turn_back(k, x));
            -(d1 * d1 / self.relaxation[0] + d2 * d2 / self.relaxation[1]) / s2
        };
        let most = (0..self.angles.len()).map(&log_weight).fold(f64::NEG_INFINITY, f64::max);
        move |k| (log_weight(k) - most).exp()
    }

    /// A draw of p(k | x).
    fn draw_well(&self, x: [f64; 2], stream: &mut Stream) -> usize {
        let (wells, plausibility) = (self.angles.len(), self.plausibility(x));
        let mut left = stream.uniform() * (0..wells).map(&plausibility).sum::<f64>();
        let chosen = (0..wells).find(|k| {
            left -= plausibility(*k);
            left < 0.0
        });
        chosen.unwrap_or(wells - 1)
    }

    /// P(N = m modulo the number of wells) over `h`, by the discrete Fourier transform of the Poisson law.
    fn turn_probability(&self, m: usize, h: f64) -> f64 {
        let (n, jumps) = (self.angles.len(), self.rate * h);
        let part = |j: usize| {
            let [cos, sin] = self.angles[j];
            (jumps * (cos - 1.0)).exp() * (jumps * sin - TAU * (j * m % n) as f64 / n as f64).cos()
        };
        ((0..n).map(part).sum::<f64>() / n as f64).max(0.0)
    }
}

/// The exact transition over h.
struct JumpRingTransition {
    ring: JumpRing,
    /// exp(-h / c_i).
    kept: [f64; 2],
    /// The sd of Y_i' given Y_i.
    sd: [f64; 2],
    jumps: f64,
    /// P(N = m modulo the number of wells).
    turns: Vec<f64>,
}

impl JumpRingTransition {
    fn new(ring: JumpRing, h: f64) -> Self {
        let spread = |c: f64| ring.noise * (0.5 * c * -(-2.0 * h / c).exp_m1()).sqrt();
        Self {
            kept: ring.relaxation.map(|c| (-h / c).exp()),
            sd: ring.relaxation.map(spread),
            jumps: ring.rate * h,
            turns: (0..ring.angles.len()).map(|m| ring.turn_probability(m, h)).collect(),
            ring,
        }
    }

    /// `E[Y' | Y = y]`.
    fn mean(&self, y: [f64; 2]) -> [f64; 2] {
        let [d1, d2] = self.ring.deviation(y);
        [self.ring.radius + self.kept[0] * d1, self.kept[1] * d2]
    }
}

impl ExactTransition for JumpRingTransition {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, x: &mut [f64], stream: &mut Stream) {
        let &mut [x1, x2] = x else { return };
        let k = self.ring.draw_well([x1, x2], stream);
        let [m1, m2] = self.mean(self.ring.turn_back(k, [x1, x2]));
        let y = [m1 + self.sd[0] * stream.normal(), m2 + self.sd[1] * stream.normal()];
        let wells = self.ring.angles.len();
        let turns = stream.poisson(self.jumps) % wells as f64;
        x.copy_from_slice(&self.ring.turn((k + turns as usize) % wells, y));
    }

    fn density(&self) -> Option<&dyn LogDensity> {
        (self.ring.noise > 0.0).then_some(self)
    }
}

impl LogDensity for JumpRingTransition {
    fn log_density(&self, x: &[f64], next: &[f64]) -> f64 {
        let (&[x1, x2], &[next1, next2]) = (x, next) else { return f64::NAN };
        let (wells, plausibility) = (self.ring.angles.len(), self.ring.plausibility([x1, x2]));
        let total: f64 = (0..wells).map(&plausibility).sum();
        let (mut most, mut sum) = (f64::NEG_INFINITY, 0.0);
        for k in 0..wells {
            let (weight, mean) = (plausibility(k) / total, self.mean(self.ring.turn_back(k, [x1, x2])));
            for (m, turn) in self.turns.iter().enumerate() {
                let y = self.ring.turn_back((k + m) % wells, [next1, next2]);
                let z = [0, 1].map(|i| (y[i] - mean[i]) / self.sd[i]);
                let log = (weight * turn).ln() - 0.5 * (z[0] * z[0] + z[1] * z[1]);
                // a running sum of exponentials, relative to the largest
                if log > most {
                    sum *= (most - log).exp();
                    most = log;
                }
                sum += if log == f64::NEG_INFINITY { 0.0 } else { (log - most).exp() };
            }
        }
        most + sum.ln() - (TAU * self.sd[0] * self.sd[1]).ln()
    }
}

impl System for JumpRing {
    fn dim(&self) -> usize {
        2
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Draws of the stationary law.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let key = key.purpose(Purpose::InitialState);
        let mut out = Array2::zeros((members, 2));
        for (member, mut row) in out.outer_iter_mut().enumerate() {
            let mut stream = key.stream(member as u64);
            let k = stream.below(self.angles.len());
            let [d1, d2] = self.relaxation.map(|c| self.noise * (0.5 * c).sqrt() * stream.normal());
            let x = self.turn(k, [self.radius + d1, d2]);
            row.iter_mut().zip(x).for_each(|(cell, x)| *cell = x);
        }
        out
    }

    fn initial_is_stationary(&self) -> bool {
        true
    }

    /// The exact transition, whatever integrator and substeps.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        Ok(Box::new(ExactForecaster::new(JumpRingTransition::new((*self).clone(), stepping.dt))))
    }
}
