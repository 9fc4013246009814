//! How much of the observations goes into the analysis: degrees of freedom for signal (Rodgers 2000; Cardinali, Pezzulli
//! and Andersson 2004).
//!
//! dfs = tr(H K) = tr(H B H^T S^-1), S = H B H^T + R: the sum of the sensitivities of the analysis's h(x) to each value.
//! It lies between 0 (nothing is learnt) and the number of values (the analysis fits them all), and below N for an
//! ensemble of N members without localization. Values that quality control took out do not count. Localization is not in
//! it: it is that of the global gain of B.

use ndarray::Axis;

use crate::ensemble::{all_finite, covariance};
use crate::error::Result;
use crate::linalg::Cholesky;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::screening::used;

/// The degrees of freedom for signal of one analysis, of the forecast's own covariance; none when nothing was observed,
/// the forecast has diverged, or the errors have no finite variances of their own.
///
/// # Errors
/// When shapes do not fit or S is not positive definite.
pub fn degrees_of_freedom_for_signal(outcome: &Outcome, observed: &ObservationSet) -> Result<Option<f64>> {
    let values = used(outcome, observed);
    let observed = &ObservationSet { values: values.view(), ..*observed };
    let present = observed.restrict(outcome.forecast.view())?;
    let exact = outcome.forecast_gaussian.as_ref().and_then(|(_, p)| Some((p, observed.matrix()?)));
    let background = match exact {
        Some((p, h)) => h.dot(p).dot(&h.t()),
        None => covariance(present.predicted.view(), outcome.forecast_weights.as_ref()),
    };
    let finite = present.variance.view().insert_axis(Axis(0));
    if present.index.is_empty() || !all_finite(background.view()) || !all_finite(finite) {
        return Ok(None);
    }
    let mut s = background.clone();
    present.add_covariance(&mut s);
    let mut solved = background;
    Cholesky::new(s.view())?.solve_in_place(&mut solved);
    Ok(Some(solved.diag().sum()))
}
