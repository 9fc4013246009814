//! The Kalman filter: the exact posterior N(m, P) of a linear-Gaussian problem (Kalman 1960).
//!
//! Forecast: m <- A m + b, P <- A P A^T + Q, once a lead step. Analysis: S = H P H^T + R, K = P H^T S^-1,
//! m <- m + K d with d = y - H m, and P in Joseph's form. log p(y) = log N(d; 0, S).

use ndarray::Array1;
use scorecast_systems::{Entry, Forecaster, Key, LinearGaussian, Param, Settings};

use crate::error::{Error, Result};
use crate::gaussian::{Gaussian, symmetric};
use crate::method::around::quality_control::OUTLIER_THRESHOLD;
use crate::method::build::MethodBuild;
use crate::method::kalman::gaussian_cycle::{GaussianCycle, GaussianRule};
use crate::method::memory;
use crate::method::shared::MEMBERS;
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "kalman",
    about: "Kalman filter: exact for a linear-Gaussian forecaster and a linear operator",
    reference: "Kalman 1960",
    params: &[Param { about: "draws of the exact posterior to give beside its moments", ..MEMBERS }, OUTLIER_THRESHOLD],
    build: MethodBuild::for_linear_operators(&[Need::LinearGaussian], |settings: &Settings| {
        Ok(Box::new(
            GaussianCycle::new(Kalman, settings.count(MEMBERS.key))
                .with_quality_control(settings.optional_number(OUTLIER_THRESHOLD.key)),
        ))
    })
    .holding(memory::of_covariance),
};

/// The rules of the exact filter.
#[derive(Clone, Copy, Debug)]
pub struct Kalman;

/// m <- A m + b, P <- A P A^T + Q.
pub(crate) fn advance(law: &LinearGaussian, state: &mut Gaussian) {
    state.mean = law.matrix.dot(&state.mean) + &law.offset;
    state.covariance = symmetric(law.matrix.dot(&state.covariance).dot(&law.matrix.t()) + &law.covariance);
}

impl GaussianRule for Kalman {
    fn name(&self) -> &'static str {
        "kalman"
    }

    fn forecast(&self, model: &dyn Forecaster, state: &mut Gaussian, from: usize, to: usize, _key: Key) -> Result<()> {
        let law = model.linear_gaussian().ok_or_else(|| {
            Error::Unsupported(
                "method `kalman` needs a forecaster whose one-step law is linear and Gaussian (system `ou`, or the \
                 forecaster `linear`); use `etkf` with this one"
                    .to_owned(),
            )
        })?;
        (from..to).for_each(|_| advance(&law, state));
        Ok(())
    }

    fn analyse(&mut self, forecast: &Gaussian, observed: &ObservationSet) -> Result<(Gaussian, Diagnostics)> {
        let h = observed.matrix().ok_or_else(|| {
            Error::Unsupported(format!(
                "method `kalman` needs a linear operator, which `{}` is not; use `etkf` or `bootstrap`",
                observed.operator.name()
            ))
        })?;
        let present = observed.restrict(forecast.mean.view().insert_axis(ndarray::Axis(0)))?;
        let innovation: Array1<f64> = &present.values - &h.dot(&forecast.mean);
        let mut posterior = forecast.clone();
        let log_evidence = posterior.condition(&h, &innovation, &present.covariance())?;
        Ok((posterior, Diagnostics::from([("log_evidence", log_evidence)])))
    }
}
