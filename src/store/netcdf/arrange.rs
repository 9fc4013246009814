//! The user's arrays in our axis order: which variable, which of its dimensions plays which role, missing values.

use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::super::error::{Error, Result};
use super::read::{Header, Reader};

/// A role that a dimension can play, and the names under which it is known.
pub(in crate::store) struct Role {
    pub(super) name: &'static str,
    pub(super) known_as: &'static [&'static str],
    /// Whether a variable may lack it; it then has one entry.
    pub(super) optional: bool,
}

pub(super) const CASE: Role = Role {
    name: "case",
    known_as: &["case", "trajectory", "traj", "sample", "simulation", "run", "sequence", "batch", "init_time"],
    optional: true,
};
pub(super) const TIME: Role = Role {
    name: "time",
    known_as: &["time", "t", "step", "time_step", "timestep", "snapshot", "frame", "valid_time"],
    optional: false,
};
pub(super) const NUMBER: Role =
    Role { name: "number", known_as: &["number", "member", "realization", "ensemble"], optional: false };
pub(super) const LEAD_TIME: Role =
    Role { name: "lead_time", known_as: &["lead_time", "lead", "prediction_timedelta"], optional: false };
pub(super) const COMPONENT: Role = Role {
    name: "component",
    known_as: &[
        "component",
        "state",
        "x",
        "variable",
        "feature",
        "observed",
        "location",
        "station",
        "space",
        "position",
        "grid",
        "node",
        "y",
        "lon",
        "longitude",
        "lat",
        "latitude",
    ],
    optional: false,
};
pub(super) const Y: Role = Role { name: "y", known_as: &["y", "row", "rows", "lat", "latitude"], optional: false };
pub(super) const X: Role =
    Role { name: "x", known_as: &["x", "column", "columns", "col", "lon", "longitude"], optional: false };
pub(super) const OBSERVED: Role = Role { name: "observed", ..COMPONENT };
pub(super) const REPLICATE: Role =
    Role { name: "replicate", known_as: &["replicate", "case", "trajectory"], optional: true };

/// An array in the order of its roles, and the variable that it was.
pub(super) struct Arranged {
    pub(super) values: ArrayD<f64>,
    /// The name of the variable.
    pub(super) name: String,
    /// The name of the dimension that played each role; none where the variable lacks it.
    pub(super) dimensions: Vec<Option<String>>,
    /// The roles.
    pub(super) roles: Roles,
}

/// The roles of all dimensions of a variable, in our order.
pub(super) type Roles = &'static [&'static Role];

/// Loads the variable of a name, or the only one of floating-point or packed numbers with such dimensions, in the order of the
/// roles: of the first of several sets that fits it.
pub(super) fn load(path: &Path, reader: &mut Reader, name: Option<&str>, sets: &[Roles]) -> Result<Arranged> {
    let Choice { header, axes, roles } = choose(path, reader.headers(), name, sets)?;
    let values = reader.numbers(&header.name)?;
    let shape: Vec<usize> = header.dimensions.iter().map(|(_, size)| *size).collect();
    let wrong = |_| Error::data(path, format!("variable `{}` is text", header.name), "name a variable of numbers");
    let mut array = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(wrong)?;
    let present: Vec<usize> = axes.iter().filter_map(|a| *a).collect();
    array = array.permuted_axes(IxDyn(&present));
    for (at, axis) in axes.iter().enumerate() {
        if axis.is_none() {
            array.insert_axis_inplace(Axis(at));
        }
    }
    let dimensions = axes.iter().map(|a| a.map(|axis| header.dimensions[axis].0.clone())).collect();
    // Copied only if the file has another order: arrays may take half of the memory.
    let values = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    Ok(Arranged { values, name: header.name, dimensions, roles })
}

/// The variable that [`load`] would load.
pub(super) struct Chosen {
    /// Its name.
    pub(super) name: String,
    /// The axis that plays each role; none where the variable lacks it.
    pub(super) axes: Vec<Option<usize>>,
    /// Name and size of that dimension.
    pub(super) dimensions: Vec<Option<(String, usize)>>,
    /// The roles.
    pub(super) roles: Roles,
}

/// The variable that [`load`] would load, and the dimension that plays each role.
pub(super) fn chosen(path: &Path, reader: &Reader, name: Option<&str>, sets: &[Roles]) -> Result<Chosen> {
    let Choice { header, axes, roles } = choose(path, reader.headers(), name, sets)?;
    let dimensions = axes.iter().map(|axis| axis.map(|axis| header.dimensions[axis].clone())).collect();
    Ok(Chosen { name: header.name, axes, dimensions, roles })
}

