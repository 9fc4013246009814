//! Trajectories: what forecasters learn from and are scored on.

use std::path::Path;

use ndarray::{Array3, Ix3, Ix4};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::arrange::{self, Arranged, CASE, COMPONENT, Chosen, Role, TIME, X, Y};
use super::blocks::{Block, Blocks, write_blocks};
use super::case_parameters::{self, CaseParameters};
use super::dataset::{Attribute, Dataset, Origin, Values, Variable};
use super::layout;
use super::read::Reader;
use super::split::{self, SplitPart};
use super::stream::Take;
use super::time_unit::TimeUnit;
use super::times::{Times, times};
use super::wording::{self, Wording};
use super::write;
use crate::failure;
use crate::systems::Geometry;

/// States at equally spaced times.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTrajectories {
    /// `[case, time, component]`; a field in two dimensions lies row by row.
    pub values: Array3<f64>,
    /// The times, in the file's own unit (ours: model time); none where the file has no times.
    pub time: Option<Vec<f64>>,
    /// The unit of the times.
    pub unit: TimeUnit,
    /// The part of each case; none where the file does not say.
    pub split: Option<Vec<SplitPart>>,
    /// The sizes of the dimensions of space that a state has in the file: one, or rows and columns.
    pub space: Vec<usize>,
    /// How the components lie in space, where the file says so.
    pub geometry: Option<Geometry>,
    /// The parameters of the system of each case, where the file says them.
    pub parameters: Option<CaseParameters>,
}

impl StoredTrajectories {
    /// Trajectories `[case, time, component]` of which no more is known than their times.
    pub fn new(values: Array3<f64>, time: Option<Vec<f64>>) -> Self {
        let space = vec![values.dim().2];
        Self { values, time, unit: TimeUnit::Model, split: None, space, geometry: None, parameters: None }
    }

    /// Their states, `[case, time, component]`, and all else, with what the file calls it.
    pub fn into_states(self, wording: Wording) -> (Array3<f64>, About) {
        let Self { values, time, unit, split, space, geometry, parameters } = self;
        let (shape, outline) = (values.dim().into(), Outline { time, unit, space, geometry });
        (values, About { shape, outline, split, parameters, wording })
    }
}

/// The dimensions and attributes of a file of trajectories, all but the states: `(case, time, component)` sizes, the
/// times, the part and the parameters of each case and the layout where they are known.
pub fn frame(
    shape: [usize; 3],
    time: Option<&Vec<f64>>,
    (split, parameters): (Option<&[SplitPart]>, Option<&CaseParameters>),
    geometry: Option<Geometry>,
    origin: &Origin,
) -> Dataset {
    let [cases, times, components] = shape;
    let dataset = with_time(Dataset::default().dimension("case", cases), times, time);
    let dataset = dataset.dimension("component", components);
    let dataset = split.into_iter().fold(dataset, |dataset, split| dataset.variable(split::variable(split)));
    let dataset = parameters.into_iter().fold(dataset, case_parameters::with);
    let dataset = geometry.into_iter().fold(dataset, layout::with);
    dataset.from_experiment(origin)
}

/// The attributes of the variable `state` in our files.
pub fn state_attributes() -> Vec<(String, Attribute)> {
    vec![("long_name".into(), "state of the system".into()), ("units".into(), "1".into())]
}

/// Writes trajectories as the variable `state` (case, time, component).
///
/// # Errors
/// As [`write()`].
pub fn write_trajectories(path: &Path, trajectories: &StoredTrajectories, origin: &Origin) -> Result<()> {
    write_worded_trajectories(path, trajectories, &Wording::default(), origin)
}

/// Writes trajectories in the words of the file that they are from.
///
/// # Errors
/// As [`write()`].
pub fn write_worded_trajectories(
    path: &Path,
    trajectories: &StoredTrajectories,
    wording: &Wording,
    origin: &Origin,
) -> Result<()> {
    let StoredTrajectories { values, time, unit, split, space, geometry, parameters } = trajectories;
    let about = About {
        shape: values.dim().into(),
        outline: Outline { time: time.clone(), unit: unit.clone(), space: space.clone(), geometry: *geometry },
        split: split.clone(),
        parameters: parameters.clone(),
        wording: wording.clone(),
    };
    write(path, &described(&about, origin, flat(values)).0)
}

/// Writes trajectories as [`write_worded_trajectories`] does, block by block: `read` is called for each block, in order, and gives
/// `[case, time, component]`. A block takes at most so many bytes, as far as a chunk is no larger.
///
/// # Errors
/// As [`write()`], and whatever `read` fails with.
pub fn write_trajectory_blocks<E: From<Error>>(
    path: &Path,
    about: &About,
    origin: &Origin,
    max_bytes: u64,
    read: impl FnMut(Block) -> Result<Array3<f64>, E>,
) -> Result<(), E> {
    let (mut dataset, name) = described(about, origin, Values::F64(Vec::new()));
    let at = dataset.variables.iter().position(|variable| variable.name == name);
    let attributes = at.map(|at| dataset.variables.remove(at).attributes).unwrap_or_default();
    let dimensions = ["case", "time", "component"].map(String::from);
    let states = Blocks { name, dimensions, shape: about.shape, attributes, max_bytes };
    write_blocks(path, &dataset, &states, read)
}

