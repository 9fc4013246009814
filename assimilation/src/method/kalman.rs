//! The Kalman filter: the exact posterior N(m, P) of a linear-Gaussian problem (Kalman 1960).
//!
//! Forecast: m <- A m + b, P <- A P A^T + Q, once a lead step. Analysis: S = H P H^T + R, K = P H^T S^-1,
//! m <- m + K d with d = y - H m, and P <- (I - K H) P (I - K H)^T + K R K^T (Joseph's form, which stays symmetric and
//! positive semi-definite under round-off). log p(y) = log N(d; 0, S).

use ndarray::{Array1, Array2};
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use super::{Build, MEMBERS};
use crate::linalg::{Cholesky, all_finite, covariance, symmetric_sqrt};
use crate::problem::{Cycle, Error, Outcome, Prior, Result, Seen, weighted_mean};
use crate::state::{pack, unpack};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "kalman",
    about: "Kalman filter: exact for a linear-Gaussian forecaster and a linear operator",
    reference: "Kalman 1960",
    params: &[Param { about: "draws of the exact posterior to give beside its moments", ..MEMBERS }],
    build: |settings: &Settings| Ok(Box::new(Kalman::new(settings.count("members")))),
};

/// The exact filter.
pub struct Kalman {
    members: usize,
    step: usize,
    mean: Array1<f64>,
    covariance: Array2<f64>,
}

impl Kalman {
    /// A filter that gives `members` draws of the posterior beside its moments.
    pub fn new(members: usize) -> Self {
        Self { members, step: 0, mean: Array1::zeros(0), covariance: Array2::zeros((0, 0)) }
    }

    /// Carries the moments to lead step `step`.
    fn forecast(&mut self, model: &dyn Forecaster, step: usize) -> Result<()> {
        let law = model.linear_gaussian().ok_or_else(|| {
            Error::Unsupported(
                "method `kalman` needs a forecaster whose one-step law is linear and Gaussian (system `ou`, or the \
                 forecaster `linear`); use `etkf` with this one"
                    .to_owned(),
            )
        })?;
        if law.offset.len() != self.mean.len() {
            return Err(Error::Shape(format!(
                "the prior has {} components but the forecaster {}; give a prior of {}",
                self.mean.len(),
                law.offset.len(),
                law.offset.len()
            )));
        }
        for _ in self.step..step {
            self.mean = law.matrix.dot(&self.mean) + &law.offset;
            self.covariance = symmetric(law.matrix.dot(&self.covariance).dot(&law.matrix.t()) + &law.covariance);
        }
        self.step = self.step.max(step);
        Ok(())
    }

    /// Conditions the moments on one set of observations; gives log p(y).
    fn analyse(&mut self, seen: &Seen) -> Result<f64> {
        let present = seen.restrict(self.mean.view().insert_axis(ndarray::Axis(0)))?;
        let h = seen.matrix().ok_or_else(|| {
            Error::Unsupported(format!(
                "method `kalman` needs a linear operator, which `{}` is not; use `etkf` or `bootstrap`",
                seen.operator.name()
            ))
        })?;
        if present.index.is_empty() {
            return Ok(0.0);
        }
        let innovation = &present.values - &h.dot(&self.mean);
        let r = present.covariance();
        let s = Cholesky::new((h.dot(&self.covariance).dot(&h.t()) + &r).view())?;
        let mut gain = h.dot(&self.covariance);
        s.solve_in_place(&mut gain);
        let gain = gain.reversed_axes();
        self.mean += &gain.dot(&innovation);
        let left = Array2::eye(self.mean.len()) - gain.dot(&h);
        self.covariance = symmetric(left.dot(&self.covariance).dot(&left.t()) + gain.dot(&r).dot(&gain.t()));
        Ok(s.log_normal(&innovation).0)
    }

    /// Draws of N(mean, covariance), the same normals each time that the address is the same.
    fn draws(&self, key: Key) -> Result<Array2<f64>> {
        let root = symmetric_sqrt(self.covariance.view())?;
        Ok(key.normals(self.members, self.mean.len()).dot(&root) + &self.mean)
    }
}

fn symmetric(matrix: Array2<f64>) -> Array2<f64> {
    0.5 * (&matrix + &matrix.t())
}

impl Cycle for Kalman {
    /// A prior ensemble is taken as the Gaussian of its mean and covariance.
    fn start(&mut self, prior: &Prior, step: usize, _key: Key) -> Result<()> {
        self.step = step;
        (self.mean, self.covariance) = match prior {
            Prior::Gaussian { mean, covariance } => (mean.clone(), covariance.clone()),
            Prior::Ensemble(draws) => {
                super::require_members(draws.nrows())?;
                (weighted_mean(draws.view(), None), covariance(draws.view(), None))
            }
        };
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.require_gaussian("kalman")?;
        self.forecast(model, seen.step)?;
        if !all_finite(self.covariance.view()) {
            let mut outcome = super::unchanged(Array2::from_elem((self.members, self.mean.len()), f64::NAN));
            outcome.gaussian = Some((self.mean.clone(), self.covariance.clone()));
            return Ok(outcome);
        }
        let key = key.purpose(Purpose::PosteriorDraw).at(seen.step as u64);
        let forecast = self.draws(key)?;
        let forecast_gaussian = Some((self.mean.clone(), self.covariance.clone()));
        let log_evidence = self.analyse(seen)?;
        let mut outcome = Outcome::new(forecast, self.draws(key)?);
        outcome.gaussian = Some((self.mean.clone(), self.covariance.clone()));
        outcome.forecast_gaussian = forecast_gaussian;
        outcome.diagnostics.insert("log_evidence", log_evidence);
        Ok(outcome)
    }

    fn save(&self) -> Vec<u8> {
        pack(self.step, &self.covariance, &self.mean.to_vec())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, covariance, mean) = unpack(bytes)?;
        if covariance.dim() != (mean.len(), mean.len()) {
            return Err(Error::State(format!(
                "it holds a matrix of {} x {} and {} further numbers, which is not the state of `kalman`",
                covariance.nrows(),
                covariance.ncols(),
                mean.len()
            )));
        }
        (self.step, self.mean, self.covariance) = (step, Array1::from_vec(mean), covariance);
        Ok(())
    }
}
