//! Bias: the mean over cases and components of m - y, for the ensemble mean m and the truth y.

use super::{BuildMetric, Case, Context, Metric, Orientation};
use crate::systems::{Entry, Result, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<BuildMetric> = Entry {
    name: "bias",
    about: "mean error of the ensemble mean, forecast minus truth",
    reference: "Jolliffe & Stephenson 2012",
    params: &[],
    build,
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

    fn orientation(&self) -> Orientation {
        Orientation::Near(0)
    }
}
