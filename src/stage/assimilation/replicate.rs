//! One replicate: a truth (where there is one), its observations, and what filters start from.

use ndarray::Array2;

use super::lost::Rule;
use super::withheld::Withheld;
use crate::assimilation::{ObservationOperator, ObservationSet, Prior};
use crate::systems::Key;

/// A truth with its observations, or the user's own observations.
pub struct Replicate {
    /// The truth at every lead step, `[time, component]`; none for the user's own observations.
    pub truth: Option<Array2<f64>>,
    /// Observations that methods see, `[analysis, observed]`; NaN is missing.
    pub observations: Array2<f64>,
    /// Observations that they do not see, where there are any.
    pub withheld: Option<Withheld>,
    /// The lead step of each set of observations.
    pub steps: Vec<usize>,
    /// When a row has lost the truth.
    pub lost: Rule,
    /// What the filters start from, at lead step 0.
    pub prior: Prior,
    /// The address of everything that methods draw in this replicate.
    pub key: Key,
}

impl Replicate {
    /// One set of observations, by its index, as methods see it; `dt` is the length of a lead step.
    pub fn observed<'a>(&'a self, index: usize, dt: f64, operator: &'a dyn ObservationOperator) -> ObservationSet<'a> {
        let step = self.steps[index];
        ObservationSet { step, time: step as f64 * dt, values: self.observations.row(index), operator }
    }

    /// The observations of one set that forecasts and analyses are verified against, at the time of `now`; none where nothing
    /// is withheld.
    pub fn verified<'a>(&'a self, index: usize, now: &ObservationSet<'a>) -> Option<ObservationSet<'a>> {
        Some(ObservationSet { values: self.withheld.as_ref()?.evaluated.row(index), ..*now })
    }

    /// All observations, those that methods do not see among them, `[analysis, observed]`; NaN is missing.
    pub fn all_observations(&self) -> Array2<f64> {
        let mut all = self.observations.clone();
        for kept in self.withheld.iter().flat_map(|withheld| [&withheld.evaluated, &withheld.not_used]) {
            all.zip_mut_with(kept, |y, kept| *y = if kept.is_nan() { *y } else { *kept });
        }
        all
    }
}
