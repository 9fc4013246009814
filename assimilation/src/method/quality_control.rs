//! Quality control around a filter: values that the forecast cannot be compared with, and those too far from it, are
//! taken for missing, and the outcome says what became of each ([`Quality`]).

use ndarray::{Array2, Axis};
use scorecast_systems::registry::Default;
use scorecast_systems::{Key, Kind, Param};

use crate::linalg::all_finite;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Result, Seen};
use crate::quality::{Quality, before_analysis};

/// The setting `outlier_threshold`.
pub(super) const OUTLIER_THRESHOLD: Param = Param {
    key: "outlier_threshold",
    kind: Kind::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
    default: Default::Unset,
    about: "quality control: values further than this many sd of the innovation from the forecast are not used, nor are \
            those that it cannot predict; unset is none",
};

/// Any analysis with quality control before it.
///
/// Members count equally in the check, also where the method carries weights.
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
        let mut quality = before_analysis(seen, predicted.view(), self.threshold);
        // a forecast that has diverged has to stay so, which its method sees to
        let diverged = !all_finite(forecast.view());
        let kept = |(y, quality): (&f64, &Quality)| if diverged || quality.was_used() { *y } else { f64::NAN };
        let values = seen.values.iter().zip(&quality).map(kept).collect::<ndarray::Array1<f64>>();
        let mut outcome = self.of.update(forecast, &Seen { values: values.view(), ..*seen }, key)?;
        let after = seen.operator.apply(seen.time, outcome.ensemble.view());
        for (quality, column) in quality.iter_mut().zip(after.axis_iter(Axis(1))) {
            if *quality == Quality::Assimilated && column.iter().any(|value| !value.is_finite()) {
                *quality = Quality::PosteriorFailed;
            }
        }
        outcome.quality = quality;
        Ok(outcome)
    }

    fn state(&self) -> Vec<f64> {
        self.of.state()
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        self.of.restore(state)
    }
}
