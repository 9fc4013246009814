//! Observations: the user's own, or those of a twin experiment. A missing observation is NaN.

use std::path::Path;

use ndarray::{Array3, Ix3};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::arrange::{self, OBSERVED, REPLICATE, TIME};
use super::dataset::{Dataset, Origin, Variable};
use super::read::Reader;
use super::time_unit::TimeUnit;
use super::times::{Times, times};
use super::trajectories::{flat, with_time};
use super::wording::{self, Wording};
use super::write;

/// Sets of observations in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Observations {
    /// `[replicate, time, observed]`; NaN is missing. A file without replicates has one.
    pub values: Array3<f64>,
    /// The times of the sets, in the file's own unit; none where the file has no times.
    pub time: Option<Vec<f64>>,
    /// The unit of the times.
    pub unit: TimeUnit,
}

/// Writes observations as the variable `observation` (replicate, time, observed); a single replicate has no dimension.
///
/// # Errors
/// As [`write()`].
pub fn write_observations(path: &Path, observations: &Observations, origin: &Origin) -> Result<()> {
    let (replicates, times, observed) = observations.values.dim();
    let dimensions: &[&str] = if replicates == 1 { &["time", "observed"] } else { &["replicate", "time", "observed"] };
    let variable = Variable::new("observation", dimensions, flat(&observations.values))
        .with("long_name", "observed values")
        .with("units", "1");
    let dataset =
        if replicates == 1 { Dataset::default() } else { Dataset::default().dimension("replicate", replicates) };
    let dataset = with_time(dataset, times, observations.time.as_ref()).dimension("observed", observed);
    write(path, &dataset.variable(variable).from_experiment(origin))
}

/// Reads observations from anyone's file: dimensions in any order, values at `_FillValue` or `missing_value` as NaN.
///
/// # Errors
/// As [`super::read`]; and [`Error::Data`] when no variable or several fit, or a value is infinite.
pub fn read_observations(path: &Path, variable: Option<&str>, limits: &Limits) -> Result<Observations> {
    read_worded_observations(path, variable, limits).map(|(observations, _)| observations)
}

/// Observations, and what the file calls what it holds.
///
/// # Errors
/// As [`read_observations`].
pub fn read_worded_observations(
    path: &Path,
    variable: Option<&str>,
    limits: &Limits,
) -> Result<(Observations, Wording)> {
    let mut reader = Reader::open(path, limits)?;
    let arranged = arrange::load(path, &mut reader, variable, &[&[&REPLICATE, &TIME, &OBSERVED]])?;
    if let Some((at, value)) = arranged.values.indexed_iter().find(|(_, v)| v.is_infinite()) {
        let message = format!("an observation is {value} (replicate {}, time {}, observed {})", at[0], at[1], at[2]);
        return Err(Error::data(path, message, "give NaN for a missing observation"));
    }
    let [replicates, along, space] = [0, 1, 2].map(|role| arranged.dimensions[role].as_ref());
    let Times { values: time, unit, said } = times(path, &mut reader, replicates, along)?;
    let space: Vec<(String, usize)> =
        space.into_iter().map(|name| (name.clone(), arranged.values.shape()[2])).collect();
    let wording = wording::read(path, &mut reader, &arranged.name, &space, said)?;
    let values = arranged.values.into_dimensionality::<Ix3>().map_err(|e| Error::content(path, e.to_string()))?;
    Ok((Observations { values, time, unit }, wording))
}
