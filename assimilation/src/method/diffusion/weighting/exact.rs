//! p(y | x_k) = N(y; H m(x_k), H C H^T + R) where the one-step law is Gaussian with known moments and h linear, and a sum of
//! such where it is a mixture of Gaussians. It depends on x_k only, so ancestors are weighed and resampled *before* they are advanced: the fully adapted auxiliary particle filter
//! (Pitt and Shephard 1999).

use std::sync::Arc;

use ndarray::Array1;
use scorecast_systems::{Entry, Forecaster};

use super::rule::{Ancestors, BuildWeighting, Predictive, Weighting};
use crate::error::{Error, Result};
use crate::method::particle::one_step;
use crate::need::Need;
use crate::observations::ObservationSet;

pub(super) const ENTRY: Entry<BuildWeighting> = Entry {
    name: "exact",
    about: "p(y | x_k) in closed form",
    reference: "Pitt and Shephard 1999",
    params: &[],
    build: |_| Arc::new(Exact),
};

/// p(y | x_k) in closed form.
#[derive(Clone, Copy, Debug)]
pub struct Exact;

impl Weighting for Exact {
    fn is_local(&self) -> bool {
        true
    }

    fn require(&self, model: &dyn Forecaster, observed: &ObservationSet) -> Result<()> {
        if Need::Mixture.offered_by(model) && observed.operator.error().is_gaussian() && observed.operator.is_linear() {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "`weights = \"exact\"` needs a forecaster whose one-step law is Gaussian with known moments, or a mixture of such, \
             a linear operator and Gaussian errors (this is `{}`); set weights to \"path\"",
            observed.operator.name()
        )))
    }

    fn before(&self, ancestors: &Ancestors) -> Result<Option<Array1<f64>>> {
        one_step::log_predictive(ancestors.model, ancestors.x, &ancestors.observed).map(Some)
    }

    fn predictive(&self, ancestors: &Ancestors) -> Result<Option<Predictive>> {
        let (state, mean, variance) = one_step::predictive(ancestors.model, ancestors.x, &ancestors.observed)?;
        Ok(Some(Predictive { state, mean, variance }))
    }
}
