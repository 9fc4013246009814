//! Forecasts as a file.

use std::path::Path;

use ndarray::{Array4, Array5};

use crate::failure::Result;
use crate::spec::Plan;
use crate::stage::output::{model_time, numbers, origin, truth};
use crate::store::netcdf::{self, Dataset, Values, Variable};

/// Forecasts of one forecaster beside what followed.
pub struct Forecasts<'a> {
    /// The forecaster's label.
    pub label: &'a str,
    /// `[case, time, member, lead, component]`.
    pub values: &'a Array5<f64>,
    /// `[case, time, lead, component]`.
    pub truth: &'a Array4<f64>,
    /// The time of each start in its trajectory, in lead steps.
    pub starts: &'a [usize],
}

/// Writes forecasts and their truth.
///
/// # Errors
/// When the system refuses.
pub fn write_forecasts(path: &Path, forecasts: &Forecasts, plan: &Plan) -> Result<()> {
    let dt = plan.data.stepping.dt;
    let (cases, _, members, leads, components) = forecasts.values.dim();
    let start_times = forecasts.starts.iter().map(|&start| start as f64 * dt).collect();
    let lead_times = (1..=leads).map(|lead| lead as f64 * dt).collect();
    let dataset = Dataset::default()
        .dimension("case", cases)
        .coordinate(model_time("time", start_times, "forecast_reference_time"))
        .coordinate(numbers(members))
        .coordinate(model_time("lead_time", lead_times, "forecast_period"))
        .dimension("component", components)
        .variable(
            Variable::new(
                "forecast",
                &["case", "time", "number", "lead_time", "component"],
                Values::F64(forecasts.values.iter().copied().collect()),
            )
            .with("long_name", "ensemble forecast of the state")
            .with("units", "1"),
        )
        .variable(truth(&["case", "time", "lead_time", "component"], forecasts.truth.iter().copied().collect()))
        .with("label", forecasts.label);
    Ok(netcdf::write(path, &dataset.from_experiment(&origin(plan, "forecasts")?))?)
}
