//! The logarithmic score: minus the log density of what happened, per component (Good 1952).
//!
//! -log p(x_{k+1} | x_k) / dim, for forecasters that have an exact one-step density. Natural logarithm; less is better.

use super::about::{Of, Orientation};
use super::case::{Case, Input};
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "log_score",
    about: "minus the one-step log density per component, where a density exists",
    reference: "Good 1952",
    params: &[],
    build: MetricBuild::new(
        "log score",
        Orientation::Less,
        "Negative log density of the truth, a component, where the forecaster has an exact density.",
        build,
    )
    .headline(&[Of::Analysis])
    .logarithmic(),
};

struct LogScore;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(LogScore))
}

impl Metric for LogScore {
    fn input(&self) -> Input {
        Input::StateDensity
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        out[0] = minus_log_density(case);
    }

    fn estimator(&self) -> &'static str {
        "density"
    }
}

/// -log p per value.
pub(super) fn minus_log_density(case: &Case) -> f64 {
    let Case::LogDensity { log_density, values } = case else {
        unreachable!("the metric needs a log density, but was given {}", case.kind())
    };
    assert!(*values > 0, "a log density of no values");
    -log_density / *values as f64
}
