//! The check of observed values against gross errors.
//!
//! A value y is an outlier where |y - m| > t sqrt(s + r), with m and s mean and variance of the forecast's h(x), r the
//! variance of its error and t a threshold. Where forecast and errors are Gaussian and honest, 2 (1 - Phi(t)) of the good
//! values are rejected: .27 % for t = 3.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::ensemble::{weighted_mean, weighted_variance};
use crate::error::Result;
use crate::innovation::innovation;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::quality::Quality;

/// The withheld values of one set, kept from the method, `[observed]` each: NaN in the place of the others.
#[derive(Clone, Copy)]
pub struct WithheldValues<'a> {
    /// Values that its forecast and its analysis are only compared with.
    pub evaluated: ArrayView1<'a, f64>,
    /// Values that the user chose not to use.
    pub not_used: ArrayView1<'a, f64>,
}

/// What became of each value of a whole set, `[observed]`: of those that the method was shown (`observed`) and of those that
/// were kept from it. With a `threshold` those to be evaluated may be outliers too, as in DART.
///
/// # Errors
/// When shapes do not fit, or the covariance of the innovations is not positive definite.
pub fn of_whole_set(
    outcome: &Outcome,
    observed: &ObservationSet,
    withheld: WithheldValues,
    threshold: Option<f64>,
) -> Result<Vec<Quality>> {
    let came = |y: &f64| if y.is_nan() { Quality::Rejected } else { Quality::Assimilated };
    let mut quality = match outcome.quality.is_empty() {
        true => observed.values.iter().map(came).collect(),
        false => outcome.quality.clone(),
    };
    let not_used = quality.iter_mut().zip(withheld.not_used).filter(|(_, y)| !y.is_nan());
    not_used.for_each(|(quality, _)| *quality = Quality::NotUsed);
    let evaluated = ObservationSet {
        step: observed.step,
        time: observed.time,
        values: withheld.evaluated,
        operator: observed.operator,
    };
    let Some(found) = innovation(outcome, &evaluated)? else { return Ok(quality) };
    let predicted = |ensemble: &Array2<f64>| observed.operator.apply(observed.time, ensemble.view());
    let failed = |h: &Array2<f64>, i: usize| h.column(i).iter().any(|value| !value.is_finite());
    let (before, after) = (predicted(&outcome.forecast), predicted(&outcome.ensemble));
    for (k, i) in evaluated.present().into_iter().enumerate() {
        let far = |threshold| is_outlier(found.residual[k], found.variance[k], threshold);
        quality[i] = if failed(&before, i) {
            Quality::PriorFailed
        } else if threshold.is_some_and(far) {
            Quality::Outlier
        } else if failed(&after, i) {
            Quality::EvaluatedPosteriorFailed
        } else {
            Quality::Evaluated
        };
    }
    Ok(quality)
}

/// The values of `observed` that moved the analysis of `outcome`, `[observed]`: NaN in the place of those that quality control
/// took out.
pub fn used(outcome: &Outcome, observed: &ObservationSet) -> Array1<f64> {
    kept(observed, &outcome.quality)
}

/// The values of `observed` that the forecast can be compared with, `[observed]`, whatever quality control made of them: NaN in
/// the place of those of which some member has no h(x). What scores of innovations are taken over, or a method that rejects
/// what it did not foresee would score better for it.
pub fn comparable(outcome: &Outcome, observed: &ObservationSet) -> Array1<f64> {
    let mut values = observed.values.to_owned();
    for (y, quality) in values.iter_mut().zip(&outcome.quality) {
        *y = if *quality == Quality::PriorFailed { f64::NAN } else { *y };
    }
    values
}

/// Whether a value is too far from a forecast: `residual` is y - m and `variance` s + r. Never where either is NaN.
pub fn is_outlier(residual: f64, variance: f64, threshold: f64) -> bool {
    residual.abs() > threshold * variance.sqrt()
}

/// What to make of each value of `observed` before an analysis, `[observed]`, given h(x) of the members of the forecast,
/// `[member, observed]`, and their normalised weights, `[member]`; none means equal.
///
/// Where the error law depends on h(x), m and s + r are mean and variance of y.
pub fn before_analysis(
    observed: &ObservationSet,
    predicted: ArrayView2<f64>,
    weights: Option<&Array1<f64>>,
    threshold: f64,
) -> Vec<Quality> {
    let law = observed.operator.error();
    let moments = law.moments(predicted);
    let (m, r): (Array1<f64>, Array1<f64>) = match &moments {
        Some((mean, variance)) => (weighted_mean(mean.view(), weights), weighted_mean(variance.view(), weights)),
        None => (weighted_mean(predicted, weights), law.variance().to_owned()),
    };
    let s = weighted_variance(moments.as_ref().map_or(predicted, |(mean, _)| mean.view()), weights);
    let failed = |i: usize| predicted.column(i).iter().any(|value| !value.is_finite());
    sort(observed, &m, &(s + r), failed, threshold)
}

/// What to make of each value given m and s + r, `[observed]`, and of which values the forecast has no h(x).
pub(crate) fn sort(
    observed: &ObservationSet,
    m: &Array1<f64>,
    variance: &Array1<f64>,
    failed: impl Fn(usize) -> bool,
    threshold: f64,
) -> Vec<Quality> {
    let one = |(i, y): (usize, &f64)| {
        if y.is_nan() {
            Quality::Rejected
        } else if failed(i) {
            Quality::PriorFailed
        } else if is_outlier(y - m[i], variance[i], threshold) {
            Quality::Outlier
        } else {
            Quality::Assimilated
        }
    };
    observed.values.iter().enumerate().map(one).collect()
}

/// The values of `observed` that `quality` lets through, `[observed]`: NaN in the place of the others.
pub(crate) fn kept(observed: &ObservationSet, quality: &[Quality]) -> Array1<f64> {
    let mut values = observed.values.to_owned();
    for (y, quality) in values.iter_mut().zip(quality) {
        *y = if quality.was_used() { *y } else { f64::NAN };
    }
    values
}

/// Marks the values that were used and of which some member of the analysis, h(x) `[member, observed]`, has none.
pub(crate) fn after_analysis(quality: &mut [Quality], predicted: ArrayView2<f64>) {
    for (quality, column) in quality.iter_mut().zip(predicted.axis_iter(Axis(1))) {
        if *quality == Quality::Assimilated && column.iter().any(|value| !value.is_finite()) {
            *quality = Quality::PosteriorFailed;
        }
    }
}
