//! A file or a folder of The Well as trajectories `[case, time, component]`.
//!
//! One scalar field is read: one of the t0 fields, or one component of a t1 field under the name that The Well itself
//! gives it, such as `velocity_x`.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Axis, concatenate};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::super::netcdf::stream::Take;
use super::super::netcdf::trajectories::Arriving;
use super::super::netcdf::{About, Outline, SplitPart, StoredTrajectories, TimeUnit, Wording};
use super::attributes::{count_of, flag_of, flags_of, text_of, texts_of};
use super::file::WellFile;
use super::folder::files;
use crate::failure;
use crate::systems::Geometry;

/// Reads trajectories: the field of a name, or the only scalar field that varies with sample, time and space. The parts
/// come from the folders; the layout from the boundary conditions: a ring or torus where all are periodic.
///
/// # Errors
/// [`Error::Data`] for files that break the rules, that do not agree, or hold several fields when none is named;
/// [`Error::Resource`] beyond the limit; [`Error::Io`] when the system refuses. Values are not checked to be finite by
/// `read_gaps`, and are by this.
pub fn read(path: &Path, field: Option<&str>, limits: &Limits) -> Result<StoredTrajectories> {
    let read = read_gaps(path, field, limits)?;
    if let Some(((case, time, component), value)) = read.values.indexed_iter().find(|(_, value)| !value.is_finite()) {
        let count = read.values.iter().filter(|value| !value.is_finite()).count();
        return Err(not_finite(path, (count, read.values.len()), *value, [case, time, component]));
    }
    Ok(read)
}

/// So many values of all are not finite, the first of them at a case, a time and a component.
fn not_finite(path: &Path, (count, all): (usize, usize), first: f64, [case, time, component]: [usize; 3]) -> Error {
    let message = format!(
        "{count} of {all} values are missing or not finite, the first ({first}) at case {case}, time {time}, component \
         {component}"
    );
    Error::data(path, message, "leave such trajectories out, or fill the gaps first")
}

/// Trajectories with values that are not finite left as they are.
pub(in crate::store) fn read_gaps(path: &Path, field: Option<&str>, limits: &Limits) -> Result<StoredTrajectories> {
    let mut whole: Option<StoredTrajectories> = None;
    let mut left = limits.max_bytes;
    let mut split = Vec::new();
    for (part, file) in files(path)? {
        let one = read_file(&file, field, &limits.with_bytes(left))?;
        left = left.saturating_sub(one.values.len() as u64 * 8);
        split.extend(std::iter::repeat_n(part, one.values.dim().0));
        whole = Some(match whole {
            None => one,
            Some(before) => joined(&file, before, one)?,
        });
    }
    let whole = whole.ok_or_else(|| no_files(path))?;
    Ok(StoredTrajectories { split: split.into_iter().collect::<Option<Vec<SplitPart>>>(), ..whole })
}

fn no_files(path: &Path) -> Error {
    Error::data(path, "holds no .hdf5 files", "give a file, or the folder of a dataset with data/train and so on")
}

fn joined(path: &Path, before: StoredTrajectories, one: StoredTrajectories) -> Result<StoredTrajectories> {
    alike(path, (before.values.dim().1, &before.space), (one.values.dim().1, &one.space))?;
    let values = concatenate(Axis(0), &[before.values.view(), one.values.view()]);
    let values = values.map_err(|e| Error::content(path, e.to_string()))?;
    Ok(StoredTrajectories { values, ..before })
}

/// Refuses a file whose times and sizes of space are not those of the files before it.
fn alike(path: &Path, (times, space): (usize, &Vec<usize>), own: (usize, &Vec<usize>)) -> Result<()> {
    if (times, space) == own {
        return Ok(());
    }
    let points = |space: &[usize]| space.iter().product::<usize>();
    let (own_times, own_points, points) = (own.0, points(own.1), points(space));
    let message =
        format!("has {own_times} times of {own_points} points, but the files before it have {times} of {points}");
    Err(Error::data(path, message, "make all files of a dataset alike"))
}

/// A field that can be read, and the component of a vector field.
struct Choice {
    path: String,
    name: String,
    component: Option<usize>,
}

fn missing(path: &Path, what: &str) -> Error {
    Error::data(path, format!("has no {what}"), "see `scorecast data validate` for the rules")
}

/// The times of a file: of its first trajectory where each has its own.
fn time_of(path: &Path, file: &mut WellFile) -> Result<Vec<f64>> {
    let times = file.shape("dimensions/time").and_then(|shape| shape.last().copied());
    let times = times.ok_or_else(|| missing(path, "dataset `dimensions/time`"))?;
    Ok(file.numbers("dimensions/time")?.into_iter().take(times).collect())
}

