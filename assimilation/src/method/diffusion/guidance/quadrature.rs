//! Guidance by quadrature: each value's own likelihood integrated over what the denoiser leaves open of what it reads.
//!
//! Value j reads u = x_l, or u = h_j(x) where h is linear. Given z_t, u is taken as N(m, v) with m and v = Var[u | z_t] of
//! [`super::Guidance`]'s D and C, and l_j = log int p(y_j | u) N(u; m, v) du, by `nodes` equal steps t over +-8 sd,
//! u = m + t sqrt(v). Its pull is dl_j / dm = E[t | y_j] / sqrt(v), whatever p and h are: no derivative of h is asked for, so
//! that |x|, whose slope at D says nothing while its sign is open, is served as well as any error law. With Gaussian errors and
//! a linear h it is moment matching of each value alone: what values say of each other goes through J only.
//!
//! Where z given z_t has two modes it is no normal, and draws favour the heavier: |x| = 1.3 with an error variance of .25, of two
//! modes with weights .3 and .7, keeps .728 of them above 0 for .700 (moment matching .798).
//!
//! Errors narrower than a step, 16 sqrt(v) / nodes, are not resolved until the noise has gone down with v; on the way the pull
//! is then good to a step. v takes `probes` vector-Jacobian products (see [`Point::variances`]).

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use scorecast_systems::{Entry, Param, Result};

use super::point::Point;
use super::rule::{BuildGuidance, Guidance, Terms};
use crate::error::Error;
use crate::method::diffusion::counts;
use crate::observations::ObservationSet;

const NODES: Param = counts::repeats("nodes", 96, 2, "steps of the quadrature over 16 sd of what a value reads");
const PROBES: Param = counts::repeats(
    "probes",
    8,
    1,
    "vector-Jacobian products for the variances of what is read; values this far apart in order share one",
);

pub(super) const ENTRY: Entry<BuildGuidance> = Entry {
    name: "quadrature",
    about: "each value's likelihood integrated over what the denoiser leaves open: |x|, and any error law",
    reference: "",
    params: &[NODES, PROBES],
    build: |settings| Arc::new(Quadrature { nodes: settings.count(NODES.key), probes: settings.count(PROBES.key) }),
};

/// Half the range, in sd.
const REACH: f64 = 8.0;

/// Guidance by quadrature.
#[derive(Clone, Copy, Debug)]
pub struct Quadrature {
    /// Points of the quadrature.
    pub nodes: usize,
    /// Vector-Jacobian products for the variances.
    pub probes: usize,
}

impl Quadrature {
    /// t at the nodes.
    fn nodes(&self) -> impl Iterator<Item = f64> {
        let step = 2.0 * REACH / self.nodes as f64;
        (0..self.nodes).map(move |node| (node as f64 + 0.5) * step - REACH)
    }
}

impl Guidance for Quadrature {
    fn terms(&self, at: &Point) -> Result<Terms> {
        let observed = at.observed();
        let components = observed.operator.reads();
        let sd = match &components {
            Some(components) => at.component_variances(components, self.probes)?,
            None => at.variances(self.probes)?,
        };
        let sd = sd.mapv_into(f64::sqrt);
        let predicted = observed.operator.apply(observed.time, at.state().view());
        let at_node = |t: f64| match &components {
            Some(components) => {
                let mut state = at.state().clone();
                for (value, component) in components.iter().enumerate().filter(|(j, _)| !observed.values[*j].is_nan()) {
                    let moved = &at.state().column(*component) + &(&sd.column(value) * t);
                    state.column_mut(*component).assign(&moved);
                }
                observed.operator.apply(observed.time, state.view())
            }
            None => &predicted + &(&sd * t),
        };
        let mut integral = Integral::zero(sd.raw_dim());
        for t in self.nodes() {
            integral.add(t, observed, at_node(t).view());
        }
        let mut terms = integral.terms(&sd);
        for (member, mut row) in terms.pull.axis_iter_mut(Axis(0)).enumerate() {
            // as in the other rules a member whose residual is not finite is not pulled
            if !at.residual().row(member).iter().all(|r| r.is_finite()) || !row.iter().all(|w| w.is_finite()) {
                row.fill(0.0);
                terms.log_likelihood.row_mut(member).fill(0.0);
            }
        }
        if let Some(components) = components {
            terms.components = components.into_iter().map(Some).collect();
        }
        Ok(terms)
    }

    fn require(&self, observed: &ObservationSet) -> crate::error::Result<()> {
        let (h, error) = (observed.operator, observed.operator.error());
        if error.correlated().is_some() {
            return Err(Error::Unsupported(format!(
                "guidance \"quadrature\" takes values one by one, and the errors of operator `{}` are correlated; set \
                 guidance to \"moment_matched\"",
                h.name()
            )));
        }
        if h.reads().is_none() && !h.is_linear() {
            return Err(Error::Unsupported(format!(
                "guidance \"quadrature\" needs values that read one component each, or a linear operator (this is `{}`); set \
                 guidance to \"moment_matched\"",
                h.name()
            )));
        }
        Ok(())
    }
}

/// Sums over nodes of p(y_j | u) N(t; 0, 1) and of that times t, each relative to the largest so far, `[member, value]`.
struct Integral {
    largest: Array2<f64>,
    sum: Array2<f64>,
    first: Array2<f64>,
}

impl Integral {
    fn zero(shape: ndarray::Dim<[usize; 2]>) -> Self {
        let largest = Array2::from_elem(shape, f64::NEG_INFINITY);
        Self { largest, sum: Array2::zeros(shape), first: Array2::zeros(shape) }
    }

    fn add(&mut self, t: f64, observed: &ObservationSet, predicted: ArrayView2<f64>) {
        let law = observed.operator.error();
        for j in observed.present() {
            let log: Array1<f64> = law.log_likelihood(observed.values, predicted, &[j]) - 0.5 * t * t;
            for (member, log) in log.into_iter().enumerate() {
                // no likelihood, or no number
                if log.is_nan() || log == f64::NEG_INFINITY {
                    continue;
                }
                let (largest, sum, first) =
                    (&mut self.largest[(member, j)], &mut self.sum[(member, j)], &mut self.first[(member, j)]);
                if log > *largest {
                    let rescale = (*largest - log).exp();
                    (*sum, *first, *largest) = (*sum * rescale, *first * rescale, log);
                }
                let weight = (log - *largest).exp();
                (*sum, *first) = (*sum + weight, *first + weight * t);
            }
        }
    }

    /// l up to the constant of the step, and w.
    fn terms(self, sd: &Array2<f64>) -> Terms {
        let (mut log_likelihood, mut pull) = (Array2::zeros(sd.raw_dim()), Array2::zeros(sd.raw_dim()));
        ndarray::Zip::indexed(&mut log_likelihood).and(&mut pull).for_each(|at, log, pull| {
            let (sum, sd) = (self.sum[at], sd[at]);
            if sum > 0.0 {
                *log = self.largest[at] + sum.ln();
                *pull = if sd > 0.0 { self.first[at] / sum / sd } else { 0.0 };
            }
        });
        Terms::new(log_likelihood, pull)
    }
}
