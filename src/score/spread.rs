//! Spread: the root mean variance of the ensemble, pooled as [`rmse`](super::rmse) is.
//!
//! v = mean over components of the unbiased variance. Pool `all`: sqrt(mean over cases of v); pool `each_time`: the
//! mean over times of sqrt(v). The root comes after the mean over components (Fortin et al. 2014).

use super::about::{Of, Orientation};
use super::case::Case;
use super::metric::{Context, Metric, MetricBuild, MetricEntry, Pool};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "spread",
    about: "root mean variance of the ensemble",
    reference: "Fortin et al. 2014",
    params: &[],
    build: MetricBuild::new(
        "spread",
        Orientation::None,
        "Root of the mean ensemble variance (divisor members minus one), pooled as the RMSE beside it.",
        build,
    )
    .of(&[Of::Analysis, Of::Smoothed]),
};

struct Spread {
    pool: Pool,
}

fn build(_settings: &Settings, context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(Spread { pool: context.pool }))
}

impl Metric for Spread {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let variance = case.ensemble().mean_variance();
        out[0] = if self.pool == Pool::EachTime { variance.sqrt() } else { variance };
    }

    fn value(&self, means: &[f64]) -> f64 {
        if self.pool == Pool::EachTime { means[0] } else { means[0].sqrt() }
    }

    fn least_members(&self) -> usize {
        2
    }

    fn estimator(&self) -> &'static str {
        "unbiased variance"
    }

    fn pool(&self) -> Pool {
        self.pool
    }
}
