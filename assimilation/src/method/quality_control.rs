//! Quality control around a filter: values that the forecast cannot be compared with, and those too far from it, are
//! taken for missing, and the outcome says what became of each ([`Quality`]).

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::registry::Default;
use scorecast_systems::{Key, Kind, Param};

use super::gaussian::Gaussian;
use crate::linalg::all_finite;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Result, Seen};
use crate::quality::{Quality, after_analysis, before_analysis, kept, sort};

/// The setting `outlier_threshold`.
pub(super) const OUTLIER_THRESHOLD: Param = Param {
    key: "outlier_threshold",
    kind: Kind::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
    default: Default::Unset,
    about: "quality control: values further than this many sd of the innovation from the forecast are not used, nor are \
            those that it cannot predict; unset is none",
};

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
    fn update(&mut self, forecast: Array2<f64>, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.check(forecast.ncols())?;
        let predicted = seen.operator.apply(seen.time, forecast.view());
        let weights = self.of.weights().filter(|weights| weights.len() == forecast.nrows());
        let mut quality = before_analysis(seen, predicted.view(), weights.as_ref(), self.threshold);
        // a forecast that has diverged has to stay so, which its method sees to
        let diverged = !all_finite(forecast.view());
        let values = if diverged { seen.values.to_owned() } else { kept(seen, &quality) };
        let mut outcome = self.of.update(forecast, &Seen { values: values.view(), ..*seen }, key)?;
        after_analysis(&mut quality, seen.operator.apply(seen.time, outcome.ensemble.view()).view());
        outcome.quality = quality;
        Ok(outcome)
    }

    fn weights(&self) -> Option<Array1<f64>> {
        self.of.weights()
    }

    fn state(&self) -> Vec<f64> {
        self.of.state()
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        self.of.restore(state)
    }
}

/// What to make of each value of `seen`, `[observed]`, given the forecast N(m, P): h(x) has mean h(m) and covariance
/// J P J^T, J the Jacobian of h at m, which is exact where h is linear.
pub(super) fn before_gaussian(forecast: &Gaussian, seen: &Seen, threshold: f64) -> Vec<Quality> {
    let h = seen.operator.apply(seen.time, forecast.mean.view().insert_axis(Axis(0)));
    let law = seen.operator.error();
    let (m, mut variance) = match law.moments(h.view()) {
        Some((mean, variance)) => (mean.row(0).to_owned(), variance.row(0).to_owned()),
        None => (h.row(0).to_owned(), law.variance().to_owned()),
    };
    let j = seen.jacobian(forecast.mean.view());
    let s = (j.dot(&forecast.covariance) * &j).sum_axis(Axis(1));
    seen.present().into_iter().zip(&s).for_each(|(i, s)| variance[i] += s);
    sort(seen, &m, &variance, |i| !h[(0, i)].is_finite(), threshold)
}
