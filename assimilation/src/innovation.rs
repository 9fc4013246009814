//! Innovation statistics: how well a forecast ensemble predicted the observations that then came. They need no truth.
//!
//! d = y - mean h(x_f), S = Cov h(x_f) + R over the values that are present. For an honest Gaussian forecast d ~ N(0, S):
//! d^T S^-1 d has mean p, and log N(d; 0, S) is the innovation log score.
//!
//! Where the error law does not simply add errors (`log_normal`, `poisson`), h(x) is replaced by the mean of y given x, and
//! R by the diagonal of the mean variances of y given x. Where errors are not Gaussian the score is that of the Gaussian of
//! these two moments; it is NaN where they are infinite (`student_t` with up to 2 degrees of freedom).

use ndarray::{Array1, Array2, Axis};

use crate::linalg::{Cholesky, all_finite, anomalies, covariance};
use crate::observe::Present;
use crate::outcome::{Outcome, weighted_mean};
use crate::problem::{Result, Seen};

/// The innovations of one analysis.
#[derive(Clone, Debug)]
pub struct Innovation {
    /// d, `[present]`.
    pub residual: Array1<f64>,
    /// The diagonal of S, `[present]`.
    pub variance: Array1<f64>,
    /// d^T S^-1 d / p: 1 on average where the forecast is honest.
    pub chi_square: f64,
    /// log N(d; 0, S), summed over the present values; larger is better.
    pub log_score: f64,
}

/// The innovations of `outcome` against the observations that made it; none when nothing was observed. They are NaN
/// when the forecast has diverged.
///
/// # Errors
/// When shapes do not fit or S is not positive definite.
pub fn innovation(outcome: &Outcome, seen: &Seen) -> Result<Option<Innovation>> {
    let mut present = seen.restrict(outcome.forecast.view())?;
    if present.index.is_empty() {
        return Ok(None);
    }
    use_moments(&mut present, outcome, seen);
    let (mean, mut s) = match (&outcome.forecast_gaussian, seen.matrix()) {
        (Some((mean, p)), Some(h)) => (h.dot(mean), h.dot(p).dot(&h.t())),
        _ => {
            let weights = outcome.forecast_weights.as_ref();
            (anomalies(present.predicted.view(), weights).0, covariance(present.predicted.view(), weights))
        }
    };
    present.add_covariance(&mut s);
    let residual = present.values - mean;
    let variance = s.diag().to_owned();
    if !all_finite(s.view()) || !all_finite(residual.view().insert_axis(Axis(0))) {
        return Ok(Some(Innovation { residual, variance, chi_square: f64::NAN, log_score: f64::NAN }));
    }
    let (log_score, square) = log_normal(&s, &residual)?;
    Ok(Some(Innovation { chi_square: square / residual.len() as f64, residual, variance, log_score }))
}

/// Replaces h(x) and the diagonal of R by what a law that depends on h(x) says of y.
fn use_moments(present: &mut Present, outcome: &Outcome, seen: &Seen) {
    // NaN says that a variance depends on h(x); otherwise all is as it should be
    if !seen.operator.error().variance().iter().any(|r| r.is_nan()) {
        return;
    }
    let predicted = seen.operator.apply(seen.time, outcome.forecast.view());
    if let Some((mean, variance)) = seen.operator.error().moments(predicted.view()) {
        present.predicted = mean.select(Axis(1), &present.index);
        present.variance =
            weighted_mean(variance.select(Axis(1), &present.index).view(), outcome.forecast_weights.as_ref());
    }
}

fn log_normal(s: &Array2<f64>, residual: &Array1<f64>) -> Result<(f64, f64)> {
    Ok(Cholesky::new(s.view())?.log_normal(residual))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::observe::{GaussianError, NoiseLaw, Stride};

    #[test]
    fn moments_and_density_of_a_case_worked_by_hand() {
        let error = |dim| Ok(Box::new(GaussianError::new(&[2.0], dim)?) as Box<dyn NoiseLaw>);
        let operator = Stride::new(3, 2, 0, &error).unwrap();
        let forecast = array![[0.0, 9.0, 1.0], [2.0, 9.0, 3.0], [4.0, 9.0, 2.0]];
        let values = array![3.0, f64::NAN];
        let seen = Seen { step: 0, time: 0.0, values: values.view(), operator: &operator };
        let mut outcome = Outcome::new(forecast.clone(), forecast);
        let found = innovation(&outcome, &seen).unwrap().unwrap();
        // mean 2, variance 4 + 4
        assert_eq!((found.residual[0], found.variance[0]), (1.0, 8.0));
        assert!((found.chi_square - 1.0 / 8.0).abs() < 1e-14);
        let exact = -0.5 * (1.0 / 8.0 + (2.0 * std::f64::consts::PI * 8.0).ln());
        assert!((found.log_score - exact).abs() < 1e-14);
        // weights 1/2, 1/2, 0: mean 1, variance (1/2 + 1/2) / (1 - 1/2) = 2
        outcome.forecast_weights = Some(array![0.5, 0.5, 0.0]);
        let found = innovation(&outcome, &seen).unwrap().unwrap();
        assert_eq!((found.residual[0], found.variance[0]), (2.0, 6.0));
        outcome.forecast[(0, 0)] = f64::NAN;
        assert!(innovation(&outcome, &seen).unwrap().unwrap().log_score.is_nan());
    }
}
