//! Decoupled annealing posterior sampling (Zhang et al. 2024): z given z_t and y is drawn, not its mean followed, and what is drawn
//! is noised anew ([`super::anew`]).
//!
//! z given z_t is taken as N(D, v I), with v = sigma^2 / (alpha^2 + sigma^2) that of unit normals, and drawn under p(y | x(z)): where
//! h is linear and errors are Gaussian at once, z + v S H^T V^-1 (y + e - h(x(z))) of a z of that law and an error e (V = R + v H S S
//! H^T); otherwise by `sweeps` elliptical slices ([`super::elliptical`]) from what was drawn at the level before, component by component
//! where each value reads one, which asks for no derivative of h and goes from mode to mode. (The source takes Langevin steps, whose
//! length is a matter of h and R.)
//! The terms are those of its mean, by which paths are guided where weights are made along them: draws noised anew have no path. No
//! vector-Jacobian product is taken.
//!
//! Where the components of z are independent unit normals draws are those of the posterior, whatever h and the errors. Elsewhere N(D,
//! v I) is not the law of z given z_t, but what it gets wrong is noised over: draws come to the posterior in the inverse of the number
//! of steps. Of unit normals of correlation .8, one of them observed with an error variance of .05, the mean is off by .27, .09, .05
//! sd after 64, 200, 400 steps, and the sd 1.07, 1.02, 1.01 times the exact one. Of two modes of weights .25 and .75 given a value, the
//! heavier keeps .70 and .74 after 64 and 400 steps; of |x| = 1.3 in `quadrature`, .74 for .70 after either.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use scorecast_systems::{Entry, Param, Result, Stream};

use super::anew::Drawing;
use super::elliptical::{Prior, slice};
use super::frames::by_frame;
use super::point::Point;
use super::pseudo_inverse::unit_variance;
use super::quadrature::Quadrature;
use super::rule::{BuildGuidance, Guidance, Jacobian, Terms};
use super::without_products::{pull, solve};
use crate::method::diffusion::counts;
use crate::method::diffusion::likelihood::error_draws;
use crate::observations::ObservationSet;
use crate::observe::operator::vjp;

const SWEEPS: Param = counts::repeats(
    "sweeps",
    8,
    1,
    "elliptical slices at each noise level, where h is not linear or errors not Gaussian",
);

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "daps",
    about: "z drawn given z_t and y and noised anew: any h and error law, no vector-Jacobian products, many steps",
    reference: "Zhang et al. 2024, arXiv:2407.01521",
    params: &[SWEEPS],
    build: |settings| Arc::new(Daps { sweeps: settings.count(SWEEPS.key) }),
};

/// Decoupled annealing posterior sampling.
#[derive(Clone, Copy, Debug)]
pub struct Daps {
    /// Elliptical slices at each level.
    pub sweeps: usize,
}

/// Whether z given z_t and y is normal where z given z_t is.
fn is_normal(observed: &ObservationSet) -> bool {
    observed.operator.is_linear() && observed.operator.error().is_gaussian()
}

/// The components that values read, where each reads one and errs by itself.
fn read_alone(observed: &ObservationSet) -> Option<Vec<usize>> {
    observed.operator.reads().filter(|_| observed.operator.error().correlated().is_none())
}

impl Guidance for Daps {
    fn terms(&self, at: &Point) -> Result<Terms> {
        match read_alone(at.observed()) {
            // the derivative of unit normals keeps components apart, so that one probe is exact
            Some(_) if !is_normal(at.observed()) => Quadrature { nodes: 96, probes: 1 }.terms(at),
            _ => solve(at, unit_variance),
        }
    }

    fn jacobian(&self) -> Jacobian {
        Jacobian::OfUnitNormals
    }

    fn drawing(&self) -> Option<&dyn Drawing> {
        Some(self)
    }

    fn require(&self, observed: &ObservationSet) -> crate::error::Result<()> {
        if read_alone(observed).is_some() {
            return Ok(());
        }
        observed.require_gaussian("guided")?;
        observed.require_derivative("guided")
    }

    fn caveat(&self) -> Option<&'static str> {
        Some(
            "draws, where weights are not along the path, as if the components were independent and of unit variance given the noised state, and noises anew; where they \
             are not its draws come to those of the posterior in the inverse of the number of steps (with a correlation of .8 the \
             mean is off by .27 sd at 64 steps, .05 at 400).",
        )
    }
}

impl Drawing for Daps {
    fn draw(&self, at: &Point, before: Option<&Array2<f64>>, streams: &mut [Stream]) -> Result<Array2<f64>> {
        let sd = by_frame(at.levels(), at.free().ncols(), |level| unit_variance(level).sqrt());
        let prior = Prior { mean: at.free(), sd: &sd };
        if is_normal(at.observed()) {
            return condition(at, prior.draw(streams), &sd, streams);
        }
        let mut z = before.cloned().unwrap_or_else(|| prior.draw(streams));
        for _ in 0..self.sweeps {
            slice(&mut z, &prior, streams, |z| log_likelihood(at, z));
        }
        Ok(z)
    }
}

/// A draw of the law under values of a linear h with Gaussian errors, from one of the law without them.
fn condition(at: &Point, z: Array2<f64>, sd: &Array1<f64>, streams: &mut [Stream]) -> Result<Array2<f64>> {
    let observed = at.observed();
    let (state, scale) = (at.to_state().apply(&z), &at.to_state().scale);
    let observing = observed.operator.apply(observed.time, state.view());
    let innovation = observed.clear_missing(&observed.values - &observing + error_draws(observed, streams));
    let pull = vjp(observed.operator, observed.time, state.view(), pull(at, &innovation, unit_variance)?.view());
    Ok(z + pull * scale * &(sd * sd))
}

/// log p(y | x(z)), `[member, component]` where values read one each, otherwise `[member, 1]`.
fn log_likelihood(at: &Point, z: &Array2<f64>) -> Array2<f64> {
    let (observed, state) = (at.observed(), at.to_state().apply(z));
    let Some(components) = read_alone(observed) else {
        return observed.log_likelihood(state.view()).insert_axis(ndarray::Axis(1));
    };
    let (law, predicted) = (observed.operator.error(), observed.operator.apply(observed.time, state.view()));
    let mut out = Array2::zeros(z.raw_dim());
    for value in observed.present() {
        for (member, predicted) in predicted.column(value).iter().enumerate() {
            out[(member, components[value])] += law.log_likelihood_of(value, observed.values[value], *predicted);
        }
    }
    out
}