/// What trajectories are without their states: those of the first file.
pub(in crate::store) fn read_outline(path: &Path, limits: &Limits) -> Result<Outline> {
    let Some((_, first)) = files(path)?.into_iter().next() else { return Ok(Outline::default()) };
    let mut file = WellFile::open(&first, limits)?;
    let time = time_of(&first, &mut file)?;
    let (names, space) = space(&first, &file)?;
    // what is said there and has no name here has no distances
    let geometry = geometry(&file, &names, &space).or(Some(Geometry::Unstructured));
    Ok(Outline { time: Some(time), unit: TimeUnit::Model, space, geometry })
}

/// The names and sizes of the dimensions of space.
fn space(path: &Path, file: &WellFile) -> Result<(Vec<String>, Vec<usize>)> {
    let missing = |what: &str| missing(path, what);
    let dimensions = file.group("dimensions").ok_or_else(|| missing("group `dimensions`"))?;
    let names = texts_of(dimensions, "spatial_dims").ok_or_else(|| missing("attribute `spatial_dims`"))?;
    let size = |name: &String| file.shape(&format!("dimensions/{name}")).and_then(|shape| shape.last().copied());
    let space = names.iter().map(size).collect::<Option<Vec<_>>>().ok_or_else(|| missing("spatial coordinates"))?;
    Ok((names, space))
}

/// What a file holds, beside the values of its field.
struct Held {
    choice: Choice,
    samples: usize,
    time: Vec<f64>,
    space: Vec<usize>,
    geometry: Option<Geometry>,
}

impl Held {
    /// All but the values, and their sizes checked.
    fn of(path: &Path, file: &mut WellFile, field: Option<&str>) -> Result<Self> {
        let (names, space) = space(path, file)?;
        let samples = count_of(file.root(), "n_trajectories");
        let samples = samples.ok_or_else(|| missing(path, "attribute `n_trajectories`"))?;
        let time = time_of(path, file)?;
        let geometry = geometry(file, &names, &space);
        let choice = choose(path, file, field, &names)?;
        let tensor: &[usize] = if choice.component.is_some() { &[names.len()] } else { &[] };
        let expected: Vec<usize> = [samples, time.len()].iter().chain(&space).chain(tensor).copied().collect();
        if file.shape(&choice.path) != Some(&expected) {
            let message = format!(
                "`{}` has sizes {:?} instead of {expected:?}",
                choice.path,
                file.shape(&choice.path).unwrap_or(&[])
            );
            return Err(Error::data(path, message, "make the file again"));
        }
        Ok(Self { choice, samples, time, space, geometry })
    }
}

fn read_file(path: &Path, field: Option<&str>, limits: &Limits) -> Result<StoredTrajectories> {
    let mut file = WellFile::open(path, limits)?;
    let Held { choice, samples, time, space, geometry } = Held::of(path, &mut file, field)?;
    let mut values = file.numbers(&choice.path)?;
    if let Some(component) = choice.component {
        values = values.into_iter().skip(component).step_by(space.len()).collect();
    }
    let shape = (samples, time.len(), space.iter().product::<usize>());
    let values = Array3::from_shape_vec(shape, values).map_err(|e| Error::content(path, e.to_string()))?;
    Ok(StoredTrajectories { space, geometry, ..StoredTrajectories::new(values, Some(time)) })
}

/// A file or a folder whose values are not read yet.
pub(in crate::store) struct Unread<'a> {
    path: &'a Path,
    field: Option<&'a str>,
    limits: Limits,
    files: Vec<PathBuf>,
    about: About,
}

impl<'a> Unread<'a> {
    /// Opens all files, one after the other, and reads all of them but the field.
    pub(in crate::store) fn open(path: &'a Path, field: Option<&'a str>, limits: &Limits) -> Result<Self> {
        let (mut first, mut cases, mut split, mut all) = (None::<Held>, 0, Vec::new(), Vec::new());
        for (part, file) in files(path)? {
            let held = Held::of(&file, &mut WellFile::open(&file, limits)?, field)?;
            (cases, split) = (cases + held.samples, [split, vec![part; held.samples]].concat());
            match &first {
                Some(first) => {
                    alike(&file, (first.time.len(), &first.space), (held.time.len(), &held.space))?;
                }
                None => first = Some(held),
            }
            all.push(file);
        }
        let Held { time, space, geometry, .. } = first.ok_or_else(|| no_files(path))?;
        let about = About {
            shape: [cases, time.len(), space.iter().product()],
            outline: Outline { time: Some(time), unit: TimeUnit::Model, space, geometry },
            split: split.into_iter().collect(),
            parameters: None,
            wording: Wording::default(),
        };
        Ok(Self { path, field, limits: *limits, files: all, about })
    }
}

