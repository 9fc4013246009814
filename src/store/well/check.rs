//! The rules of the layout, one by one, for one file.

use std::path::Path;

use super::super::Limits;
use super::super::error::Result;
use super::super::netcdf::source::Attributes;
use super::GROUPS;
use super::attributes::{count_of, flag_of, flags_of, has, text_of, texts_of};
use super::file::WellFile;

/// A rule that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file, such as `/dimensions/time`.
    pub place: String,
    /// What is wrong there, as a clause.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Every rule that a file breaks, in the order of the file's groups; none for a good file. Values are not read, except
/// for the masks of boundaries.
///
/// # Errors
/// When the file cannot be opened at all.
pub fn check(path: &Path, limits: &Limits) -> Result<Vec<Problem>> {
    let file = WellFile::open(path, limits)?;
    let mut checker = Checker { file, problems: Vec::new(), dims: Vec::new(), samples: 0, times: 0 };
    checker.root();
    for group in GROUPS {
        if checker.file.group(group).is_none() {
            checker.found(&format!("/{group}"), "the group is missing", "make it, even if it stays empty");
        }
    }
    checker.dimensions();
    checker.boundaries()?;
    checker.scalars();
    (0..3).for_each(|order| checker.fields(order));
    Ok(checker.problems)
}

struct Checker<'a> {
    file: WellFile<'a>,
    problems: Vec<Problem>,
    /// Name and size of each dimension of space.
    dims: Vec<(String, usize)>,
    samples: usize,
    times: usize,
}

const BOOLEAN: &str = "write a boolean of HDF5's enumeration (numpy.bool_ in Python, bool in Rust), no integer";
const LIST: &str = "write a list of strings of variable length";

