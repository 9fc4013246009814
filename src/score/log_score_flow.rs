//! The logarithmic score of a law that is known by its denoiser: minus the log density of what happened, per component, by the
//! probability flow ([`flow_log_prob`](crate::systems::flow_log_prob)).
//!
//! It stands beside [`log_score`](super::log_score), and is no part of it: the flow is integrated numerically, blurs the law by a
//! thousandth of its unit, and of a trained denoiser it is the density of what its own flow draws. Natural logarithm; less is
//! better.

use super::about::{Of, Orientation};
use super::case::{Case, Input};
use super::log_score::minus_log_density;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "log_score_flow",
    about: "minus the one-step log density per component by the probability flow of a denoiser, at 48 states of a trajectory",
    reference: "Song et al. 2021",
    params: &[],
    build: MetricBuild::new(
        "log score by the flow",
        Orientation::Less,
        "Negative log density of the truth, a component, by the probability flow of the forecaster's denoiser, at 48 states of each \
         trajectory.",
        build,
    )
    .headline(&[Of::Analysis])
    .logarithmic(),
};

struct LogScoreFlow;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(LogScoreFlow))
}

impl Metric for LogScoreFlow {
    fn input(&self) -> Input {
        Input::FlowDensity
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        out[0] = minus_log_density(case);
    }

    fn estimator(&self) -> &'static str {
        "probability flow"
    }
}
