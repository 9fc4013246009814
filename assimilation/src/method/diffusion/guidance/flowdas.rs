//! Guidance of a stochastic interpolant (FlowDAS, Chen et al. 2025), as published and with the likelihood that it stands for.
//!
//! In the letters of [`super::Guidance`], with t = 1 - s the interpolant's time at which sigma / alpha is that of z_t:
//! published, J estimates of z are made by one Euler step of the interpolant from s to 1, z_j = (1 - t^2) D + c q_j with
//! c = 2/3 - s^1/2 + s^3/2 / 3, and -zeta grad |r| is added to each of 600 steps, r the residuals y - h(x(z_j)) of all j and values.
//! That is a drift of -rate grad |r| with rate = 600 zeta = .12, which the score of log p(y | z_t) makes when it is
//! -rate / (t (1 + t)) grad |r|: l_i = -rate / (t (1 + t)) sum_j r_ij^2 / |r|, w_i = (1 - t^2) rate / (t (1 + t)) sum_j r_ij / |r|, the
//! derivative of h taken at D. (The softmax weights of its code are of one number, and so 1; its mean of two drifts is left out.)
//! The q_j are the quantiles of the normal law, one for all components, in place of draws.
//!
//! |r| has no R and no spread of z given z_t in it: a pull as strong for a small innovation as for a large one. In its Lorenz-63
//! setting (one lead step from a known state, z of sd .0198 observed as arctan with an error of sd .25) what it moves the mean by
//! is 7 times what the observation moves it by at an innovation of one sd of the error, 28 times at a quarter of that, and 62 times at
//! a tenth. Weights along the path make up for it where they are looked at at the end, or by `girsanov`; those of `twisted` take the
//! terms for a likelihood, which grow as 1 / t, and are left with a few members.
//!
//! Corrected, z given z_t has the mean D and the variance that Tweedie's formula gives, and r is divided by R and by what that
//! leaves open of the value: u_j = m + s q_j of what a value reads, V = R + diag(var_j h(u_j)), w = V^-1 (y - mean_j h(u_j)), in the
//! component by the slope cov_j(h(u_j), q_j) / s, so that an |x| whose sign is open is not pulled. Where values read several
//! components, h is taken at D. What values say of each other is left out, as in `tmpd`.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use scorecast_systems::noising::Schedule;
use scorecast_systems::noising::schedule::Interpolant;
use scorecast_systems::{Entry, Level, Param, Result};
use statrs::distribution::{ContinuousCDF, Normal};

use super::frames::by_frame;
use super::point::Point;
use super::rule::{BuildGuidance, Guidance, Terms};
use crate::linalg::Gmres;
use crate::method::diffusion::counts;
use crate::method::diffusion::likelihood::{error_times, residual};

const FORM: Param = Param::choice(
    "flowdas_form",
    "published",
    &["published", "corrected"],
    "the gradient of the residual's norm, blind to all errors, or the residual over its variance",
);
const DRAWS: Param = counts::repeats("flowdas_draws", 21, 2, "estimates of the state that a value is predicted by");
const RATE: Param = Param::positive(
    "flowdas_rate",
    0.12,
    "of the published form: pull over the interpolant's time, 1 / unit of the values; zeta = 2e-4 in each of 600 steps",
);

/// A product with V costs no evaluation of the denoiser, so that the solution is as good as exact.
const SOLVER: Gmres = Gmres { tolerance: 1e-8, iterations: 120, restart: 40 };

/// Vector-Jacobian products for the variances of what is read.
const PROBES: usize = 8;

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "flowdas",
    about: "of an interpolant's estimates of the next state: the residual's norm as published, or its likelihood (`flowdas_form`)",
    reference: "Chen et al. 2025, arXiv:2501.16642",
    params: &[FORM, DRAWS, RATE],
    build: |settings| {
        let form = match settings.text(FORM.key) {
            "corrected" => Form::Corrected,
            _ => Form::Published { rate: settings.number(RATE.key) },
        };
        Arc::new(FlowDas { form, draws: settings.count(DRAWS.key) })
    },
};

/// What is made of the estimates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// The gradient of the norm of the residual.
    Published {
        /// The factor of the gradient over the interpolant's time, in 1 / unit of the observed values.
        rate: f64,
    },
    /// The residual over its variance.
    Corrected,
}

/// Guidance of a stochastic interpolant.
#[derive(Clone, Copy, Debug)]
pub struct FlowDas {
    /// What is made of the estimates.
    pub form: Form,
    /// How many estimates.
    pub draws: usize,
}

/// The interpolant's t at a level; its s is 1 - t.
fn time(level: Level) -> f64 {
    Interpolant.time(level.relative())
}

/// The sd of an Euler step from s to 1, as published.
fn euler_sd(level: Level) -> f64 {
    let s = 1.0 - time(level);
    2.0 / 3.0 - s.sqrt() + s * s.sqrt() / 3.0
}

