//! Importance weights in logarithms: normalising, effective sample size, what a filter carries of them from one set of
//! observations to the next, systematic resampling (Kitagawa 1996).

use ndarray::{Array1, Array2};
use scorecast_systems::Key;
use serde::{Deserialize, Serialize};

use crate::ensemble::all_finite;
use crate::error::Result;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome};
use crate::problem::require_members;
use crate::state::{Owner, State};

/// log w with equal weights.
pub(crate) fn equal(members: usize) -> Array1<f64> {
    Array1::from_elem(members, -(members as f64).ln())
}

/// Normalises log weights in place and gives log sum w of before; a NaN counts as the weight 0.
///
/// When no weight is left the result is -inf and the weights become equal.
pub(crate) fn normalise(log_weights: &mut Array1<f64>) -> f64 {
    log_weights.mapv_inplace(|value| if value.is_nan() { f64::NEG_INFINITY } else { value });
    let largest = log_weights.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    if !largest.is_finite() {
        let members = log_weights.len();
        log_weights.assign(&equal(members));
        return f64::NEG_INFINITY;
    }
    let log_sum = largest + log_weights.iter().map(|value| (value - largest).exp()).sum::<f64>().ln();
    log_weights.mapv_inplace(|value| value - log_sum);
    log_sum
}

/// 1 / sum w^2 of normalised weights.
pub(crate) fn effective_size(log_weights: &Array1<f64>) -> f64 {
    1.0 / log_weights.iter().map(|value| (2.0 * value).exp()).sum::<f64>()
}

/// Normalised log weights from one set of observations to the next; none means equal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Carried(pub Option<Array1<f64>>);

impl State for Carried {
    const KIND: &'static str = "weights";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        let Some(weights) = &self.0 else { return Ok(()) };
        owner.require_members(weights.len())?;
        require_log_weights(weights)
    }
}

/// Refuses what are not the logarithms of normalised weights, in a main clause.
pub(crate) fn require_log_weights(log_weights: &Array1<f64>) -> Result<(), String> {
    match log_weights.iter().find(|value| value.is_nan() || **value > 1e-9) {
        Some(value) => Err(format!("{value} is not the logarithm of a weight")),
        None => Ok(()),
    }
}

/// How the analysis of a filter that carries weights opens.
pub(crate) enum Opened {
    /// The forecast as it is: nothing is present, and the weights stay; or it has diverged, and they are lost.
    Unchanged(Box<Outcome>),
    /// Members to be weighed by the values that are present, and the weights that were carried to them.
    Weigh(Array2<f64>, Option<Array1<f64>>),
}

impl Carried {
    /// Opens the analysis of `forecast` (`[member, component]`).
    ///
    /// # Errors
    /// When there are fewer than two members, or shapes do not fit.
    pub fn open(&mut self, forecast: Array2<f64>, observed: &ObservationSet) -> Result<Opened> {
        require_members(forecast.nrows())?;
        observed.check(forecast.ncols())?;
        let carried = self.take(forecast.nrows());
        if !all_finite(forecast.view()) {
            return Ok(Opened::Unchanged(Box::new(Outcome::unchanged(forecast))));
        }
        if observed.is_observed() {
            return Ok(Opened::Weigh(forecast, carried));
        }
        self.0 = carried;
        let (weights, forecast_weights) = (self.weights(), self.weights());
        let outcome = Outcome { forecast_weights, weights, ..Outcome::unchanged(forecast) };
        Ok(Opened::Unchanged(Box::new(outcome)))
    }

    /// Takes those of `members` members out; others are lost.
    fn take(&mut self, members: usize) -> Option<Array1<f64>> {
        self.0.take().filter(|weights| weights.len() == members)
    }

    /// The weights themselves; none means equal.
    pub fn weights(&self) -> Option<Array1<f64>> {
        self.0.as_ref().map(|weights| weights.mapv(f64::exp))
    }
}

