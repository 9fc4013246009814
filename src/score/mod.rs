//! Scores: one metric a file, one line in [`METRICS`].
//!
//! [`Metric::measure`] turns one case into terms, a [`Terms`] table keeps them by cluster (trajectory, replicate) and time,
//! and [`Metric::summarise`] and [`statistics::compare`] read the same table. So a value, its standard error and every paired
//! test come from one pass over the forecasts.
//!
//! What is deliberately absent: networks, files, assimilation. Whoever measures hands over plain arrays.

mod about;
mod bias;
mod case;
mod classifier_accuracy;
mod classifier_p;
mod column;
mod columns;
mod crps_fair;
mod energy_score_fair;
mod ensemble;
mod excess_kurtosis;
#[cfg(test)]
mod golden;
mod innovation_log_score;
mod log_score;
mod log_score_flow;
mod mae_median;
mod metric;
mod rank_histogram;
mod rmse;
pub mod series;
mod spread;
mod spread_skill;
pub mod statistics;
mod terms;
mod valid_time;
mod variogram_score_fair;

use std::collections::BTreeMap;

pub use about::{About, Of, Orientation};
pub use case::{Case, Input};
pub use classifier_accuracy::{DRAWS as CLASSIFIER_DRAWS, states as classifier_states};
pub use column::{Column, Described, describe, is_logarithmic, measured, orientation, title};
pub use ensemble::{Ensemble, effective_size};
pub use metric::{Context, MakeMetric, Metric, MetricBuild, MetricEntry, Pool};
pub use series::{Series, SeriesMean};
pub use statistics::{Paired, Summary, compare, holm};
pub use terms::Terms;
pub use valid_time::{normalised_distance, normalised_error};

use crate::systems::registry::find;
use crate::systems::{Error, Result, Settings};

/// Every metric, in the order in which they are listed.
pub const METRICS: &[MetricEntry] = &[
    rmse::ENTRY,
    bias::ENTRY,
    spread::ENTRY,
    spread_skill::ENTRY,
    crps_fair::ENTRY,
    energy_score_fair::ENTRY,
    rank_histogram::ENTRY,
    log_score::ENTRY,
    log_score_flow::ENTRY,
    innovation_log_score::ENTRY,
    valid_time::ENTRY,
    mae_median::ENTRY,
    variogram_score_fair::ENTRY,
    classifier_accuracy::ENTRY,
    classifier_p::ENTRY,
    excess_kurtosis::ENTRY,
];

/// The names of the metrics that are scored where none is named, in their order.
pub fn default_names() -> Vec<String> {
    METRICS.iter().filter(|entry| entry.build.by_default).map(|entry| entry.name.to_owned()).collect()
}

/// The metric of this name with its default settings.
///
/// # Errors
/// An unknown name, or a metric that this experiment cannot have.
pub fn build(name: &str, context: &Context) -> Result<Box<dyn Metric>> {
    let entry = find(METRICS, "metric", name)?;
    let settings = Settings::check(&format!("metric `{name}`"), entry.params, &BTreeMap::new())
        .map_err(|mistakes| mistakes.into_iter().next().unwrap_or_else(|| Error::Unsupported(name.to_owned())))?;
    (entry.build.make)(&settings, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_builds_with_its_defaults_and_says_how_it_is_estimated() {
        let context = Context::plain(Pool::All);
        for entry in METRICS {
            let metric = build(entry.name, &context).unwrap();
            assert!(metric.terms() > 0 && !metric.estimator().is_empty(), "{}", entry.name);
            let about = entry.build.about;
            assert!(!about.title.is_empty() && about.meaning.ends_with('.'), "{}", entry.name);
            assert!(about.of.contains(&Of::Analysis) && about.headline.iter().all(|of| about.of.contains(of)));
        }
        let message = build("crsp_fair", &context).err().unwrap().to_string();
        assert_eq!(message, "unknown metric `crsp_fair`; did you mean `crps_fair`?");
    }
}
