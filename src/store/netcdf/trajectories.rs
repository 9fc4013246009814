//! Trajectories: what forecasters learn from and are scored on.

use std::path::Path;

use ndarray::{Array3, Ix3};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::arrange::{self, CASE, COMPONENT, TIME};
use super::dataset::{Dataset, Origin, Values, Variable};
use super::read::Reader;
use super::write;

/// States at equally spaced times.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectories {
    /// `[case, time, component]`.
    pub values: Array3<f64>,
    /// The times, in the file's own unit (ours: model time); none where the file has no time coordinate.
    pub time: Option<Vec<f64>>,
}

/// Writes trajectories as the variable `state` (case, time, component).
///
/// # Errors
/// As [`write()`].
pub fn write_trajectories(path: &Path, trajectories: &Trajectories, origin: &Origin) -> Result<()> {
    let (cases, times, components) = trajectories.values.dim();
    let state = Variable::new("state", &["case", "time", "component"], flat(&trajectories.values))
        .with("long_name", "state of the system")
        .with("units", "1");
    let dataset = Dataset::default().dimension("case", cases);
    let dataset = with_time(dataset, times, trajectories.time.as_ref()).dimension("component", components);
    write(path, &dataset.variable(state).from_experiment(origin))
}

/// Reads trajectories from anyone's file: named dimensions in any order and under any of their usual names; without a
/// dimension `case` it is one case. Takes the variable of a name, or the only floating-point one that fits.
///
/// # Errors
/// As [`super::read`]; and [`Error::Data`] when no variable or several fit, or a value is missing or not finite.
pub fn read_trajectories(path: &Path, variable: Option<&str>, limits: &Limits) -> Result<Trajectories> {
    let mut reader = Reader::open(path, limits)?;
    let roles = [&CASE, &TIME, &COMPONENT];
    let arranged = arrange::load(path, &mut reader, variable, &roles)?;
    arrange::finite(path, &arranged.values, &roles)?;
    let time = arrange::coordinate(&mut reader, arranged.dimensions[1].as_ref())?;
    let values = arranged.values.into_dimensionality::<Ix3>().map_err(|e| Error::content(path, e.to_string()))?;
    Ok(Trajectories { values, time })
}

/// An array's values in row-major order.
pub(super) fn flat<D: ndarray::Dimension>(values: &ndarray::Array<f64, D>) -> Values {
    Values::F64(values.iter().copied().collect())
}

/// Adds the dimension `time`, with model times along it if they are known.
pub(super) fn with_time(dataset: Dataset, times: usize, time: Option<&Vec<f64>>) -> Dataset {
    let Some(time) = time else { return dataset.dimension("time", times) };
    let coordinate = Variable::coordinate("time", Values::F64(time.clone()))
        .with("long_name", "model time")
        .with("units", "1")
        .with("time_unit", "model time unit");
    dataset.coordinate(coordinate)
}
