//! Ensemble forecasts, in the layout that verification packages expect: (case, time, number, lead_time, component).

use std::path::Path;

use ndarray::{Array5, Ix5};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::arrange::{self, CASE, COMPONENT, LEAD_TIME, NUMBER, Role, TIME};
use super::clock::{self, Clock};
use super::dataset::{Dataset, Origin, Values, Variable};
use super::read::Reader;
use super::trajectories::{flat, with_time};
use super::write;

/// How long after its start each state of a forecast is.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadTime {
    /// The lead times.
    pub values: Vec<f64>,
    /// Their unit: `1` for model time, else a physical one such as `hours`.
    pub units: String,
}

/// Ensemble forecasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    /// `[case, time, number, lead_time, component]`; NaN where a forecast diverged.
    pub values: Array5<f64>,
    /// The starting times in model time, if known.
    pub time: Option<Vec<f64>>,
    /// The lead times.
    pub lead_time: LeadTime,
}

/// Starts of forecasts may lie in a dimension of their own or be the cases.
pub(super) const START: Role = Role { optional: true, ..TIME };

/// Writes forecasts as the variable `forecast`.
///
/// # Errors
/// As [`write()`].
pub fn write_forecasts(path: &Path, forecasts: &Forecasts, origin: &Origin) -> Result<()> {
    let (cases, times, members, _, components) = forecasts.values.dim();
    let dimensions = ["case", "time", "number", "lead_time", "component"];
    let forecast = Variable::new("forecast", &dimensions, flat(&forecasts.values))
        .with("long_name", "ensemble forecast of the state")
        .with("units", "1");
    let dataset = with_time(Dataset::default().dimension("case", cases), times, forecasts.time.as_ref())
        .coordinate(numbers(members))
        .coordinate(lead_time(&forecasts.lead_time))
        .dimension("component", components)
        .variable(forecast);
    write(path, &dataset.from_experiment(origin))
}

fn numbers(members: usize) -> Variable {
    let numbers = (0..members).map(|m| i32::try_from(m).unwrap_or(i32::MAX)).collect();
    Variable::coordinate("number", Values::I32(numbers))
        .with("standard_name", "realization")
        .with("long_name", "ensemble member")
        .with("units", "1")
}

fn lead_time(lead: &LeadTime) -> Variable {
    let coordinate = Variable::coordinate("lead_time", Values::F64(lead.values.clone()))
        .with("standard_name", "forecast_period")
        .with("long_name", "time since the start of the forecast")
        .with("units", lead.units.as_str());
    // Readers of physical times need to be told that these are durations and not dates; model time is a plain number.
    if lead.units == "1" {
        coordinate.with("time_unit", "model time unit")
    } else {
        coordinate.with("dtype", "timedelta64[ns]")
    }
}

/// Reads ensemble forecasts; a file without `case` or `time` has one of it.
///
/// # Errors
/// As [`super::read`]; and [`Error::Data`] when no variable or several fit.
pub fn read_forecasts(path: &Path, variable: Option<&str>, limits: &Limits) -> Result<Forecasts> {
    let Stored { values, time, lead, .. } = load(path, &mut Reader::open(path, limits)?, variable)?;
    let counted = || Clock::new((1..=values.dim().3).map(|step| step as f64).collect(), None, None);
    let lead = lead.unwrap_or_else(counted);
    let lead_time = LeadTime { values: lead.values, units: lead.said.unwrap_or_else(|| "1".into()) };
    Ok(Forecasts { values, time: time.map(|time| time.values), lead_time })
}

/// Forecasts as a file has them.
pub(super) struct Stored {
    pub(super) values: Array5<f64>,
    /// The times of the starts, where it has any.
    pub(super) time: Option<Clock>,
    /// Whether they are of the cases, each of which is a start.
    pub(super) timed_cases: bool,
    /// The lead times, where it has any.
    pub(super) lead: Option<Clock>,
}

/// Names of the times of starts.
pub(super) const STARTS: &[&str] =
    &["time", "valid_time", "t", "init_time", "forecast_reference_time", "reference_time", "start_time"];
/// The name of a dimension of cases that are starts.
const INIT_TIME: &str = "init_time";

/// The forecasts of a file that is open.
pub(super) fn load(path: &Path, reader: &mut Reader, variable: Option<&str>) -> Result<Stored> {
    let arranged = arrange::load(path, reader, variable, &[&[&CASE, &START, &NUMBER, &LEAD_TIME, &COMPONENT]])?;
    let [case, start, lead] = [0, 1, 3].map(|role| arranged.dimensions[role].as_ref());
    let timed_cases = start.is_none() && case.is_some_and(|name| name.to_lowercase() == INIT_TIME);
    let time = clock::along(path, reader, if timed_cases { case } else { start }, STARTS)?;
    let lead = clock::along(path, reader, lead, LEADS)?;
    let values = arranged.values.into_dimensionality::<Ix5>().map_err(|e| Error::content(path, e.to_string()))?;
    Ok(Stored { values, time, timed_cases, lead })
}

/// Names of lead times.
const LEADS: &[&str] = &["lead_time", "lead", "prediction_timedelta", "forecast_period"];
