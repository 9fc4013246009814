//! One assimilation row on one replicate: the loop over observation times.

use std::time::Instant;

use ndarray::{Array1, ArrayView1};

use super::alarm::Alarm;
use super::analysed::Analysed;
use super::beside::Beside;
use super::network::ObservingNetwork;
use super::replicate::Replicate;
use crate::assimilation::{Cycle, Error, METHODS, Smoothed};
use crate::failure::Result;
use crate::spec::AssimilatePlan;
use crate::systems::{Forecaster, registry};

/// How one run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The lead step at which it diverged, if it did.
    pub diverged: Option<usize>,
    /// What the method said where it could not go on, as a clause; then it counts as diverged.
    pub failed: Option<String>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Analyses made.
    pub cycles: usize,
}

impl Ended {
    /// What the method made at lead step `step`; none where its numbers failed, which ends the run there.
    fn outcome_of<T>(&mut self, made: Result<T, Error>, step: usize) -> Result<Option<T>> {
        match made {
            Ok(made) => Ok(Some(made)),
            Err(error @ Error::Singular(_)) => {
                (self.diverged, self.failed) = (Some(step), Some(error.to_string()));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Builds the method of a row.
///
/// # Errors
/// When its settings do not fit together.
pub fn method(row: &AssimilatePlan) -> Result<Box<dyn Cycle>> {
    let entry = registry::find(METHODS, "method", &row.method)?;
    Ok((entry.build.make)(&row.settings)?)
}

/// What is done with what a row says.
pub trait Visitor {
    /// Takes the outcome of one set of observations, by its index; `false` ends the run.
    fn analysed(&mut self, index: usize, analysed: &Analysed) -> bool;

    /// Takes the outcome at which the alarm rang, the run's last.
    fn diverged(&mut self, index: usize, analysed: &Analysed) {
        let _ = (index, analysed);
    }

    /// Takes what a smoother says of an earlier time.
    fn smoothed(&mut self, smoothed: &Smoothed);
}

/// Runs a row on a replicate and hands what it says to `visitor`. Of a row that estimates parameters `model` is that of the
/// state with them ([`parameters::forecaster`](super::parameters::forecaster)).
///
/// # Errors
/// When the forecaster fails, or the method for another reason than its numbers; divergence is a result, and so is a
/// method whose numbers fail.
pub fn run(
    row: &AssimilatePlan,
    model: &dyn Forecaster,
    network: &ObservingNetwork,
    replicate: &Replicate,
    dt: f64,
    alarm: &mut Alarm,
    visitor: &mut dyn Visitor,
) -> Result<Ended> {
    let begun = Instant::now();
    let mut filter = method(row)?;
    let (beside, dim) = (Beside::of(row, model, network)?, network.operator.state_dim());
    let operator = beside.operator(network.operator.as_ref());
    let operator = operator.get();
    let prior = beside.prior(&replicate.prior, replicate.key)?;
    match &network.climate {
        Some(climate) => {
            let climate = beside.prior(climate, replicate.key)?;
            filter.start_in_climate(&prior, &climate, 0, replicate.key)?;
        }
        None => filter.start(&prior, 0, replicate.key)?,
    }
    let mut ended = Ended { diverged: None, failed: None, seconds: 0.0, cycles: 0 };
    let mut stopped = false;
    for index in 0..network.sets_of(row).len() {
        let now = replicate.observed(index, dt, operator);
        let Some(outcome) = ended.outcome_of(filter.step(model, &now, replicate.key), now.step)? else { break };
        let (outcome, estimate) = beside.split(outcome, dim);
        ended.cycles += 1;
        let truth = replicate.truth.as_ref().map(|truth| truth.row(now.step));
        let (mean, variance) = outcome.mean_and_variance();
        let error = truth.map(|truth| root_mean_square(&mean, truth));
        let analysed = Analysed { mean, variance, error, outcome, estimate };
        if alarm.rings(now.step, &analysed) {
            ended.diverged = Some(now.step);
            visitor.diverged(index, &analysed);
            break;
        }
        analysed.outcome.smoothed.iter().for_each(|earlier| visitor.smoothed(earlier));
        if !visitor.analysed(index, &analysed) {
            stopped = true;
            break;
        }
    }
    if ended.diverged.is_none() && !stopped {
        let last = network.sets_of(row).last().copied().unwrap_or(0);
        let smoothed = ended.outcome_of(filter.finish(model, Some(operator), replicate.key), last)?;
        let smoothed = smoothed.into_iter().flatten();
        smoothed.for_each(|earlier| visitor.smoothed(&beside.split_smoothed(earlier, dim)));
    }
    ended.seconds = begun.elapsed().as_secs_f64();
    Ok(ended)
}

/// sqrt(mean over components of (mean - truth)^2).
pub fn root_mean_square(mean: &Array1<f64>, truth: ArrayView1<f64>) -> f64 {
    let squares: f64 = mean.iter().zip(truth).map(|(m, x)| (m - x) * (m - x)).sum();
    (squares / mean.len() as f64).sqrt()
}