/// What is known of trajectories with their states, and the name of the variable that these are.
fn described(about: &About, origin: &Origin, states: Values) -> (Dataset, String) {
    let About { shape, outline, split, parameters, wording } = about;
    let name = wording.variable.as_deref().filter(|name| !OWN.contains(name)).unwrap_or("state");
    let mut state = Variable::new(name, &["case", "time", "component"], states);
    state.attributes = state_attributes();
    let of_cases = (split.as_deref(), parameters.as_ref());
    let mut dataset = frame(*shape, outline.time.as_ref(), of_cases, outline.geometry, origin);
    if let (Some(values), false) = (&outline.time, wording.time.is_empty()) {
        let clock = wording.clock("time", values.clone(), "time");
        dataset
            .dimensions
            .iter_mut()
            .filter(|own| own.name == "time")
            .for_each(|own| own.coordinate = Some(clock.clone()));
    }
    (wording.with_places(dataset.variable(wording.of_states(state)), "component"), name.to_owned())
}

/// What else is in a file of trajectories.
const OWN: [&str; 7] = ["case", "time", "component", "split", "parameter", "parameters", "parameter_name"];

/// The roles of the dimensions of a variable: one dimension of space, or two.
pub(super) const ROLES: [&[&Role]; 2] = [&[&CASE, &TIME, &COMPONENT], &[&CASE, &TIME, &Y, &X]];

/// Reads trajectories from anyone's file: named dimensions in any order and under any of their usual names; without a
/// dimension `case` it is one case. Space is one dimension, or two of a field, which is laid out row by row. Takes the
/// variable of a name, or the only one of floating-point or packed numbers that fits.
///
/// # Errors
/// As [`super::read`]; and [`Error::Data`] when no variable or several fit, or a value is missing or not finite.
pub fn read_trajectories(path: &Path, variable: Option<&str>, limits: &Limits) -> Result<StoredTrajectories> {
    read_worded_trajectories(path, variable, limits).map(|(trajectories, _)| trajectories)
}

/// Trajectories, and what the file calls what it holds.
///
/// # Errors
/// As [`read_trajectories`].
pub fn read_worded_trajectories(
    path: &Path,
    variable: Option<&str>,
    limits: &Limits,
) -> Result<(StoredTrajectories, Wording)> {
    let Found { trajectories, wording, roles } = find(path, variable, limits)?;
    let space = &trajectories.space;
    let values = trajectories.values.view().into_dyn();
    if space.len() == 1 {
        arrange::finite(path, values, roles)?;
    } else if let Ok(values) = values.to_shape([values.shape()[0], values.shape()[1], space[0], space[1]]) {
        arrange::finite(path, values.view().into_dyn(), roles)?;
    }
    Ok((trajectories, wording))
}

/// What trajectories are without their states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// Their times, in the file's own unit; none where it has none.
    pub time: Option<Vec<f64>>,
    /// The unit of the times.
    pub unit: TimeUnit,
    /// The sizes of the dimensions of space.
    pub space: Vec<usize>,
    /// How the components lie in space, where the file says so.
    pub geometry: Option<Geometry>,
}

/// What trajectories are without their states.
///
/// # Errors
/// As [`read_trajectories`].
pub fn read_outline(path: &Path, variable: Option<&str>, limits: &Limits) -> Result<Outline> {
    let mut reader = Reader::open(path, limits)?;
    let dimensions = arrange::chosen(path, &reader, variable, &ROLES)?.dimensions;
    let named = |role: usize| dimensions[role].as_ref().map(|(name, _)| name);
    let times = times(path, &mut reader, named(0), named(1))?;
    let space: Vec<usize> = dimensions[2..].iter().flatten().map(|(_, size)| *size).collect();
    let geometry = layout::read(path, &reader, &space)?;
    Ok(Outline { time: times.values, unit: times.unit, space, geometry })
}

/// A file whose states are not read yet.
pub(in crate::store) struct Unread<'a> {
    path: &'a Path,
    reader: Reader<'a>,
    chosen: Chosen,
    about: About,
}

