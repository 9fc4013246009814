//! The arrays that stages write: trajectories, forecasts and analyses, each with the experiment that made it.

use std::path::Path;

use ndarray::Array2;

use crate::failure::{Failure, Kind, Result};
use crate::spec::Plan;
use crate::stage::assimilation_scores::Analyses;
use crate::stage::data::Trajectories;
use crate::store::netcdf::{self, Dataset, Origin, Values, Variable};

/// Where a file comes from: the experiment, as JSON.
///
/// # Errors
/// Never in practice: the resolved experiment is our own TOML.
pub fn origin(plan: &Plan, title: &str) -> Result<Origin> {
    let value: serde_json::Value = toml::from_str(&plan.resolved)
        .map_err(|error| Failure::new(Kind::Bug, format!("the resolved experiment is not TOML: {error}")))?;
    Ok(Origin { title: title.to_owned(), seed: plan.seed, config_json: value.to_string() })
}

/// Writes all trajectories in the order train, valid, test.
///
/// # Errors
/// When the system refuses.
pub fn write_trajectories(path: &Path, data: &Trajectories, plan: &Plan) -> Result<()> {
    let values = data.joined();
    let time = (0..values.dim().1).map(|k| k as f64 * plan.data.stepping.dt).collect();
    let trajectories = netcdf::Trajectories { values, time: Some(time) };
    Ok(netcdf::write_trajectories(path, &trajectories, &origin(plan, "trajectories")?)?)
}

/// Writes the analyses of a network's first replicate: mean and standard deviation of every row, truth, observations.
///
/// # Errors
/// When the system refuses.
pub fn write_analyses(path: &Path, analyses: &Analyses, plan: &Plan) -> Result<()> {
    let (times, observed) = analyses.observations.dim();
    let components = analyses.rows.first().map_or(0, |(_, mean, _)| mean.ncols());
    let labels = Values::Text(analyses.rows.iter().map(|(label, _, _)| label.clone()).collect());
    let stacked = |pick: fn(&(String, Array2<f64>, Array2<f64>)) -> &Array2<f64>| {
        Values::F64(analyses.rows.iter().flat_map(|row| pick(row).iter().copied()).collect())
    };
    let row_dims = ["row", "time", "component"];
    let mut dataset = Dataset::default()
        .dimension("row", analyses.rows.len())
        .coordinate(
            Variable::coordinate("time", Values::F64(analyses.times.clone()))
                .with("units", "1")
                .with("time_unit", "model time unit")
                .with("axis", "T"),
        )
        .dimension("component", components)
        .dimension("observed", observed)
        .variable(Variable::new("label", &["row"], labels).with("long_name", "method and forecaster"))
        .variable(
            Variable::new("analysis_mean", &row_dims, stacked(|row| &row.1))
                .with("long_name", "mean of the analysis ensemble; NaN where a row was not run")
                .with("units", "1"),
        )
        .variable(
            Variable::new("analysis_sd", &row_dims, stacked(|row| &row.2))
                .with("long_name", "standard deviation of the analysis ensemble")
                .with("units", "1"),
        )
        .variable(
            Variable::new("observation", &["time", "observed"], Values::F64(analyses.observations.iter().copied().collect()))
                .with("long_name", "observations; NaN is missing")
                .with("units", "1"),
        );
    if let Some(truth) = &analyses.truth {
        debug_assert_eq!(truth.nrows(), times);
        dataset = dataset.variable(
            Variable::new("truth", &["time", "component"], Values::F64(truth.iter().copied().collect()))
                .with("long_name", "the hidden truth of the twin experiment")
                .with("units", "1"),
        );
    }
    let title = format!("analyses of network {}", analyses.observe);
    Ok(netcdf::write(path, &dataset.from_experiment(&origin(plan, &title)?))?)
}
