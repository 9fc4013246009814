//! Bias: the mean over cases and components of m - y, for the ensemble mean m and the truth y.

use super::about::Orientation;
use super::case::Case;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "bias",
    about: "mean error of the ensemble mean, forecast minus truth",
    reference: "Jolliffe & Stephenson 2012",
    params: &[],
    build: MetricBuild::new("bias", Orientation::Near(0), "Mean of ensemble mean minus truth.", build),
};

struct Bias;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(Bias))
}

impl Metric for Bias {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let sum: f64 = ensemble.mean.iter().zip(ensemble.truth).map(|(m, y)| m - y).sum();
        out[0] = sum / ensemble.truth.len() as f64;
    }

    fn estimator(&self) -> &'static str {
        "ensemble mean"
    }
}
