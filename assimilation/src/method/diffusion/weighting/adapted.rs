//! The fully adapted auxiliary filter with a denoiser's moments (FA-APF, 2026, arXiv:2605.20028; Pitt and Shephard 1999):
//! p(y | x_k) before anything is advanced.
//!
//! At the largest noise level z_t says nothing, so that D at z_t = 0 is the mean of p(z | x_k) and C = (sigma^2 / alpha) J its
//! covariance (Tweedie), both short by 1 / (1 + sigma^2) for unit normals. Then p(y | x_k) = N(y; h(x(D)), R + H S C S H^T).
//! Exact, up to that, for Gaussian laws and linear operators; elsewhere it is what moment matching makes of it. One evaluation,
//! and as many vector-Jacobian products as values are present.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Forecaster};

use super::rule::{Ancestors, BuildWeighting, Predictive, Weighting};
use crate::error::Result;
use crate::linalg::Cholesky;
use crate::method::diffusion::guidance::{Jacobian, Point, Unguided};
use crate::observations::ObservationSet;

pub(super) const ENTRY: Entry<BuildWeighting> = Entry {
    name: "adapted",
    about: "p(y | x_k) from the denoiser's moments at its largest noise, before members are advanced",
    reference: "FA-APF 2026, arXiv:2605.20028; Pitt and Shephard 1999",
    params: &[],
    build: |_| Arc::new(Adapted),
};

/// p(y | x_k) from the moments of the denoiser.
#[derive(Clone, Copy, Debug)]
pub struct Adapted;

/// What the denoiser makes of the values that are present, given x_k.
struct Moments {
    /// x(D), `[member, component]`.
    state: Array2<f64>,
    /// y - h(x(D)), `[member, present]`.
    residual: Array2<f64>,
    /// The columns of the covariances of the values, `[member, present]` each.
    columns: Vec<Array2<f64>>,
}

impl Moments {
    fn new(Ancestors { model, x, observed, largest }: &Ancestors) -> Result<Option<Self>> {
        let Some(conditional) = model.denoiser() else { return Ok(None) };
        let bound = conditional.bind(observed.step - 1, x.view())?;
        let nothing = Array2::zeros(bound.to_state.offset.raw_dim());
        let unguided = Unguided { denoiser: &*bound.denoiser, to_state: &bound.to_state, observed: observed.view() };
        let point = Point::new(unguided, nothing.view(), &[*largest], Jacobian::OfDenoiser)?;
        let present = observed.present();
        let column = |value: &usize| -> Result<Array2<f64>> {
            let mut unit = Array2::zeros(point.residual().raw_dim());
            unit.column_mut(*value).fill(1.0);
            Ok(point.predictive_times(&unit)?.select(Axis(1), &present))
        };
        let columns = present.iter().map(column).collect::<Result<_>>()?;
        let residual = point.residual().select(Axis(1), &present);
        Ok(Some(Self { state: point.state().clone(), residual, columns }))
    }

    /// The symmetric part of the covariance of one member, `[present, present]`.
    fn covariance(&self, member: usize) -> Array2<f64> {
        let at = |i: usize, j: usize| self.columns[j][(member, i)];
        Array2::from_shape_fn((self.columns.len(), self.columns.len()), |(i, j)| 0.5 * (at(i, j) + at(j, i)))
    }
}

impl Weighting for Adapted {
    fn is_local(&self) -> bool {
        true
    }

    fn require(&self, _: &dyn Forecaster, observed: &ObservationSet) -> Result<()> {
        observed.require_gaussian("guided")?;
        observed.require_derivative("guided")
    }

    fn before(&self, ancestors: &Ancestors) -> Result<Option<Array1<f64>>> {
        let Some(moments) = Moments::new(ancestors)? else { return Ok(None) };
        // a member whose moments are not those of a law has no weight
        let of = |(member, residual): (usize, ndarray::ArrayView1<f64>)| {
            let factor = Cholesky::new(moments.covariance(member).view());
            factor.map_or(f64::NEG_INFINITY, |factor| factor.log_normal(&residual.to_owned()).0)
        };
        Ok(Some(moments.residual.outer_iter().enumerate().map(of).collect()))
    }

    fn predictive(&self, ancestors: &Ancestors) -> Result<Option<Predictive>> {
        let Some(Moments { state, residual, columns }) = Moments::new(ancestors)? else { return Ok(None) };
        let values = ancestors.observed.values.select(Axis(0), &ancestors.observed.present());
        let variance = Array2::from_shape_fn(residual.raw_dim(), |(member, value)| columns[value][(member, value)]);
        Ok(Some(Predictive { state, mean: values - residual, variance }))
    }
}
