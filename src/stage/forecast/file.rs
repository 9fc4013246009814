//! Forecasts as a file.

use std::path::Path;

use ndarray::{Array4, Array5};

use crate::failure::Result;
use crate::spec::Plan;
use crate::stage::data::SplitTrajectories;
use crate::stage::output::{numbers, origin, truth};
use crate::store::netcdf::{self, Dataset, TimeUnit, Values, Variable, Wording};

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
    /// The trajectories that they start from.
    pub data: &'a SplitTrajectories,
}

/// The coordinate of lead times of so many `dt`, in the unit of the times of the data.
fn lead_times(leads: usize, dt: f64, unit: &TimeUnit) -> Variable {
    let of = |step: f64| (1..=leads).map(|lead| lead as f64 * step).collect();
    match unit {
        // readers of physical times need to be told that these are durations and not dates
        TimeUnit::Physical { name, seconds } => {
            let (name, step) = if name.contains(' ') { ("seconds", dt * seconds) } else { (name.as_str(), dt) };
            let coordinate = Variable::coordinate("lead_time", Values::F64(of(step)));
            coordinate.with("standard_name", "forecast_period").with("units", name).with("dtype", "timedelta64[ns]")
        }
        _ => Wording::default().clock("lead_time", of(dt), "forecast_period"),
    }
}

/// Writes forecasts and their truth.
///
/// # Errors
/// When the system refuses.
pub fn write_forecasts(path: &Path, forecasts: &Forecasts, plan: &Plan) -> Result<()> {
    let dt = plan.data.stepping.dt;
    let (cases, _, members, leads, components) = forecasts.values.dim();
    let (data, wording) = (forecasts.data, &forecasts.data.wording);
    let start_times = data.times(forecasts.starts.iter().copied(), dt);
    let happened = truth(&["case", "time", "lead_time", "component"], forecasts.truth.iter().copied().collect());
    let dataset = Dataset::default()
        .dimension("case", cases)
        .coordinate(wording.clock("time", start_times, "forecast_reference_time"))
        .coordinate(numbers(members))
        .coordinate(lead_times(leads, dt, &data.unit))
        .dimension("component", components)
        .variable(
            wording.of_states(
                Variable::new(
                    "forecast",
                    &["case", "time", "number", "lead_time", "component"],
                    Values::F64(forecasts.values.iter().copied().collect()),
                )
                .with("long_name", "ensemble forecast of the state")
                .with("units", "1"),
            ),
        )
        .variable(wording.of_states(happened))
        .with("label", forecasts.label);
    let dataset = wording.with_places(dataset, "component");
    Ok(netcdf::write(path, &dataset.from_experiment(&origin(plan, "forecasts")?))?)
}
