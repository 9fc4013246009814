//! The accuracy of a classifier two-sample test (Lopez-Paz & Oquab 2017): how often a network that was trained to tell the
//! draws of a forecaster's one-step law from draws of the true law, given the same state, tells which of two is which.
//!
//! 1/2 where the two are one law, 1 where they never meet. As f(x, u) of the network is about the logarithm of the ratio of the
//! densities, the accuracy is the area under its curve given x, averaged over x. For two Gaussians whose sd are off by a factor r it
//! is at most (2 / pi) atan r: .530 for r = 1.1.

use super::about::Orientation;
use super::case::{Case, Input};
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "classifier_accuracy",
    about: "how often a trained network tells a forecaster's one-step draws from true ones; scored where it is named",
    reference: "Lopez-Paz & Oquab 2017",
    params: &[],
    build: MetricBuild::new(
        "classifier accuracy",
        Orientation::Less,
        "How often a network, trained on other states, tells which of two states one lead step on is the forecaster's draw and \
         which that of the true law; 0.5 where the two laws are one. Where the true law is not known there is none.",
        build,
    )
    .on_request(),
};

/// States that are drawn from, at most and at least.
const STATES: [usize; 2] = [2048, 16];

/// Numbers that all draws of a law may be.
const LARGEST: usize = 1 << 22;

/// Draws of each of the two laws from each state.
pub const DRAWS: usize = 4;

/// How many states are drawn from, of so many with so many components; 0 where these are too few, or too large.
pub fn states(available: usize, dim: usize) -> usize {
    let [most, least] = STATES;
    let count = available.min(most).min(LARGEST / DRAWS / dim.max(1));
    if count < least { 0 } else { count }
}

struct ClassifierAccuracy;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(ClassifierAccuracy))
}

impl Metric for ClassifierAccuracy {
    fn input(&self) -> Input {
        Input::Choices
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        let (right, of) = case.choices();
        out[0] = right as f64 / of as f64;
    }

    fn estimator(&self) -> &'static str {
        "share of right choices"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_as_many_as_fit() {
        assert_eq!([states(10_000, 40), states(100, 40), states(10_000, 10_000)], [2048, 100, 104]);
        assert_eq!([states(10_000, 10_000_000), states(15, 2), states(16, 2)], [0, 0, 16]);
    }
}
