//! Quality control around a filter: values that the forecast cannot be compared with, and those too far from it, are
//! taken for missing, and the outcome says what became of each ([`Quality`]).

use ndarray::{Array1, Array2, ArrayView2, Axis};
use scorecast_systems::{Key, Param, ParamKind};

use crate::ensemble::all_finite;
use crate::error::Result;
use crate::gaussian::Gaussian;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::Analysis;
use crate::quality::Quality;
use crate::screening::{after_analysis, before_analysis, kept, sort};
use crate::state::Saved;

/// The setting `outlier_threshold`.
pub(crate) const OUTLIER_THRESHOLD: Param = Param::unset(
    "outlier_threshold",
    ParamKind::POSITIVE,
    "quality control: values further than this many sd of the innovation from the forecast are not used, nor are \
            those that it cannot predict; unset is none",
);

/// Any analysis with quality control before it. Members count by the weights that the method carries to this analysis.
pub struct QualityControl {
    of: Box<dyn Analysis>,
    threshold: f64,
}

impl QualityControl {
    /// Around `of`, which then sees no value further than `threshold` standard deviations from its forecast.
    pub fn new(of: Box<dyn Analysis>, threshold: f64) -> Self {
        Self { of, threshold }
    }
}

impl Analysis for QualityControl {
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.check(forecast.ncols())?;
        let weights = self.of.weights().filter(|weights| weights.len() == forecast.nrows());
        let checked = Checked::new(Some(self.threshold), forecast.view(), weights.as_ref(), observed);
        let mut outcome = self.of.update(forecast, &checked.of(observed), key)?;
        outcome.quality = checked.quality(observed, outcome.ensemble.view());
        Ok(outcome)
    }

    fn weights(&self) -> Option<Array1<f64>> {
        self.of.weights()
    }

    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn state(&self) -> Vec<&dyn Saved> {
        self.of.state()
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        self.of.state_mut()
    }
}

/// What quality control says of one set of observations, inside a cycle that forecasts on its own.
pub(crate) struct Checked {
    quality: Vec<Quality>,
    /// What is left to use, `[observed]`.
    values: Array1<f64>,
}

impl Checked {
    /// Of a set whose size has been checked, given the forecast (`[member, component]`) and its normalised weights; without
    /// a threshold all is let through and nothing is said.
    pub fn new(
        threshold: Option<f64>,
        forecast: ArrayView2<f64>,
        weights: Option<&Array1<f64>>,
        observed: &ObservationSet,
    ) -> Self {
        let Some(threshold) = threshold else {
            return Self { quality: Vec::new(), values: observed.values.to_owned() };
        };
        let predicted = observed.operator.apply(observed.time, forecast);
        let quality = before_analysis(observed, predicted.view(), weights, threshold);
        // a forecast that has diverged has to stay so, which its method sees to
        let values = if all_finite(forecast) { kept(observed, &quality) } else { observed.values.to_owned() };
        Self { quality, values }
    }

    /// The set with what is left of it.
    pub fn of<'a>(&'a self, observed: &'a ObservationSet) -> ObservationSet<'a> {
        ObservationSet {
            step: observed.step,
            time: observed.time,
            values: self.values.view(),
            operator: observed.operator,
        }
    }

    /// What became of each value, `[observed]`, given the analysis (`[member, component]`).
    pub fn quality(&self, observed: &ObservationSet, ensemble: ArrayView2<f64>) -> Vec<Quality> {
        let mut quality = self.quality.clone();
        if !quality.is_empty() {
            after_analysis(&mut quality, observed.operator.apply(observed.time, ensemble).view());
        }
        quality
    }
}

/// What to make of each value of `observed`, `[observed]`, given the forecast N(m, P): h(x) has mean h(m) and covariance
/// J P J^T, J the Jacobian of h at m, which is exact where h is linear.
pub(crate) fn before_gaussian(forecast: &Gaussian, observed: &ObservationSet, threshold: f64) -> Vec<Quality> {
    let h = observed.operator.apply(observed.time, forecast.mean.view().insert_axis(Axis(0)));
    let law = observed.operator.error();
    let (m, mut variance) = match law.moments(h.view()) {
        Some((mean, variance)) => (mean.row(0).to_owned(), variance.row(0).to_owned()),
        None => (h.row(0).to_owned(), law.variance().to_owned()),
    };
    let j = observed.jacobian(forecast.mean.view());
    let s = (j.dot(&forecast.covariance) * &j).sum_axis(Axis(1));
    observed.present().into_iter().zip(&s).for_each(|(i, s)| variance[i] += s);
    sort(observed, &m, &variance, |i| !h[(0, i)].is_finite(), threshold)
}
