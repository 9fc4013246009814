//! Adaptive quality control around a filter (Sakov and Sandery 2017): what an observed value may do is bounded by the
//! spread of the forecast, smoothly, where [`QualityControl`](super::QualityControl) uses a value in full or not at all.
//!
//! With s the variance of the forecast's h(x), d the innovation, r the variance of the error and K the factor:
//! r' = sqrt((s + r)^2 + s (d / K)^2) - s in place of r. Alone the value then moves its own prediction by
//! s d / (s + r') = d s / sqrt((s + r)^2 + s d^2 / K^2), which is less than K sqrt(s) whatever d is, and that of a usual
//! innovation hardly changes: with s = r = 1 and K = 2, r' is 1.06 for d = 1 and 2.61 for d = 6. The formula is that of
//! `das_moderateobs` in EnKF-C (Sakov), the code that the paper names as using the procedure, read in its public source.
//!
//! A linear analysis trusts the regression of the components on h(x), which holds within the spread of the members, as
//! far as the innovation goes. Where h saturates that is far: members that have lost the truth differ by little in h(x),
//! the innovation is tens of its sd, and the step throws them to where the model is unstable. The bound prevents this,
//! and leaves it to inflation to find that the members are too close together: [`Adaptive`](super::Adaptive) learns from
//! the innovations as they are.
//!
//! The paper finds that K of about 1.5 to 2 or above does a nearly optimal system no harm. On Lorenz-96 of 10^4 components seen
//! through the arctangent (`benches/papers/lorenz96_arctan.toml`, with adaptive inflation) 2 costs 1.6 % of the rmse of a
//! steady truth and 5 nothing that can be told; where the truth is shocked 5 does better than 2 and 8 better than 5, but
//! with 15 filters diverge.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use scorecast_systems::{Key, Param, ParamKind};

use crate::ensemble::{weighted_mean, weighted_variance};
use crate::error::Result;
use crate::observations::ObservationSet;
use crate::observe::{CorrelatedError, GaussianError, NoiseLaw, OtherError};
use crate::outcome::Outcome;
use crate::problem::Analysis;
use crate::state::Saved;

/// The setting `k_factor`.
pub(crate) const K_FACTOR: Param = Param::unset(
    "k_factor",
    ParamKind::POSITIVE,
    "adaptive quality control (Sakov and Sandery 2017): error variances grow with innovations so that no value \
            moves its own prediction by more than this many sd of the forecast; unset is none",
);

/// Any analysis of observations whose errors are made as large as their innovations ask for.
pub struct AdaptiveQualityControl {
    of: Box<dyn Analysis>,
    factor: f64,
}

/// r' of a value whose h(x) has variance `s`, of innovation `d` and error variance `r`; r where one is not finite.
pub fn error_variance([s, d, r]: [f64; 3], factor: f64) -> f64 {
    let (total, step) = (s + r, s.sqrt() * d.abs() / factor);
    // the difference of root and total without their cancellation
    let more = step * (step / (total.hypot(step) + total));
    if more.is_finite() { r + more } else { r }
}

impl AdaptiveQualityControl {
    /// Around `of`, with K = `factor`.
    pub fn new(of: Box<dyn Analysis>, factor: f64) -> Self {
        Self { of, factor }
    }

    /// The law of the errors for a forecast, `[member, component]`.
    fn law(&self, forecast: ArrayView2<f64>, observed: &ObservationSet) -> Result<Box<dyn NoiseLaw>> {
        observed.check(forecast.ncols())?;
        observed.require_gaussian("k_factor")?;
        let predicted = observed.operator.apply(observed.time, forecast);
        let (mean, s) = (weighted_mean(predicted.view(), None), weighted_variance(predicted.view(), None));
        let law = observed.operator.error();
        let r = law.variance();
        let variance = |i: usize| error_variance([s[i], observed.values[i] - mean[i], r[i]], self.factor);
        let variance: Array1<f64> = (0..r.len()).map(variance).collect();
        let Some((covariance, _)) = law.correlated() else {
            return Ok(Box::new(GaussianError::new(&variance.mapv(f64::sqrt).to_vec(), r.len())?));
        };
        // their correlations stay
        let scale = (variance / r).mapv(f64::sqrt);
        let scaled = &scale * &scale.view().insert_axis(Axis(1)) * covariance;
        Ok(Box::new(CorrelatedError::new(scaled)?))
    }
}

