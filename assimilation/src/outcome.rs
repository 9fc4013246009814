//! What comes back from a method: a posterior at one time, and its moments.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, s};

use crate::ensemble::{variance_about, weighted_mean, weighted_variance};
use crate::quality::Quality;

/// Named numbers about one analysis, such as `ess` (effective sample size).
pub type Diagnostics = BTreeMap<&'static str, f64>;

/// A mean, `[component]`, and a covariance, `[component, component]`.
pub type Moments = (Array1<f64>, Array2<f64>);

/// Members, `[member, component]`, and their normalised weights, `[member]`.
pub type WeightedMembers = (Array2<f64>, Array1<f64>);

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
    /// The members before resampling made `ensemble` of them, where it has: the same posterior without the error that the draws of resampling add, and what scores are taken of. The
    /// method goes on from `ensemble`.
    pub before_resampling: Option<WeightedMembers>,
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
            before_resampling: None,
            gaussian: None,
            forecast_gaussian: None,
            diagnostics: Diagnostics::new(),
            smoothed: Vec::new(),
            quality: Vec::new(),
        }
    }

    /// The forecast as it is: nothing was observed, or it has diverged.
    pub fn unchanged(forecast: Array2<f64>) -> Self {
        let ensemble = forecast.clone();
        Self::new(forecast, ensemble)
    }

    /// The members of the posterior, `[member, component]`, and their weights, `[member]`, none of which means equal: those
    /// before resampling where that has been.
    pub fn posterior(&self) -> (&Array2<f64>, Option<&Array1<f64>>) {
        match &self.before_resampling {
            Some((ensemble, weights)) => (ensemble, Some(weights)),
            None => (&self.ensemble, self.weights.as_ref()),
        }
    }

    /// [`Outcome::posterior`] where that has as many members as `ensemble`, which is then given otherwise.
    pub fn kept(&self) -> (&Array2<f64>, Option<&Array1<f64>>) {
        match self.posterior() {
            (ensemble, weights) if ensemble.nrows() == self.ensemble.nrows() => (ensemble, weights),
            _ => (&self.ensemble, self.weights.as_ref()),
        }
    }

    /// The posterior mean, `[component]`: exact where known, otherwise the weighted mean of the members.
    pub fn mean(&self) -> Array1<f64> {
        let (ensemble, weights) = self.posterior();
        mean(self.gaussian.as_ref(), ensemble, weights)
    }

    /// The posterior variance, `[component]`: exact where known, otherwise the unbiased weighted variance.
    pub fn variance(&self) -> Array1<f64> {
        let (ensemble, weights) = self.posterior();
        variance(self.gaussian.as_ref(), ensemble, weights)
    }

    /// [`Outcome::mean`] and [`Outcome::variance`] at the price of the second.
    pub fn mean_and_variance(&self) -> (Array1<f64>, Array1<f64>) {
        let (ensemble, weights) = self.posterior();
        mean_and_variance(self.gaussian.as_ref(), ensemble, weights)
    }

    /// It of the first `dim` components alone, and so what it says of earlier times.
    #[must_use]
    pub fn of_first(self, dim: usize) -> Self {
        Self {
            forecast: first(&self.forecast, dim),
            ensemble: first(&self.ensemble, dim),
            before_resampling: self.before_resampling.map(|(members, weights)| (first(&members, dim), weights)),
            gaussian: self.gaussian.map(|moments| first_moments(&moments, dim)),
            forecast_gaussian: self.forecast_gaussian.map(|moments| first_moments(&moments, dim)),
            smoothed: self.smoothed.into_iter().map(|earlier| earlier.of_first(dim)).collect(),
            ..self
        }
    }
}

/// The first components of members.
fn first(x: &Array2<f64>, dim: usize) -> Array2<f64> {
    x.slice(s![.., ..dim]).to_owned()
}

fn first_moments((mean, covariance): &Moments, dim: usize) -> Moments {
    (mean.slice(s![..dim]).to_owned(), covariance.slice(s![..dim, ..dim]).to_owned())
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

    /// [`Smoothed::mean`] and [`Smoothed::variance`] at the price of the second.
    pub fn mean_and_variance(&self) -> (Array1<f64>, Array1<f64>) {
        mean_and_variance(self.gaussian.as_ref(), &self.ensemble, self.weights.as_ref())
    }

    /// It of the first `dim` components alone.
    #[must_use]
    pub fn of_first(self, dim: usize) -> Self {
        let gaussian = self.gaussian.map(|moments| first_moments(&moments, dim));
        Self { ensemble: first(&self.ensemble, dim), gaussian, ..self }
    }
}

fn mean(exact: Option<&Moments>, ensemble: &Array2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    exact.map_or_else(|| weighted_mean(ensemble.view(), weights), |(mean, _)| mean.clone())
}

fn mean_and_variance(
    exact: Option<&Moments>,
    ensemble: &Array2<f64>,
    weights: Option<&Array1<f64>>,
) -> (Array1<f64>, Array1<f64>) {
    let mean = mean(exact, ensemble, weights);
    let variance = match exact {
        Some((_, covariance)) => covariance.diag().to_owned(),
        None => variance_about(ensemble.view(), weights, &mean),
    };
    (mean, variance)
}

fn variance(exact: Option<&Moments>, ensemble: &Array2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    exact.map_or_else(|| weighted_variance(ensemble.view(), weights), |(_, covariance)| covariance.diag().to_owned())
}
