//! The extended Kalman filter (Jazwinski 1970).
//!
//! Forecast, once a lead step: m <- E[x_{k+1} | x_k = m], P <- F P F^T + Q with F the derivative of the lead step at m (a
//! tangent for each component) and Q the covariance of its noise there: A, b and Q of a linear-Gaussian forecaster, the
//! moments of a Gaussian kernel, otherwise the moments of draws (see `step_law`; none are needed without noise).
//! Analysis: the Kalman update with H the Jacobian of h at m and d = y - h(m), in Joseph's form. `inflation` multiplies
//! the analysis covariance by its square. Exact where everything is linear and Gaussian.

use ndarray::{Array1, Array2, Axis, array};
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use crate::error::{Error, Result};
use crate::gaussian::{Gaussian, symmetric};
use crate::method::around::inflation::INFLATION;
use crate::method::around::quality_control::OUTLIER_THRESHOLD;
use crate::method::build::MethodBuild;
use crate::method::kalman::gaussian_cycle::{GaussianCycle, GaussianRule};
use crate::method::memory;
use crate::method::shared::MEMBERS;
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;
use crate::step_law;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "extended",
    about: "extended Kalman filter: the covariance carried by tangents of the forecaster",
    reference: "Jazwinski 1970",
    params: &[
        Param {
            about: "draws of the posterior to give beside its moments, and of noise without a closed form",
            ..MEMBERS
        },
        INFLATION,
        OUTLIER_THRESHOLD,
    ],
    build: MethodBuild::new(&[Need::Derivative], |settings: &Settings| {
        let members = settings.count(MEMBERS.key);
        let rule = Extended { inflation: settings.number(INFLATION.key), draws: members };
        Ok(Box::new(
            GaussianCycle::new(rule, members).with_quality_control(settings.optional_number(OUTLIER_THRESHOLD.key)),
        ))
    })
    .holding(memory::of_covariance),
};

/// The rules of the extended Kalman filter.
#[derive(Clone, Debug)]
pub struct Extended {
    /// Factor of the standard deviations of the analysis.
    pub inflation: f64,
    /// Draws of a lead step whose moments have no closed form, at least 2.
    pub draws: usize,
}

/// Lead step `k` at `mean` (m, `[component]`), in the name of `method`: E[x_{k+1} | x_k = m], F and Q, by `draws` draws where
/// they have no closed form.
///
/// # Errors
/// When the forecaster fails or its derivative is not known.
pub(crate) fn transition(
    method: &str,
    model: &dyn Forecaster,
    mean: &Array1<f64>,
    k: usize,
    draws: usize,
    key: Key,
) -> Result<(Array1<f64>, Array2<f64>, Array2<f64>)> {
    let derivative = model.differentiable().ok_or_else(|| {
        Error::Unsupported(format!(
            "method `{method}` needs the derivative of the forecaster's lead step, which this one does not have; use \
             `etkf` with it"
        ))
    })?;
    let f = step_law::jacobian(derivative, k, mean.view(), draws, key)?;
    let (next, q) = step_law::moments(model, k, mean.view().insert_axis(Axis(0)), array![1.0].view(), draws, key)?;
    Ok((next.row(0).to_owned(), f, q))
}

impl Extended {
    fn advance(&self, model: &dyn Forecaster, state: &mut Gaussian, k: usize, key: Key) -> Result<()> {
        let (mean, f, q) = transition("extended", model, &state.mean, k, self.draws, key)?;
        state.mean = mean;
        state.covariance = symmetric(f.dot(&state.covariance).dot(&f.t()) + &q);
        Ok(())
    }
}

impl GaussianRule for Extended {
    fn name(&self) -> &'static str {
        "extended"
    }

    fn require(&self, observed: &ObservationSet) -> Result<()> {
        observed.require_gaussian(self.name())?;
        observed.require_derivative(self.name())
    }

    fn forecast(&self, model: &dyn Forecaster, state: &mut Gaussian, from: usize, to: usize, key: Key) -> Result<()> {
        let linear = model.linear_gaussian();
        let key = key.purpose(Purpose::ProcessNoise);
        for k in from..to {
            match &linear {
                Some(law) => crate::method::kalman::kalman::advance(law, state),
                None => self.advance(model, state, k, key)?,
            }
        }
        Ok(())
    }

    fn analyse(&mut self, forecast: &Gaussian, observed: &ObservationSet) -> Result<(Gaussian, Diagnostics)> {
        let present = observed.restrict(forecast.mean.view().insert_axis(Axis(0)))?;
        let innovation = &present.values - &present.predicted.row(0);
        let mut posterior = forecast.clone();
        let log_evidence =
            posterior.condition(&observed.jacobian(forecast.mean.view()), &innovation, &present.covariance())?;
        posterior.covariance *= self.inflation * self.inflation;
        Ok((posterior, Diagnostics::from([("log_evidence", log_evidence)])))
    }
}
