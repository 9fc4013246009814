//! Root mean squared error of the ensemble mean m against the truth y.
//!
//! Pool `all`: sqrt(mean over cases of e), e = mean over components of (m - y)^2. Pool `each_time`: the mean over
//! times of sqrt(e), which is the filters' convention (Sakov & Oke 2008; DAPPER, Raanes et al. 2024).

use super::about::{Of, Orientation};
use super::case::Case;
use super::metric::{Context, Metric, MetricBuild, MetricEntry, Pool};
use crate::systems::{Result, Settings};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "rmse",
    about: "root mean squared error of the ensemble mean; of analyses the mean over times of each time's",
    reference: "Sakov & Oke 2008",
    params: &[],
    build: MetricBuild::new(
        "RMSE",
        Orientation::Less,
        "Root of the mean squared error of the ensemble mean. Assimilation: the root over components is taken at each \
         analysis time and then averaged over time (pool each_time). Forecasts: the root of the mean over all cases (pool \
         all).",
        build,
    )
    .of(Of::ALL)
    .headline(Of::ALL),
};

struct Rmse {
    pool: Pool,
}

fn build(_settings: &Settings, context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(Rmse { pool: context.pool }))
}

impl Metric for Rmse {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let error = case.ensemble().squared_error();
        out[0] = if self.pool == Pool::EachTime { error.sqrt() } else { error };
    }

    fn value(&self, means: &[f64]) -> f64 {
        if self.pool == Pool::EachTime { means[0] } else { means[0].sqrt() }
    }

    fn estimator(&self) -> &'static str {
        "ensemble mean"
    }

    fn pool(&self) -> Pool {
        self.pool
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::score::{Ensemble, Terms, build};

    #[test]
    fn the_two_pools_take_the_root_last_and_first() {
        // ensemble means (0, 0); errors (3, 1) then (1, 1): mean squares 5 and 1
        let members = array![[1.0, 2.0], [-1.0, -2.0]];
        for (pool, expected) in [(Pool::All, 3f64.sqrt()), (Pool::EachTime, 0.5 * (5f64.sqrt() + 1.0))] {
            let metric = build("rmse", &Context::plain(pool)).unwrap();
            let mut terms = Terms::new(1);
            for (time, truth) in [array![3.0, 1.0], array![1.0, -1.0]].iter().enumerate() {
                let ensemble = Ensemble::new(truth.view(), members.view(), None);
                terms.measure(&*metric, 0, time, &Case::Ensemble(&ensemble));
            }
            assert!((metric.summarise(&terms).value.unwrap() - expected).abs() < 1e-14);
        }
    }
}
