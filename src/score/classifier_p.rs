//! The p-value of a classifier two-sample test (Lopez-Paz & Oquab 2017): of N choices between a draw of a forecaster's
//! one-step law and one of the true law from the same state, k are right by a network trained on other states.
//!
//! Where the laws are one, each choice is a fair coin of its own, whatever the states are and however they depend on each other,
//! for all draws are fresh: p = P(K >= k), K binomial of N and 1/2, exactly.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::about::Orientation;
use super::case::{Case, Input};
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use super::statistics::Summary;
use super::terms::Terms;
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "classifier_p",
    about: "p-value of the classifier's accuracy, exact; scored where it is named",
    reference: "Lopez-Paz & Oquab 2017",
    params: &[],
    build: MetricBuild::new(
        "classifier p",
        Orientation::None,
        "The chance that fair coins would be right as often as the classifier was. Small: the forecaster's one-step law is \
         not the true one.",
        build,
    )
    .on_request(),
};

struct ClassifierP;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(ClassifierP))
}

impl Metric for ClassifierP {
    fn input(&self) -> Input {
        Input::Choices
    }

    /// Right choices, and choices.
    fn terms(&self) -> usize {
        2
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        let (right, of) = case.choices();
        (out[0], out[1]) = (right as f64, of as f64);
    }

    /// The accuracy, of which it is the p-value.
    fn value(&self, means: &[f64]) -> f64 {
        means[0] / means[1]
    }

    fn estimator(&self) -> &'static str {
        "exact binomial, one-sided"
    }

    fn summarise(&self, terms: &Terms) -> Summary {
        let mut summary = Summary::empty(terms);
        if !terms.diverged() && !terms.is_empty() {
            let total = |index: usize| terms.rows().map(|(_, _, row)| row[index]).sum::<f64>() as u64;
            summary.value = Binomial::new(0.5, total(1)).ok().map(|coins| match total(0) {
                0 => 1.0,
                right => coins.sf(right - 1),
            });
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(cases: &[(usize, usize)]) -> f64 {
        let mut terms = Terms::new(2);
        for (time, &(right, of)) in cases.iter().enumerate() {
            terms.measure(&ClassifierP, 0, time, &Case::Choices { right, of });
        }
        ClassifierP.summarise(&terms).value.unwrap()
    }

    #[test]
    fn the_p_value_is_that_of_fair_coins() {
        // 8 of 10: (45 + 10 + 1) / 1024
        assert!((p(&[(3, 4), (3, 4), (2, 2)]) - 56.0 / 1024.0).abs() < 1e-12);
        assert!((p(&[(0, 10)]) - 1.0).abs() < 1e-12);
        assert!((p(&[(10, 10)]) - 1.0 / 1024.0).abs() < 1e-15);
        // 2,125 of 4,096 are 2.406 standard deviations: .0083 with the half of a coin that continuity takes
        assert!((p(&[(2125, 4096)]) - 0.0083).abs() < 2e-4, "{}", p(&[(2125, 4096)]));
    }
}