/// A variable, and the axis that plays each role.
#[derive(Clone)]
struct Choice {
    header: Header,
    axes: Vec<Option<usize>>,
    roles: Roles,
}

fn choose(path: &Path, headers: &[Header], name: Option<&str>, sets: &[Roles]) -> Result<Choice> {
    let fit = |header: &Header| {
        sets.iter().find_map(|&roles| Some(Choice { header: header.clone(), axes: axes(header, roles)?, roles }))
    };
    if let Some(name) = name {
        let found = headers.iter().find(|h| h.name == name).ok_or_else(|| {
            let message = format!("has no variable `{name}`");
            Error::data(path, message, format!("it has {}", listed(headers)))
        })?;
        return fit(found)
            .ok_or_else(|| Error::data(path, format!("variable {} has other dimensions", shown(found)), wanted(sets)));
    }
    // numbers that are packed into integers are numbers like others; flags such as `split` are integers too, and come second
    let mut fitting: Vec<_> = headers.iter().filter(|h| h.float || h.packed).filter_map(fit).collect();
    if fitting.is_empty() {
        fitting = headers.iter().filter(|h| h.integer).filter_map(fit).collect();
    }
    match fitting.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            let message = format!("has no variable of numbers with the right dimensions; it has {}", listed(headers));
            Err(Error::data(path, message, wanted(sets)))
        }
        several => {
            let names = several.iter().map(|c| format!("`{}`", c.header.name)).collect::<Vec<_>>().join(", ");
            Err(Error::data(
                path,
                format!("has several variables that could be meant: {names}"),
                "name one of them: `variable` in [data] or [observe]",
            ))
        }
    }
}

/// The axis of each role; none if a dimension plays no role, or two the same, or a needed role is not there.
fn axes(header: &Header, roles: &[&Role]) -> Option<Vec<Option<usize>>> {
    let mut axes = vec![None; roles.len()];
    for (axis, (name, _)) in header.dimensions.iter().enumerate() {
        let name = name.to_lowercase();
        let role = roles.iter().position(|role| role.known_as.contains(&name.as_str()))?;
        if axes[role].replace(axis).is_some() {
            return None;
        }
    }
    let complete = roles.iter().zip(&axes).all(|(role, axis)| role.optional || axis.is_some());
    complete.then_some(axes)
}

fn wanted(sets: &[Roles]) -> String {
    let role = |r: &&Role| {
        let others = r.known_as.iter().filter(|n| **n != r.name).copied().collect::<Vec<_>>().join(", ");
        let optional = if r.optional { ", may be left out" } else { "" };
        format!("{} (or {others}{optional})", r.name)
    };
    let set = |roles: &Roles| roles.iter().map(role).collect::<Vec<_>>().join("; ");
    format!("name its dimensions, in any order: {}", sets.iter().map(set).collect::<Vec<_>>().join("; or else "))
}

fn listed(headers: &[Header]) -> String {
    if headers.is_empty() { "no variables".into() } else { headers.iter().map(shown).collect::<Vec<_>>().join(", ") }
}

/// A variable with its dimensions and sizes.
fn shown(header: &Header) -> String {
    let sizes = header.dimensions.iter().map(|(name, size)| format!("{name}: {size}")).collect::<Vec<_>>().join(", ");
    format!("`{}` ({sizes})", header.name)
}

/// Refuses values that are not finite, and says where the first one is.
pub(super) fn finite(path: &Path, values: ArrayViewD<f64>, roles: &[&Role]) -> Result<()> {
    let Some((at, value)) = values.indexed_iter().find(|(_, v)| !v.is_finite()) else { return Ok(()) };
    let count = values.iter().filter(|v| !v.is_finite()).count();
    let place: Vec<usize> = (0..roles.len()).map(|axis| at[axis]).collect();
    Err(not_finite(path, (count, values.len()), *value, &place, roles))
}

/// So many values of all are not finite, the first of them at a place.
pub(super) fn not_finite(
    path: &Path,
    (count, all): (usize, usize),
    first: f64,
    place: &[usize],
    roles: &[&Role],
) -> Error {
    let place = roles.iter().zip(place).map(|(role, at)| format!("{} {at}", role.name)).collect::<Vec<_>>().join(", ");
    let message = format!("{count} of {all} values are missing or not finite, the first ({first}) at {place}");
    Error::data(path, message, "leave such trajectories out, or fill the gaps first")
}