impl Checker<'_> {
    fn found(&mut self, place: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), message: message.into(), remedy: remedy.into() });
    }

    fn root(&mut self) {
        let root = self.file.root().clone();
        for name in ["dataset_name", "grid_type"] {
            if text_of(&root, name).is_none() {
                self.found("/", format!("the attribute `{name}` is no text or missing"), "write a string");
            }
        }
        if let Some(kind) = text_of(&root, "grid_type").filter(|kind| kind != "cartesian" && kind != "spherical") {
            self.found("/", format!("`grid_type` is {kind}"), "it is cartesian or spherical");
        }
        for name in ["n_spatial_dims", "n_trajectories"] {
            if count_of(&root, name).is_none_or(|count| count == 0) {
                self.found(
                    "/",
                    format!("the attribute `{name}` is no positive integer or missing"),
                    "write an integer",
                );
            }
        }
        self.samples = count_of(&root, "n_trajectories").unwrap_or(0);
        let Some(parameters) = texts_of(&root, "simulation_parameters") else {
            return self.found("/", "the attribute `simulation_parameters` is no list of texts or missing", LIST);
        };
        for name in parameters {
            if !has(&root, &name) {
                self.found(
                    "/",
                    format!("the parameter `{name}` is listed but no attribute"),
                    "write it as an attribute",
                );
            }
            if self.file.dataset(&format!("scalars/{name}")).is_none() {
                self.found("/scalars", format!("the parameter `{name}` is no dataset"), "write it as a scalar too");
            }
        }
    }

    /// Whether the two booleans are there and of the right type, and what they say.
    fn varying(&mut self, place: &str, at: &Attributes) -> Option<[bool; 2]> {
        let [sample, time] = ["sample_varying", "time_varying"].map(|name| {
            let flag = flag_of(at, name);
            if flag.is_none() {
                let what = if has(at, name) { "is no boolean" } else { "is missing" };
                self.found(place, format!("the attribute `{name}` {what}"), BOOLEAN);
            }
            flag
        });
        Some([sample?, time?])
    }

    fn dimensions(&mut self) {
        let Some(group) = self.file.group("dimensions").cloned() else { return };
        let Some(names) = texts_of(&group, "spatial_dims") else {
            return self.found("/dimensions", "the attribute `spatial_dims` is no list of texts or missing", LIST);
        };
        let stated = count_of(self.file.root(), "n_spatial_dims").unwrap_or(names.len());
        if stated != names.len() {
            let message = format!("`spatial_dims` has {} names, but `n_spatial_dims` is {stated}", names.len());
            self.found("/dimensions", message, "make them agree");
        }
        self.time();
        for name in names {
            let (path, place) = (format!("dimensions/{name}"), format!("/dimensions/{name}"));
            let Some(at) = self.file.dataset(&path).cloned() else {
                self.found(&place, "the dataset is missing", "write the coordinate of this dimension");
                continue;
            };
            if self.varying(&place, &at).is_some_and(|varying| varying.contains(&true)) {
                self.found(&place, "the coordinate varies with sample or time", "no reader of The Well takes that");
            }
            let shape = self.file.shape(&path).unwrap_or(&[]).to_vec();
            if shape.len() != 1 {
                self.found(&place, format!("the coordinate has {} axes", shape.len()), "write one axis");
            }
            self.single(&path, &place);
            self.dims.push((name, shape.last().copied().unwrap_or(0)));
        }
    }

    fn time(&mut self) {
        let place = "/dimensions/time";
        let Some(at) = self.file.dataset("dimensions/time").cloned() else {
            return self.found(place, "the dataset is missing", "write the times");
        };
        let varying = self.varying(place, &at);
        if varying.is_some_and(|[_, time]| !time) {
            self.found(place, "`time_varying` is false", "time varies with time: write true");
        }
        let shape = self.file.shape("dimensions/time").unwrap_or(&[]).to_vec();
        self.times = shape.last().copied().unwrap_or(0);
        let expected = if varying.is_some_and(|[sample, _]| sample) { 2 } else { 1 };
        if shape.len() != expected {
            self.found(
                place,
                format!("has {} axes instead of {expected}", shape.len()),
                "write [time] or [sample, time]",
            );
        }
        self.single("dimensions/time", place);
    }

    fn single(&mut self, path: &str, place: &str) {
        if !self.file.is_single(path) {
            self.found(place, "is not in single precision", "write float32");
        }
    }

    fn boundaries(&mut self) -> Result<()> {
        for path in self.file.inside("boundary_conditions") {
            let place = format!("/{path}");
            let Some(at) = self.file.group(&path).cloned() else {
                self.found(&place, "is a dataset", "make it a group with a dataset `mask`");
                continue;
            };
            match text_of(&at, "bc_type").as_deref() {
                Some("WALL" | "OPEN" | "PERIODIC") => {}
                other => {
                    let what = other.map_or("is no text or missing".into(), |other| format!("is {other}"));
                    self.found(&place, format!("the attribute `bc_type` {what}"), "it is WALL, OPEN or PERIODIC");
                }
            }
            let varying = self.varying(&place, &at);
            // An empty list may have any type: Python writes one of floats.
            if texts_of(&at, "associated_fields").is_none() {
                self.found(&place, "the attribute `associated_fields` is no list of texts or missing", LIST);
            }
            let Some(dims) = texts_of(&at, "associated_dims") else {
                self.found(&place, "the attribute `associated_dims` is no list of texts or missing", LIST);
                continue;
            };
            self.mask(&path, &dims, varying)?;
        }
        Ok(())
    }

    fn mask(&mut self, path: &str, dims: &[String], varying: Option<[bool; 2]>) -> Result<()> {
        let (mask, place) = (format!("{path}/mask"), format!("/{path}/mask"));
        let Some(shape) = self.file.shape(&mask).map(<[usize]>::to_vec) else {
            self.found(&place, "the dataset is missing", "write the mask of the boundary's points");
            return Ok(());
        };
        let leading = varying.map_or(0, |flags| flags.iter().filter(|&&flag| flag).count());
        let mut sizes = Vec::new();
        for name in dims {
            match self.dims.iter().find(|(dim, _)| dim == name) {
                Some((_, size)) => sizes.push(*size),
                None => self.found(&place, format!("`{name}` is no dimension of space"), "correct `associated_dims`"),
            }
        }
        if shape.get(leading..) != Some(&sizes) {
            let message = format!("has sizes {shape:?}, and its dimensions have {sizes:?}");
            self.found(&place, message, "give the mask the size of its dimensions");
        } else if shape.len() == 1 && self.file.numbers(&mask)?.iter().all(|&value| value == 0.0) {
            self.found(&place, "is nowhere true", "mark the boundary's points, both ends of a periodic dimension");
        }
        Ok(())
    }

    fn scalars(&mut self) {
        let Some(names) = self.names("scalars") else { return };
        for name in names {
            let (path, place) = (format!("scalars/{name}"), format!("/scalars/{name}"));
            let Some(at) = self.file.dataset(&path).cloned() else {
                self.found(&place, "is named but missing", "write it, or remove its name from `field_names`");
                continue;
            };
            let Some(varying) = self.varying(&place, &at) else { continue };
            let expected = self.leading(varying);
            let shape = self.file.shape(&path).unwrap_or(&[]).to_vec();
            if shape != expected {
                self.found(
                    &place,
                    format!("has sizes {shape:?} instead of {expected:?}"),
                    "correct it or its booleans",
                );
            }
        }
    }

    fn fields(&mut self, order: u32) {
        let group = format!("t{order}_fields");
        let Some(names) = self.names(&group) else { return };
        for name in names {
            let (path, place) = (format!("{group}/{name}"), format!("/{group}/{name}"));
            let Some(at) = self.file.dataset(&path).cloned() else {
                self.found(&place, "is named but missing", "write it, or remove its name from `field_names`");
                continue;
            };
            self.single(&path, &place);
            if order == 2 {
                for name in ["symmetric", "antisymmetric"].into_iter().filter(|name| flag_of(&at, name).is_none()) {
                    self.found(&place, format!("the attribute `{name}` is no boolean or missing"), BOOLEAN);
                }
            }
            let along = flags_of(&at, "dim_varying").filter(|flags| flags.len() == self.dims.len());
            if along.is_none() {
                let message = format!("the attribute `dim_varying` is not {} booleans", self.dims.len());
                self.found(&place, message, BOOLEAN);
            }
            let (Some(varying), Some(along)) = (self.varying(&place, &at), along) else { continue };
            let space = self.dims.iter().zip(along).filter(|(_, along)| *along).map(|((_, size), _)| *size);
            let tensor = std::iter::repeat_n(self.dims.len(), order as usize);
            let expected: Vec<usize> = self.leading(varying).into_iter().chain(space).chain(tensor).collect();
            let shape = self.file.shape(&path).unwrap_or(&[]).to_vec();
            if shape != expected {
                self.found(
                    &place,
                    format!("has sizes {shape:?} instead of {expected:?}"),
                    "correct it or its booleans",
                );
            }
        }
    }

    /// The names in `field_names` of a group.
    fn names(&mut self, group: &str) -> Option<Vec<String>> {
        let at = self.file.group(group)?.clone();
        let names = texts_of(&at, "field_names");
        if names.is_none() {
            self.found(&format!("/{group}"), "the attribute `field_names` is no list of texts or missing", LIST);
        }
        names
    }

    /// The sizes of the axes of sample and time.
    fn leading(&self, [sample, time]: [bool; 2]) -> Vec<usize> {
        let sizes = [(sample, self.samples), (time, self.times)];
        sizes.into_iter().filter(|(there, _)| *there).map(|(_, size)| size).collect()
    }
}