impl Analysis for AdaptiveQualityControl {
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let operator = OtherError { of: observed.operator, error: self.law(forecast.view(), observed)? };
        self.of.update(forecast, &ObservationSet { operator: &operator, ..*observed }, key)
    }

    fn update_in_place(&mut self, ensemble: &mut Array2<f64>, observed: &ObservationSet, key: Key) -> Result<()> {
        let operator = OtherError { of: observed.operator, error: self.law(ensemble.view(), observed)? };
        self.of.update_in_place(ensemble, &ObservationSet { operator: &operator, ..*observed }, key)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_worked_by_hand() {
        // sqrt(4 + 1 / 4) - 1 and sqrt(4 + 9) - 1
        assert!((error_variance([1.0, 1.0, 1.0], 2.0) - (4.25f64.sqrt() - 1.0)).abs() < 1e-15);
        assert!((error_variance([1.0, -6.0, 1.0], 2.0) - (13f64.sqrt() - 1.0)).abs() < 1e-15);
        assert_eq!(error_variance([0.0, 5.0, 0.3], 2.0), 0.3);
        assert_eq!(error_variance([1.0, 0.0, 0.3], 2.0), 0.3);
        for bad in [[f64::NAN, 1.0, 0.3], [1.0, f64::NAN, 0.3], [1.0, f64::INFINITY, 0.3], [f64::INFINITY, 1.0, 0.3]] {
            assert_eq!(error_variance(bad, 2.0), 0.3);
        }
        // a step of b^2 / 2 a that a difference of 1e8 and 1e8 + 5e-9 would lose
        assert!((error_variance([1e8, 1e-4, 1e-6], 1.0) / (1e-6 + 0.5e-8) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn it_is_the_square_of_the_sd_as_enkf_c_writes_it() {
        for (s, d, r) in [(0.5, 0.7, 0.2), (2.0, -3.0, 1.5), (0.01, 1.4, 0.0025), (9.0, 0.3, 4.0)] {
            for factor in [1.0, 1.5, 2.0, 5.0f64] {
                let sd = (((s + r) * (s + r) + s * d * d / factor / factor).sqrt() - s).sqrt();
                let found = error_variance([s, d, r], factor);
                assert!((found / (sd * sd) - 1.0).abs() < 1e-12, "{s} {d} {r} {factor}: {found} for {}", sd * sd);
            }
        }
        // no factor at all
        assert_eq!(error_variance([1.0, 5.0, 0.3], f64::INFINITY), 0.3);
    }

    #[test]
    fn the_step_is_bounded_by_the_spread_and_a_usual_one_stays() {
        for (s, r, factor) in [(1.0, 1.0, 2.0), (0.01, 4.0, 1.0), (30.0, 0.1, 3.0)] {
            let step = |d: f64| s * d / (s + error_variance([s, d, r], factor));
            let mut last = 0.0;
            for d in (0..12).map(|power| 10f64.powi(power - 4)) {
                // it grows with the innovation, never past the bound nor past what r says
                assert!(step(d) > last && step(d) < factor * f64::sqrt(s) && step(d) <= s * d / (s + r), "{s} {d}");
                last = step(d);
            }
            assert!(last > 0.999 * factor * f64::sqrt(s));
            // of second order in a small innovation: (s + r)(r' - r) = s d^2 / 2 K^2
            let d = 1e-3;
            let exact = s * d * d / (2.0 * factor * factor * (s + r));
            assert!(((error_variance([s, d, r], factor) - r) / exact - 1.0).abs() < 1e-3);
        }
    }
}
