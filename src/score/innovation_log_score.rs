//! The innovation log score: minus the log density of the observations given the forecast ensemble, per observation.
//!
//! -log N(y; H x_f, H P H^T + R) / p for the p observations present at a time, averaged over times. It needs no truth,
//! so it scores runs on real observations. Natural logarithm; less is better.

use super::log_score::minus_log_density;
use super::{BuildMetric, Case, Context, Input, Metric};
use crate::systems::{Entry, Result, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<BuildMetric> = Entry {
    name: "innovation_log_score",
    about: "minus the log density of the observations given the forecast, per observation; needs no truth",
    reference: "Good 1952; Dee 1995",
    params: &[],
    build,
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