/// Members weighed by one set of observations.
pub(crate) struct Weighed {
    /// Normalised logarithms.
    pub log_weights: Array1<f64>,
    /// log sum w of before.
    pub log_evidence: f64,
    /// The effective size; 0 where no weight is left.
    pub ess: f64,
    /// Whether that is below the share of the members at which they are resampled.
    pub resample: bool,
}

impl Weighed {
    /// `log_weights`, normalised, times `exp(log_factors)`; to be resampled below `ess_threshold * N`.
    pub fn new(log_weights: Array1<f64>, log_factors: &Array1<f64>, ess_threshold: f64) -> Self {
        let mut log_weights = log_weights + log_factors;
        let log_evidence = normalise(&mut log_weights);
        let ess = if log_evidence.is_finite() { effective_size(&log_weights) } else { 0.0 };
        let resample = ess < ess_threshold * log_weights.len() as f64;
        Self { log_weights, log_evidence, ess, resample }
    }

    /// Notes `log_evidence`, `ess` and `resampled`.
    pub fn note(&self, diagnostics: &mut Diagnostics) {
        diagnostics.extend([
            ("log_evidence", self.log_evidence),
            ("ess", self.ess),
            ("resampled", f64::from(u8::from(self.resample))),
        ]);
    }
}

/// For each new member its ancestor: member i is taken floor or ceil of N w_i times, with one uniform in all.
pub(crate) fn systematic(log_weights: &Array1<f64>, key: Key) -> Vec<usize> {
    let members = log_weights.len();
    let uniform = key.stream(0).uniform();
    let mut ancestors = Vec::with_capacity(members);
    let mut cumulative = 0.0;
    for (ancestor, log_weight) in log_weights.iter().enumerate() {
        cumulative += log_weight.exp() * members as f64;
        while ancestors.len() < members && uniform + ancestors.len() as f64 <= cumulative {
            ancestors.push(ancestor);
        }
    }
    // round-off in the sum may leave the last place open
    let last = ancestors.last().copied().unwrap_or(0);
    ancestors.resize(members, last);
    ancestors
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::Domain;

    use super::*;

    #[test]
    fn normalising_gives_the_sum_and_the_effective_size() {
        let mut weights = array![1.0f64, 3.0, 0.0].mapv(|w| w.ln() - 2000.0);
        assert!((normalise(&mut weights) - (4.0f64.ln() - 2000.0)).abs() < 1e-12);
        assert!((weights.mapv(f64::exp) - array![0.25, 0.75, 0.0]).iter().all(|e| e.abs() < 1e-13));
        assert!((effective_size(&weights) - 1.0 / (0.0625 + 0.5625)).abs() < 1e-12);
        let mut lost = array![f64::NAN, f64::NEG_INFINITY];
        assert_eq!(normalise(&mut lost), f64::NEG_INFINITY);
        assert_eq!(lost, equal(2));
    }

    #[test]
    fn each_ancestor_is_taken_its_share_rounded_down_or_up_and_on_average_exactly() {
        let shares = array![0.07, 0.41, 0.0, 0.52];
        let log_weights = shares.mapv(f64::ln);
        let (members, draws) = (4, 20_000);
        let mut counts = [0usize; 4];
        for draw in 0..draws {
            let ancestors = systematic(&log_weights, Key::new(1, Domain::Method).at(draw));
            assert_eq!(ancestors.len(), members);
            for (i, share) in shares.iter().enumerate() {
                let taken = ancestors.iter().filter(|a| **a == i).count();
                assert!((taken as f64 - 4.0 * share).abs() < 1.0);
                counts[i] += taken;
            }
        }
        for (count, share) in counts.iter().zip(&shares) {
            // the count of one draw varies by less than one half (Bernoulli): five standard errors
            assert!((*count as f64 / draws as f64 - 4.0 * share).abs() < 5.0 * 0.5 / (draws as f64).sqrt());
        }
    }
}
