//! The innovation log score: minus the log density of the observations given the forecast ensemble, per observation.
//!
//! -log N(y; H x_f, H P H^T + R) / p for the p observations present at a time, averaged over times. It needs no truth,
//! so it scores runs on real observations. Natural logarithm; less is better.

use super::about::{Of, Orientation};
use super::case::{Case, Input};
use super::log_score::minus_log_density;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "innovation_log_score",
    about: "minus the log density of the observations given the forecast, per observation; needs no truth",
    reference: "Good 1952; Dee 1995",
    params: &[],
    build: MetricBuild::new(
        "innovation log score",
        Orientation::Less,
        "Negative log density of the observations under the forecast ensemble's Gaussian with the observation error added. It \
         needs no truth.",
        build,
    )
    .headline(&[Of::Analysis])
    .logarithmic(),
};

struct InnovationLogScore;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(InnovationLogScore))
}

impl Metric for InnovationLogScore {
    fn input(&self) -> Input {
        Input::InnovationDensity
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        out[0] = minus_log_density(case);
    }

    fn estimator(&self) -> &'static str {
        "gaussian"
    }
}