impl FlowDas {
    /// Quantiles of the normal law, of unit variance where there are several.
    fn quantiles(&self) -> Array1<f64> {
        let at = |draw: usize| Normal::standard().inverse_cdf((draw as f64 + 0.5) / self.draws as f64);
        let quantiles: Array1<f64> = (0..self.draws).map(at).collect();
        let variance = quantiles.dot(&quantiles) / self.draws as f64;
        if variance > 0.0 { quantiles / variance.sqrt() } else { quantiles }
    }

    fn published(&self, at: &Point, rate: f64) -> Terms {
        let (observed, dim) = (at.observed(), at.free().ncols());
        let share = by_frame(at.levels(), dim, |level| 1.0 - time(level).powi(2));
        let sd = by_frame(at.levels(), dim, euler_sd);
        let (mut sum, mut squares) = (Array2::zeros(at.residual().raw_dim()), Array2::zeros(at.residual().raw_dim()));
        for q in self.quantiles() {
            let estimate = at.free() * &share + &sd * q;
            let r = residual(observed, at.to_state().apply(&estimate).view());
            squares += &(&r * &r);
            sum += &r;
        }
        // of the noisiest frame, where they differ
        let t = at.levels().iter().fold(0.0, |largest: f64, level| largest.max(time(*level)));
        let (factor, shrunk) = (rate / (t * (1.0 + t)), 1.0 - t * t);
        for (mut sum, mut squares) in sum.outer_iter_mut().zip(squares.outer_iter_mut()) {
            let norm = squares.sum().sqrt();
            let per_norm = if norm > 0.0 && norm.is_finite() { factor / norm } else { 0.0 };
            sum.mapv_inplace(|r| if per_norm > 0.0 { r * per_norm * shrunk } else { 0.0 });
            squares.mapv_inplace(|square| if per_norm > 0.0 { -square * per_norm } else { 0.0 });
        }
        Terms::new(squares, sum)
    }

    fn corrected(&self, at: &Point) -> Result<Terms> {
        let observed = at.observed();
        let Some(components) = observed.operator.reads() else {
            return of_innovation(at, at.residual().clone(), &at.variances(PROBES)?);
        };
        let sd = at.component_variances(&components, PROBES)?.mapv_into(f64::sqrt);
        let shape = at.residual().raw_dim();
        let (mut mean, mut square, mut slope) = (Array2::zeros(shape), Array2::zeros(shape), Array2::zeros(shape));
        for q in self.quantiles() {
            let mut state = at.state().clone();
            for value in observed.present() {
                let moved = &at.state().column(components[value]) + &(&sd.column(value) * q);
                state.column_mut(components[value]).assign(&moved);
            }
            // of the residual, whose sign is the other way round
            let r = residual(observed, state.view());
            mean += &r;
            square += &(&r * &r);
            slope -= &(&r * q);
        }
        let count = self.draws as f64;
        mean /= count;
        let variance = (square / count - &mean * &mean).mapv_into(|variance| variance.max(0.0));
        let terms = of_innovation(at, mean, &variance)?;
        let per_component = |(slope, sd): (&f64, &f64)| if *sd > 0.0 { slope / count / sd } else { 0.0 };
        let slopes = Array2::from_shape_vec(sd.raw_dim(), slope.iter().zip(&sd).map(per_component).collect());
        let pull = terms.pull * slopes.unwrap_or_else(|_| Array2::zeros(shape));
        let log_likelihood = terms.log_likelihood;
        Ok(Terms { components: components.into_iter().map(Some).collect(), ..Terms::new(log_likelihood, finite(pull)) })
    }
}

/// The terms of an innovation of variance R + diag(`variance`), both `[member, value]`.
fn of_innovation(at: &Point, innovation: Array2<f64>, variance: &Array2<f64>) -> Result<Terms> {
    let product = |v: &_| Result::Ok(error_times(at.observed(), v) + variance * v);
    let (pull, _) = SOLVER.solve(&innovation, product)?;
    Ok(Terms::gaussian(&innovation, pull))
}

/// No pull of a member where one is no number.
fn finite(mut pull: Array2<f64>) -> Array2<f64> {
    for mut row in pull.outer_iter_mut().filter(|row| row.iter().any(|w| !w.is_finite())) {
        row.fill(0.0);
    }
    pull
}

impl Guidance for FlowDas {
    fn terms(&self, at: &Point) -> Result<Terms> {
        match self.form {
            Form::Published { rate } => Ok(self.published(at, rate)),
            Form::Corrected => self.corrected(at),
        }
    }

    fn caveat(&self) -> Option<&'static str> {
        Some(match self.form {
            Form::Published { .. } => {
                "is guided by the gradient of the residual's norm, as published for FlowDAS; that sees neither the observation \
                 error nor how small the innovation is, and only weights along the path make up for it."
            }
            Form::Corrected => {
                "is guided by the variance of each value alone; its draws are those of the posterior where values are \
                 independent given the noised state."
            }
        })
    }
}
