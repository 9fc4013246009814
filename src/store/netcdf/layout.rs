//! How components lie in space: the attributes `geometry` and `grid_shape` of a file of trajectories.

use std::path::Path;

use super::super::error::{Error, Result};
use super::dataset::{Attribute, Dataset};
use crate::systems::Geometry;

/// Adds the attributes.
pub(super) fn with(dataset: Dataset, geometry: Geometry) -> Dataset {
    let dataset = dataset.with("geometry", geometry.word());
    match geometry {
        Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns } => {
            dataset.with("grid_shape", Attribute::I64(vec![rows as i64, columns as i64]))
        }
        _ => dataset,
    }
}

/// What the attributes say of states of these sizes; none where they say nothing that is known here.
///
/// # Errors
/// [`Error::Data`] when the sizes of the grid do not give the number of components.
pub(super) fn read(path: &Path, attributes: &[(String, Attribute)], space: &[usize]) -> Result<Option<Geometry>> {
    let find = |name: &str| attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    let grid = match find("grid_shape") {
        Some(Attribute::I64(sides)) => sides.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect(),
        Some(Attribute::I32(sides)) => sides.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect(),
        _ => space.to_vec(),
    };
    let components = space.iter().product::<usize>();
    let geometry = match (find("geometry").and_then(Attribute::text), grid.as_slice()) {
        (Some("ring"), _) if space.len() == 1 => Geometry::Ring,
        (Some("torus"), &[rows, columns]) => Geometry::Torus { rows, columns },
        (Some("plane"), &[rows, columns]) => Geometry::Plane { rows, columns },
        (Some("unstructured"), _) => Geometry::Unstructured,
        _ => return Ok(None),
    };
    match geometry {
        Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns }
            if rows.checked_mul(columns) != Some(components) =>
        {
            let message = format!("`grid_shape` is {rows} x {columns}, but a state has {components} components");
            Err(Error::data(path, message, "correct the attribute or remove it"))
        }
        _ => Ok(Some(geometry)),
    }
}
