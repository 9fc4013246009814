//! What comes back from a method: a posterior at one time, and its moments.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView2, Zip};
use scorecast_systems::wide;

use crate::quality::Quality;

/// Named numbers about one analysis, such as `ess` (effective sample size).
pub type Diagnostics = BTreeMap<&'static str, f64>;

/// A mean, `[component]`, and a covariance, `[component, component]`.
pub type Moments = (Array1<f64>, Array2<f64>);

/// A posterior at one time.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The forecast ensemble before the observations were used, `[member, component]`; equally weighted unless
    /// `forecast_weights` says otherwise.
    pub forecast: Array2<f64>,
    /// Normalised weights of the forecast ensemble, `[member]`.
    pub forecast_weights: Option<Array1<f64>>,
    /// The analysis ensemble, `[member, component]`.
    pub ensemble: Array2<f64>,
    /// Normalised weights of the analysis ensemble, `[member]`; none means equal.
    pub weights: Option<Array1<f64>>,
    /// Mean and covariance where the method has them in closed form (`kalman`).
    pub gaussian: Option<Moments>,
    /// Forecast mean and covariance where the method has them in closed form.
    pub forecast_gaussian: Option<Moments>,
    /// Named numbers about this analysis.
    pub diagnostics: Diagnostics,
    /// What a smoother makes of earlier times that no later observation will change any more, in their order. Each lead step
    /// of a set of observations comes once: sets of the same lead step are one time.
    pub smoothed: Vec<Smoothed>,
    /// What became of each observed value, `[observed]`, of a method with quality control; otherwise empty.
    pub quality: Vec<Quality>,
}

impl Outcome {
    /// An equally weighted outcome without diagnostics.
    pub fn new(forecast: Array2<f64>, ensemble: Array2<f64>) -> Self {
        Self {
            forecast,
            forecast_weights: None,
            ensemble,
            weights: None,
            gaussian: None,
            forecast_gaussian: None,
            diagnostics: Diagnostics::new(),
            smoothed: Vec::new(),
            quality: Vec::new(),
        }
    }

    /// The posterior mean, `[component]`: exact where known, otherwise the weighted mean of the members.
    pub fn mean(&self) -> Array1<f64> {
        mean(self.gaussian.as_ref(), &self.ensemble, self.weights.as_ref())
    }

    /// The posterior variance, `[component]`: exact where known, otherwise the unbiased weighted variance.
    pub fn variance(&self) -> Array1<f64> {
        variance(self.gaussian.as_ref(), &self.ensemble, self.weights.as_ref())
    }

    /// [`Outcome::mean`] and [`Outcome::variance`] at the price of the second.
    pub fn mean_and_variance(&self) -> (Array1<f64>, Array1<f64>) {
        let mean = self.mean();
        let variance = match &self.gaussian {
            Some((_, covariance)) => covariance.diag().to_owned(),
            None => variance_about(self.ensemble.view(), self.weights.as_ref(), &mean),
        };
        (mean, variance)
    }
}

/// A posterior of an earlier time, given later observations too.
#[derive(Clone, Debug)]
pub struct Smoothed {
    /// The lead step that it is of: that of a set of observations.
    pub step: usize,
    /// The members, `[member, component]`.
    pub ensemble: Array2<f64>,
    /// Normalised weights of the members, `[member]`; none means equal.
    pub weights: Option<Array1<f64>>,
    /// Mean and covariance where the method has them in closed form (`rts`).
    pub gaussian: Option<Moments>,
}

impl Smoothed {
    /// Equally weighted members.
    pub fn new(step: usize, ensemble: Array2<f64>) -> Self {
        Self { step, ensemble, weights: None, gaussian: None }
    }

    /// The posterior mean, `[component]`: exact where known, otherwise the weighted mean of the members.
    pub fn mean(&self) -> Array1<f64> {
        mean(self.gaussian.as_ref(), &self.ensemble, self.weights.as_ref())
    }

    /// The posterior variance, `[component]`: exact where known, otherwise the unbiased weighted variance.
    pub fn variance(&self) -> Array1<f64> {
        variance(self.gaussian.as_ref(), &self.ensemble, self.weights.as_ref())
    }
}

fn mean(exact: Option<&Moments>, ensemble: &Array2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    exact.map_or_else(|| weighted_mean(ensemble.view(), weights), |(mean, _)| mean.clone())
}

fn variance(exact: Option<&Moments>, ensemble: &Array2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    exact.map_or_else(|| weighted_variance(ensemble.view(), weights), |(_, covariance)| covariance.diag().to_owned())
}

/// The weighted mean of the rows of `x`; equal weights if none are given.
pub fn weighted_mean(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    if let Some(weights) = weights {
        return weights.dot(&x);
    }
    let mut sum = Array1::zeros(x.ncols());
    match (x.as_slice(), sum.as_slice_mut()) {
        (Some(rows), Some(sum)) => add_rows(rows, sum),
        _ => x.outer_iter().for_each(|row| sum += &row),
    }
    // NaN without a row
    let count = x.nrows() as f64;
    sum.mapv_inplace(|total| total / count);
    sum
}

/// The unbiased weighted variance of each column: sum w (x - m)^2 / (1 - sum w^2).
pub fn weighted_variance(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    variance_about(x, weights, &weighted_mean(x, weights))
}

/// The same about a mean that is known already.
pub(crate) fn variance_about(x: ArrayView2<f64>, weights: Option<&Array1<f64>>, mean: &Array1<f64>) -> Array1<f64> {
    let equal = 1.0 / x.nrows() as f64;
    let weight = |member: usize| weights.map_or(equal, |w| w[member]);
    let mut sum = Array1::zeros(x.ncols());
    match (x.as_slice(), mean.as_slice(), sum.as_slice_mut()) {
        (Some(rows), Some(mean), Some(sum)) if !mean.is_empty() => {
            let rows = rows.chunks_exact(mean.len()).enumerate();
            rows.for_each(|(member, row)| add_squares(weight(member), row, mean, sum));
        }
        _ => x.outer_iter().enumerate().for_each(|(member, row)| {
            let weight = weight(member);
            Zip::from(&mut sum).and(row).and(mean).for_each(|total, value, centre| {
                *total += weight * (value - centre) * (value - centre);
            });
        }),
    }
    let squares: f64 = (0..x.nrows()).map(|member| weight(member) * weight(member)).sum();
    sum / (1.0 - squares)
}

wide! {
    /// sum += each of the rows.
    fn add_rows(rows: &[f64], sum: &mut [f64]) {
        for row in rows.chunks_exact(sum.len().max(1)) {
            sum.iter_mut().zip(row).for_each(|(total, value)| *total += value);
        }
    }
}

wide! {
    /// sum += weight (row - mean)^2.
    fn add_squares(weight: f64, row: &[f64], mean: &[f64], sum: &mut [f64]) {
        for ((total, value), centre) in sum.iter_mut().zip(row).zip(mean) {
            *total += weight * (value - centre) * (value - centre);
        }
    }
}
