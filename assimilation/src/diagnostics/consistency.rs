//! What the residuals of observations say of the covariances that a filter supposes (Desroziers, Berre, Chapnik and Poli
//! 2005). No truth is needed.
//!
//! With d_ob = y - h(x_b), d_oa = y - h(x_a) and d_ab = h(x_a) - h(x_b), of the means before and after the analysis, a
//! filter whose B and R are right has
//! E[d_oa d_ob^T] = R, E[d_ab d_ob^T] = H B H^T, E[d_ab d_oa^T] = H A H^T.
//! Where they are wrong the estimate of R is R S^-1 S_true, with S = H B H^T + R the supposed and S_true the true
//! covariance of the innovations: above R where innovations are larger than supposed. The diagonals are kept.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::series::Series;
use crate::ensemble::{weighted_mean, weighted_variance};
use crate::error::{Error, Result};
use crate::observations::ObservationSet;
use crate::outcome::{Moments, Outcome};
use crate::screening::used;

/// Residuals of one run, as they come.
///
/// It keeps five numbers for each observed value and each time.
#[derive(Clone, Debug, std::default::Default)]
pub struct Consistency {
    /// d_oa d_ob: their means estimate the variances R of the observation errors.
    pub r: Series,
    /// d_ab d_ob: their means estimate the diagonal of H B H^T.
    pub background: Series,
    /// d_ab d_oa: their means estimate the diagonal of H A H^T.
    pub analysis: Series,
    /// The variances R that the filter supposed.
    pub supposed_r: Series,
    /// The diagonal of H B H^T that the filter supposed: the variance of the forecast's h(x).
    pub supposed_background: Series,
}

impl Consistency {
    /// Takes one analysis and the observations that made it. A set without values, and one of a filter that has
    /// diverged, adds nothing.
    ///
    /// # Errors
    /// When shapes do not fit, when the number of observed values changes, or when the error law does not add errors.
    pub fn add(&mut self, outcome: &Outcome, observed: &ObservationSet) -> Result<()> {
        let count = observed.values.len();
        if !self.r.is_empty() && count != self.r.observed() {
            return Err(Error::Shape(format!(
                "lead step {} has {count} observed values but those before it {}; use one Consistency for each \
                 operator",
                observed.step,
                self.r.observed()
            )));
        }
        if observed.operator.error().variance().iter().any(|r| r.is_nan()) {
            return Err(Error::Unsupported(format!(
                "the errors of operator `{}` depend on the state, so that they have no R to be estimated; leave the \
                 consistency of residuals out",
                observed.operator.name()
            )));
        }
        let before = predicted(
            outcome.forecast_gaussian.as_ref(),
            outcome.forecast.view(),
            outcome.forecast_weights.as_ref(),
            observed,
        )?;
        let (members, weights) = outcome.posterior();
        let after = predicted(outcome.gaussian.as_ref(), members.view(), weights, observed)?;
        let finite = |x: &Array1<f64>| x.iter().all(|value| value.is_finite());
        if !observed.is_observed() || !finite(&before.0) || !finite(&after.0) {
            return Ok(());
        }
        // missing values, and those that quality control took out, are NaN and stay so
        let values = used(outcome, observed);
        let (d_ob, d_oa) = (&values - &before.0, &values - &after.0);
        let d_ab = &d_ob - &d_oa;
        self.r.push(&d_oa * &d_ob);
        self.background.push(&d_ab * &d_ob);
        self.analysis.push(&d_ab * &d_oa);
        let present = |values: Array1<f64>| ndarray::Zip::from(&d_ob).and(&values).map_collect(|d, v| v + 0.0 * d);
        self.supposed_r.push(present(observed.operator.error().variance().to_owned()));
        self.supposed_background.push(present(before.1));
        Ok(())
    }
}

/// Mean and variance of h(x), `[observed]` each: exact where the moments of x are and h is linear.
fn predicted(
    exact: Option<&Moments>,
    members: ArrayView2<f64>,
    weights: Option<&Array1<f64>>,
    observed: &ObservationSet,
) -> Result<(Array1<f64>, Array1<f64>)> {
    observed.check(members.ncols())?;
    // of the order of a state times what is observed: made for a method that has such a matrix of its own alone
    if let Some((mean, p)) = exact
        && let Some(h) = observed.operator.matrix()
    {
        return Ok((h.dot(mean), (&h.dot(p) * &h).sum_axis(Axis(1))));
    }
    let h: Array2<f64> = observed.operator.apply(observed.time, members);
    Ok((weighted_mean(h.view(), weights), weighted_variance(h.view(), weights)))
}
