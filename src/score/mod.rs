//! Scores: one metric a file, one line in [`METRICS`].
//!
//! A metric is a mean of per-case terms and then one function of the means: [`Metric::measure`] turns one case into
//! terms, a [`Terms`] table keeps them by cluster (trajectory, replicate) and time, and [`Metric::summarise`] and
//! [`statistics::compare`] read the same table. So a value, its standard error and every paired test come from one
//! pass over the forecasts.
//!
//! What is deliberately absent: networks, files, assimilation. Whoever measures hands over plain arrays.

mod bias;
mod columns;
mod crps_fair;
mod energy_score_fair;
mod ensemble;
#[cfg(test)]
mod golden;
mod innovation_log_score;
mod log_score;
mod rank_histogram;
mod rmse;
mod series_mean;
mod spread;
mod spread_skill;
pub mod statistics;
mod terms;
mod valid_time;

use std::collections::BTreeMap;

pub use ensemble::{Ensemble, effective_size};
pub use series_mean::SeriesMean;
pub use statistics::{Paired, Summary, compare, holm};
pub use terms::Terms;
pub use valid_time::normalised_error;

use crate::systems::registry::find;
use crate::systems::{Entry, Error, Result, Settings};

/// What the mean is taken over before the final function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Over all cases and components; the function (a root, say) comes last. The convention of forecast tables.
    All,
    /// The function is applied at each time, then the mean over times is taken: the filters' convention (DAPPER's).
    EachTime,
}

impl Pool {
    /// The name in a row: `all` or `each_time`.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::EachTime => "each_time",
        }
    }
}

/// Which values of a metric are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// Less is better.
    Less,
    /// More is better.
    More,
    /// The nearer to this number the better.
    Near(i32),
    /// It describes and does not judge.
    None,
}

impl Orientation {
    /// The value as a loss, of which less is better; NaN for a metric that does not judge.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Less => value,
            Self::More => -value,
            Self::Near(best) => (value - f64::from(best)).abs(),
            Self::None => f64::NAN,
        }
    }
}

/// Which [`Case`] a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// [`Case::Ensemble`].
    Ensemble,
    /// [`Case::LogDensity`] of the next state given the present one.
    StateDensity,
    /// [`Case::LogDensity`] of the observations given the forecast ensemble.
    InnovationDensity,
    /// [`Case::Errors`].
    Errors,
    /// [`Case::Number`].
    Number,
}

/// One case: what a forecaster or a filter said about one time, and what happened.
#[derive(Clone, Copy, Debug)]
pub enum Case<'a> {
    /// An ensemble and the truth.
    Ensemble(&'a Ensemble<'a>),
    /// A log density (natural logarithm) of this many values together.
    LogDensity {
        /// log p of all values.
        log_density: f64,
        /// How many values they are.
        values: usize,
    },
    /// The normalised errors of one forecast at lead steps 1, 2, ... ([`normalised_error`]).
    Errors(&'a [f64]),
    /// Any number of which the mean is wanted.
    Number(f64),
}

impl<'a> Case<'a> {
    /// Which kind of case it is told to be, for messages.
    fn kind(&self) -> &'static str {
        match self {
            Self::Ensemble(_) => "an ensemble",
            Self::LogDensity { .. } => "a log density",
            Self::Errors(_) => "errors by lead step",
            Self::Number(_) => "a number",
        }
    }

    /// The ensemble; anything else is a bug of the caller.
    fn ensemble(&self) -> &'a Ensemble<'a> {
        let Self::Ensemble(ensemble) = self else {
            unreachable!("the metric needs an ensemble, but was given {}", self.kind())
        };
        ensemble
    }
}

/// A score or a diagnostic.
pub trait Metric: Send + Sync {
    /// What [`Metric::measure`] must be given.
    fn input(&self) -> Input {
        Input::Ensemble
    }

    /// The number of terms of a case.
    fn terms(&self) -> usize {
        1
    }

    /// The terms of one case into `out` (`[terms]`). Non-finite terms mean that the case diverged.
    fn measure(&self, case: &Case, out: &mut [f64]);

    /// The metric, given the means of the terms over cases (`[terms]`).
    fn value(&self, means: &[f64]) -> f64 {
        means[0]
    }

    /// How it is estimated, to be printed beside every value.
    fn estimator(&self) -> &'static str;

    /// What the mean is taken over before the final function.
    fn pool(&self) -> Pool {
        Pool::All
    }

    /// Which values are good.
    fn orientation(&self) -> Orientation {
        Orientation::Less
    }

    /// The value over a table of terms, with its standard error.
    fn summarise(&self, terms: &Terms) -> Summary {
        statistics::summarise(terms, &|means| self.value(means))
    }

    /// The counts of a histogram, for those that are one: what the report draws.
    fn histogram(&self, _terms: &Terms) -> Option<Vec<f64>> {
        None
    }
}

/// What a metric may need to know of the experiment.
#[derive(Clone, Debug)]
pub struct Context {
    /// The pooling of `rmse` and `spread`: [`Pool::All`] in forecast tables, [`Pool::EachTime`] in assimilation tables.
    pub pool: Pool,
    /// The length of a lead step, in model time.
    pub dt: f64,
    /// The time in which small errors grow by e, in model time, where it is known.
    pub lyapunov_time: Option<f64>,
}

/// How a metric is built.
pub type BuildMetric = fn(&Settings, &Context) -> Result<Box<dyn Metric>>;

/// Every metric, in the order in which they are listed.
pub const METRICS: &[Entry<BuildMetric>] = &[
    rmse::ENTRY,
    bias::ENTRY,
    spread::ENTRY,
    spread_skill::ENTRY,
    crps_fair::ENTRY,
    energy_score_fair::ENTRY,
    rank_histogram::ENTRY,
    log_score::ENTRY,
    innovation_log_score::ENTRY,
    valid_time::ENTRY,
];

/// The metric of this name with its default settings.
///
/// # Errors
/// An unknown name, or a metric that this experiment cannot have.
pub fn build(name: &str, context: &Context) -> Result<Box<dyn Metric>> {
    let entry = find(METRICS, "metric", name)?;
    let settings = Settings::check(&format!("metric `{name}`"), entry.params, &BTreeMap::new())
        .map_err(|mistakes| mistakes.into_iter().next().unwrap_or_else(|| Error::Unsupported(name.to_owned())))?;
    (entry.build)(&settings, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_builds_with_its_defaults_and_says_how_it_is_estimated() {
        let context = Context { pool: Pool::All, dt: 0.1, lyapunov_time: None };
        for entry in METRICS {
            let metric = build(entry.name, &context).unwrap();
            assert!(metric.terms() > 0 && !metric.estimator().is_empty(), "{}", entry.name);
        }
        let message = build("crsp_fair", &context).err().unwrap().to_string();
        assert_eq!(message, "unknown metric `crsp_fair`; did you mean `crps_fair`?");
    }

    #[test]
    fn a_loss_is_less_for_the_better_value() {
        assert!(Orientation::Near(1).loss(0.9) < Orientation::Near(1).loss(1.2));
        assert!(Orientation::More.loss(2.0) < Orientation::More.loss(1.0));
        assert!(Orientation::None.loss(2.0).is_nan());
    }
}
