//! Spread over error of the ensemble mean, corrected for the ensemble's size: sqrt((M+1)/M mean v / mean e).
//!
//! v is the unbiased variance and e the squared error of the mean, both averaged over components and cases before the
//! root. For members and truth of one law mean e is (M+1)/M mean v, so a reliable ensemble of any size scores 1
//! (Fortin, Abaza, Anctil & Turcotte 2014). M is the effective size for a weighted ensemble.

use super::about::{Of, Orientation};
use super::case::Case;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "spread_skill",
    about: "spread over error of the mean, corrected for ensemble size; 1 is reliable",
    reference: "Fortin et al. 2014",
    params: &[],
    build: MetricBuild::new(
        "spread / skill",
        Orientation::Near(1),
        "Spread over RMSE with the factor sqrt((M + 1)/M) for M members (Fortin et al. 2014); 1 for an ensemble that knows \
         its own error, less for an overconfident one.",
        build,
    )
    .of(&[Of::Analysis, Of::Smoothed])
    .headline(&[Of::Analysis]),
};

struct SpreadSkill;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(SpreadSkill))
}

impl Metric for SpreadSkill {
    fn terms(&self) -> usize {
        2
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        out[0] = (1.0 + 1.0 / ensemble.size) * ensemble.mean_variance();
        out[1] = ensemble.squared_error();
    }

    fn value(&self, means: &[f64]) -> f64 {
        (means[0] / means[1]).sqrt()
    }

    fn least_members(&self) -> usize {
        2
    }

    fn estimator(&self) -> &'static str {
        "fortin"
    }
}
