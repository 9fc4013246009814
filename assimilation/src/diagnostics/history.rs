//! The signs of a run: a few numbers of each analysis, from which [`History::diagnose`] tells why it went wrong.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::spectrum::Spectrum;
use crate::ensemble::all_finite;
use crate::ensemble::weighted_variance;
use crate::error::{Error, Result};
use crate::innovation::innovation;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::screening::used;

/// The signs of one analysis.
#[derive(Clone, Debug)]
pub struct Signs {
    /// The lead step.
    pub step: usize,
    /// The number of members.
    pub members: usize,
    /// Root mean square error of the mean, where the truth is known.
    pub error: Option<f64>,
    /// Root mean variance of the analysis.
    pub spread: f64,
    /// The effective sample size of the weights that the observations left, of a method that weighs its members.
    pub ess: Option<f64>,
    /// d^T S^-1 d / p of the innovations; none without values.
    pub chi_square: Option<f64>,
    /// Mean of d^2 over the values.
    pub innovation_square: Option<f64>,
    /// Mean of s^2, the variance of the forecast's h(x), over the values.
    pub background: Option<f64>,
    /// Mean of s^2 + r over the values: what the filter supposes of d^2.
    pub innovation_variance: Option<f64>,
    /// The rank of the forecast's anomalies, and the highest that is possible; none where it has diverged.
    pub rank: Option<(usize, usize)>,
    /// Members of the forecast that are not finite.
    pub forecast_lost: usize,
    /// The first of them.
    pub first_lost: Option<usize>,
    /// The largest absolute value of the analysis.
    pub largest: f64,
    /// Members whose state is finite and whose h(x) is not.
    pub predicted_lost: usize,
    /// Members of the analysis that are not finite.
    pub analysis_lost: usize,
}

/// The signs of a run, as they come.
#[derive(Clone, Debug, std::default::Default)]
pub struct History {
    signs: Vec<Signs>,
}

impl History {
    /// Takes one analysis; `error` is the root mean square error of its mean where the truth is known.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn add(&mut self, outcome: &Outcome, observed: &ObservationSet, error: Option<f64>) -> Result<()> {
        let forecast = outcome.forecast.view();
        let values = used(outcome, observed);
        let lost = |x: ArrayView2<f64>| x.outer_iter().filter(|row| !is_finite(row)).count();
        let present = observed.restrict(forecast)?;
        let predicted = &present.predicted;
        let rows = forecast.outer_iter().zip(predicted.outer_iter());
        let predicted_lost = rows.filter(|(x, h)| is_finite(x) && !is_finite(h));
        let (predicted_lost, forecast_lost) = (predicted_lost.count(), lost(forecast));
        let sound = forecast_lost == 0 && all_finite(predicted.view()) && predicted.ncols() > 0;
        let found = match innovation(outcome, &ObservationSet { values: values.view(), ..*observed }) {
            Ok(found) => found.filter(|found| sound && found.chi_square.is_finite()),
            // members so far apart that their covariance is lost in rounding: about to blow up
            Err(Error::Singular(_)) => None,
            Err(problem) => return Err(problem),
        };
        // of the values that the innovations are of
        let background = match &found {
            Some(found) => {
                let used: Vec<usize> =
                    (0..present.index.len()).filter(|&at| !values[present.index[at]].is_nan()).collect();
                match outcome.forecast_gaussian {
                    Some(_) => (&found.variance - &present.variance.select(Axis(0), &used)).mean(),
                    None => {
                        let predicted = predicted.select(Axis(1), &used);
                        weighted_variance(predicted.view(), outcome.forecast_weights.as_ref()).mean()
                    }
                }
            }
            None => None,
        };
        // members beside an exact Gaussian are draws: their rank says nothing
        let spectrum = match outcome.forecast_gaussian {
            None => Spectrum::new(forecast, outcome.forecast_weights.as_ref())?,
            Some(_) => None,
        };
        let mean_square = |d: &ndarray::Array1<f64>| d.dot(d) / d.len() as f64;
        self.signs.push(Signs {
            step: observed.step,
            members: forecast.nrows(),
            error,
            spread: outcome.variance().mean().unwrap_or(f64::NAN).sqrt(),
            ess: outcome.diagnostics.get("ess").copied(),
            chi_square: found.as_ref().map(|found| found.chi_square),
            innovation_square: found.as_ref().map(|found| mean_square(&found.residual)),
            background,
            innovation_variance: found.as_ref().and_then(|found| found.variance.mean()),
            rank: spectrum.map(|spectrum| (spectrum.rank(), spectrum.full_rank)),
            forecast_lost,
            first_lost: forecast.outer_iter().position(|row| !is_finite(&row)),
            largest: outcome.ensemble.iter().fold(0.0, |largest, x| x.abs().max(largest)),
            predicted_lost,
            analysis_lost: lost(outcome.ensemble.view()),
        });
        Ok(())
    }

    /// The signs, one for each analysis.
    pub fn signs(&self) -> &[Signs] {
        &self.signs
    }
}

fn is_finite(row: &ArrayView1<f64>) -> bool {
    row.iter().all(|value| value.is_finite())
}

/// The root mean square error of the mean of an outcome, for [`History::add`].
pub fn error(outcome: &Outcome, truth: ArrayView1<f64>) -> f64 {
    let difference = outcome.mean() - truth;
    let mean = difference.insert_axis(Axis(0)).mapv(|e| e * e).mean();
    mean.unwrap_or(f64::NAN).sqrt()
}