impl Arriving for Unread<'_> {
    fn about(&self) -> &About {
        &self.about
    }

    fn stream(&mut self, take: Take) -> failure::Result<()> {
        let mut before = 0;
        for path in &self.files {
            let mut file = WellFile::open(path, &self.limits)?;
            let Held { choice, samples, time, space, .. } = Held::of(path, &mut file, self.field)?;
            let outline = &self.about.outline;
            alike(path, (self.about.shape[1], &outline.space), (time.len(), &space))?;
            if before + samples > self.about.shape[0] {
                return Err(
                    Error::data(path, "was changed while it was read", "try again when nobody writes it").into()
                );
            }
            let roles = 2 + space.len();
            let axes: Vec<Option<usize>> = (0..roles).map(Some).collect();
            let fixed = choice.component.map(|component| (roles, component));
            file.stream(&choice.path, &axes, fixed, &mut |slab, values| {
                let mut moved = slab.clone();
                moved.offset[0] += before;
                take(&moved, values)
            })?;
            before += samples;
        }
        Ok(())
    }

    fn not_finite(&self, counts: (usize, usize), first: f64, place: &[usize]) -> Error {
        let space = self.about.outline.space.iter().zip(&place[2..]);
        let component = space.fold(0, |component, (size, at)| component * size + at);
        not_finite(self.path, counts, first, [place[0], place[1], component])
    }
}

/// The named field, or the only scalar one.
fn choose(path: &Path, file: &WellFile, field: Option<&str>, names: &[String]) -> Result<Choice> {
    let fields = |order: usize| {
        let group = format!("t{order}_fields");
        let listed = file.group(&group).and_then(|at| texts_of(at, "field_names")).unwrap_or_default();
        listed.into_iter().map(move |name| (format!("{group}/{name}"), name)).filter(|(path, _)| varies(file, path))
    };
    let scalars = fields(0).map(|(path, name)| Choice { path, name, component: None });
    let vectors = fields(1).flat_map(|(path, name)| {
        let each = names.iter().enumerate();
        let each =
            each.map(|(at, axis)| Choice { path: path.clone(), name: format!("{name}_{axis}"), component: Some(at) });
        each.collect::<Vec<_>>()
    });
    let mut choices: Vec<Choice> = scalars.collect();
    let scalar = choices.len();
    choices.extend(vectors);
    let known = choices.iter().map(|choice| format!("`{}`", choice.name)).collect::<Vec<_>>().join(", ");
    let at = match field {
        Some(name) => choices.iter().position(|choice| choice.name == name),
        None if scalar == 1 || choices.len() == 1 => Some(0),
        None => None,
    };
    if let Some(at) = at {
        return Ok(choices.swap_remove(at));
    }
    let message = match field {
        Some(name) => format!("has no field `{name}` that varies with sample, time and space; it has {known}"),
        None if choices.is_empty() => "has no scalar or vector field that varies with sample, time and space".into(),
        None => format!("has several fields: {known}"),
    };
    Err(Error::data(path, message, "name one of them by data.variable"))
}

/// Whether a field varies with everything; others are constants that go with the rest.
fn varies(file: &WellFile, path: &str) -> bool {
    file.dataset(path).is_some_and(|at| {
        flag_of(at, "sample_varying") == Some(true)
            && flag_of(at, "time_varying") == Some(true)
            && flags_of(at, "dim_varying").is_some_and(|flags| flags.iter().all(|&flag| flag))
    })
}

/// The layout: what is periodic in all dimensions is a ring or a torus, other fields in two dimensions have edges. A
/// bounded interval, a sphere and three dimensions have no name here.
fn geometry(file: &WellFile, names: &[String], space: &[usize]) -> Option<Geometry> {
    if text_of(file.root(), "grid_type").as_deref() != Some("cartesian") {
        return None;
    }
    let boundaries = file.inside("boundary_conditions");
    let periodic = |name: &String| {
        boundaries.iter().filter_map(|path| file.group(path)).any(|at| {
            text_of(at, "bc_type").is_some_and(|kind| kind.eq_ignore_ascii_case("PERIODIC"))
                && texts_of(at, "associated_dims").is_some_and(|dims| dims.contains(name))
        })
    };
    match (space, names.iter().all(periodic)) {
        ([_], true) => Some(Geometry::Ring),
        (&[rows, columns], true) => Some(Geometry::Torus { rows, columns }),
        (&[rows, columns], false) => Some(Geometry::Plane { rows, columns }),
        _ => None,
    }
}