impl<'a> Unread<'a> {
    /// Opens a file, and, where the sizes of its trajectories are `wanted`, reads all of it but the states.
    pub(in crate::store) fn open(
        path: &'a Path,
        variable: Option<&str>,
        limits: &Limits,
        wanted: impl FnOnce([usize; 3]) -> bool,
    ) -> Result<Option<Self>> {
        let mut reader = Reader::open(path, limits)?;
        let chosen = arrange::chosen(path, &reader, variable, &ROLES)?;
        let name = |role: usize| chosen.dimensions[role].as_ref().map(|(name, _)| name);
        let size = |role: usize| chosen.dimensions[role].as_ref().map_or(1, |(_, size)| *size);
        let shape = [size(0), size(1), (2..chosen.dimensions.len()).map(size).product()];
        if !wanted(shape) {
            return Ok(None);
        }
        let times = times(path, &mut reader, name(0), name(1))?;
        let named: Vec<(String, usize)> = chosen.dimensions[2..].iter().flatten().cloned().collect();
        let space: Vec<usize> = named.iter().map(|(_, size)| *size).collect();
        let wording = wording::read(path, &mut reader, &chosen.name, &named, times.said)?;
        let along = name(0).map(String::as_str);
        let about = About {
            shape,
            split: split::read(path, &mut reader, along, size(0))?,
            parameters: case_parameters::read(path, &mut reader, along)?,
            outline: Outline {
                time: times.values,
                unit: times.unit,
                geometry: layout::read(path, &reader, &space)?,
                space,
            },
            wording,
        };
        Ok(Some(Self { path, reader, chosen, about }))
    }
}

impl Arriving for Unread<'_> {
    fn about(&self) -> &About {
        &self.about
    }

    fn stream(&mut self, take: Take) -> failure::Result<()> {
        self.reader.stream(&self.chosen.name, &self.chosen.axes, take)
    }

    fn not_finite(&self, counts: (usize, usize), first: f64, place: &[usize]) -> Error {
        arrange::not_finite(self.path, counts, first, place, self.chosen.roles)
    }
}

/// Trajectories with values that are missing or not finite left as they are.
pub(in crate::store) fn read_gaps(path: &Path, variable: Option<&str>, limits: &Limits) -> Result<StoredTrajectories> {
    find(path, variable, limits).map(|found| found.trajectories)
}

/// All that is known of trajectories but their states.
#[derive(Clone, Debug)]
pub struct About {
    /// How many cases, times and components.
    pub shape: [usize; 3],
    /// Their times, and how their components lie.
    pub outline: Outline,
    /// The part of each case; none where the file does not say.
    pub split: Option<Vec<SplitPart>>,
    /// The parameters of the system of each case, where the file says them.
    pub parameters: Option<CaseParameters>,
    /// What the file calls what it holds.
    pub wording: Wording,
}

/// Trajectories whose states come block by block.
pub(in crate::store) trait Arriving {
    /// All that is known of them before.
    fn about(&self) -> &About;

    /// Reads their states: blocks of cases, times and dimensions of space, in any order, each value once.
    ///
    /// # Errors
    /// When they cannot be read, and those of `take`.
    fn stream(&mut self, take: Take) -> failure::Result<()>;

    /// So many of all values are not finite, the first of them at a case, a time and a place.
    fn not_finite(&self, counts: (usize, usize), first: f64, place: &[usize]) -> Error;
}

/// Trajectories, what the file says of them, and the roles of the dimensions.
struct Found {
    trajectories: StoredTrajectories,
    wording: Wording,
    roles: &'static [&'static Role],
}

fn find(path: &Path, variable: Option<&str>, limits: &Limits) -> Result<Found> {
    let mut reader = Reader::open(path, limits)?;
    let Arranged { values, name, dimensions, roles } = arrange::load(path, &mut reader, variable, &ROLES)?;
    let Times { values: time, unit, said } = times(path, &mut reader, dimensions[0].as_ref(), dimensions[1].as_ref())?;
    let space = values.shape()[2..].to_vec();
    let named: Vec<(String, usize)> = dimensions[2..].iter().flatten().cloned().zip(space.iter().copied()).collect();
    let wording = wording::read(path, &mut reader, &name, &named, said)?;
    let values = if space.len() == 1 { values.into_dimensionality::<Ix3>() } else { flattened(values) };
    let values = values.map_err(|e| Error::content(path, e.to_string()))?;
    let split = split::read(path, &mut reader, dimensions[0].as_deref(), values.dim().0)?;
    let geometry = layout::read(path, &reader, &space)?;
    let parameters = case_parameters::read(path, &mut reader, dimensions[0].as_deref())?;
    let trajectories = StoredTrajectories { values, time, unit, split, space, geometry, parameters };
    Ok(Found { trajectories, wording, roles })
}

/// `[case, time, y, x]` with rows one after the other.
fn flattened(values: ndarray::ArrayD<f64>) -> Result<Array3<f64>, ndarray::ShapeError> {
    let values = values.into_dimensionality::<Ix4>()?;
    let (cases, times, rows, columns) = values.dim();
    values.into_shape_with_order((cases, times, rows * columns))
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
