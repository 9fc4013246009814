//! One file of one part, its field written block by block.

use std::path::Path;

use hdf5::{File, Group};
use ndarray::{Array3, ArrayView1, s};

use super::super::atomic;
use super::super::error::Error;
use super::super::netcdf::blocks::{Block, plan as blocks};
use super::super::netcdf::trouble;
use super::super::netcdf::write::{create, storage};
use super::attributes::{put_count, put_flags, put_number, put_text, put_texts, put_varying};
use crate::systems::Geometry;

/// The name of the field.
pub const FIELD: &str = "state";

/// A dataset of one scalar field.
#[derive(Clone, Debug)]
pub struct WellPlan {
    /// Its name.
    pub name: String,
    /// The sizes of the grid, one or two.
    pub grid: Vec<usize>,
    /// Whether the grid is periodic in all its dimensions; else walls bound it.
    pub periodic: bool,
    /// Constants of the system by name.
    pub parameters: Vec<(String, f64)>,
    /// The model times.
    pub times: Vec<f64>,
    /// The most bytes that a block may take; a single chunk is always taken whole.
    pub max_bytes: u64,
}

impl WellPlan {
    /// The sizes of the grid and whether it is periodic; none where there is no grid, which The Well cannot hold.
    pub fn grid_of(geometry: Geometry, components: usize) -> Option<(Vec<usize>, bool)> {
        match geometry {
            Geometry::Ring => Some((vec![components], true)),
            Geometry::Torus { rows, columns } => Some((vec![rows, columns], true)),
            Geometry::Plane { rows, columns } => Some((vec![rows, columns], false)),
            _ => None,
        }
    }

    fn dimensions(&self) -> Vec<String> {
        ["x", "y"].iter().take(self.grid.len()).map(|name| (*name).to_owned()).collect()
    }
}

/// Writes a file of `samples` trajectories, atomically; `read` is called for blocks of them and of times, and gives
/// `[case, time, component]`.
///
/// # Errors
/// [`Error::Io`] when the system refuses, and whatever `read` fails with.
pub fn write_part<E: From<Error>>(
    path: &Path,
    plan: &WellPlan,
    samples: usize,
    mut read: impl FnMut(Block) -> Result<Array3<f64>, E>,
) -> Result<(), E> {
    let failed = |e: hdf5::Error| trouble::writing(path, &e);
    let shape = [samples, plan.times.len(), plan.grid.iter().product()];
    atomic::replace(path, |temporary| {
        let file = create(temporary).map_err(failed)?;
        let field = frame(&file, plan, samples).map_err(failed)?;
        for (cases, times) in blocks(shape, plan.max_bytes) {
            let values = read((cases.clone(), times.clone()))?.mapv(|value| value as f32);
            let written = if let &[rows, columns] = plan.grid.as_slice() {
                let block = (cases.len(), times.len(), rows, columns);
                let values = values.into_shape_with_order(block).map_err(|e| Error::content(path, e.to_string()))?;
                field.write_slice(values.view(), s![cases, times, .., ..])
            } else {
                field.write_slice(values.view(), s![cases, times, ..])
            };
            written.map_err(failed)?;
        }
        Ok(file.flush().and_then(|()| file.close()).map_err(failed)?)
    })
}

/// Everything but the values of the field.
fn frame(file: &File, plan: &WellPlan, samples: usize) -> hdf5::Result<hdf5::Dataset> {
    let names: Vec<String> = plan.parameters.iter().map(|(name, _)| name.clone()).collect();
    put_text(file, "dataset_name", &plan.name)?;
    put_text(file, "grid_type", "cartesian")?;
    put_count(file, "n_spatial_dims", plan.grid.len())?;
    put_count(file, "n_trajectories", samples)?;
    put_texts(file, "simulation_parameters", &names)?;
    let scalars = new_group(file, "scalars")?;
    put_texts(&scalars, "field_names", &names)?;
    for (name, value) in &plan.parameters {
        put_number(file, name, *value)?;
        let scalar = scalars.new_dataset::<f64>().obj_track_times(false).create(name.as_str())?;
        scalar.write_scalar(value)?;
        put_varying(&scalar, false, false)?;
    }
    dimensions(file, plan)?;
    boundaries(file, plan)?;
    for order in 1..3 {
        let group = new_group(file, &format!("t{order}_fields"))?;
        put_texts(&group, "field_names", &[])?;
    }
    let fields = new_group(file, "t0_fields")?;
    put_texts(&fields, "field_names", &[FIELD.to_owned()])?;
    let shape: Vec<usize> = [samples, plan.times.len()].iter().chain(&plan.grid).copied().collect();
    let field = storage(&fields, &shape).empty::<f32>().shape(shape.as_slice()).create(FIELD)?;
    put_flags(&field, "dim_varying", &vec![true; plan.grid.len()])?;
    put_varying(&field, true, true)?;
    Ok(field)
}

/// Times, and the index of each point along each dimension of space: a system knows no lengths.
fn dimensions(file: &File, plan: &WellPlan) -> hdf5::Result<()> {
    let group = new_group(file, "dimensions")?;
    put_texts(&group, "spatial_dims", &plan.dimensions())?;
    let times: Vec<f32> = plan.times.iter().map(|&time| time as f32).collect();
    let time = write_1d(&group, "time", &times)?;
    put_varying(&time, false, true)?;
    for (name, &size) in plan.dimensions().iter().zip(&plan.grid) {
        let points: Vec<f32> = (0..size).map(|point| point as f32).collect();
        let coordinate = write_1d(&group, name, &points)?;
        put_varying(&coordinate, false, false)?;
    }
    Ok(())
}

/// A group for each dimension, whose mask is true at both ends.
fn boundaries(file: &File, plan: &WellPlan) -> hdf5::Result<()> {
    let group = new_group(file, "boundary_conditions")?;
    let kind = if plan.periodic { "PERIODIC" } else { "WALL" };
    for (name, &size) in plan.dimensions().iter().zip(&plan.grid) {
        let boundary = new_group(&group, &format!("{name}_{}", kind.to_lowercase()))?;
        put_texts(&boundary, "associated_dims", std::slice::from_ref(name))?;
        put_texts(&boundary, "associated_fields", &[])?;
        put_text(&boundary, "bc_type", kind)?;
        put_varying(&boundary, false, false)?;
        let mask: Vec<bool> = (0..size).map(|point| point == 0 || point + 1 == size).collect();
        write_1d(&boundary, "mask", &mask)?;
    }
    Ok(())
}

fn write_1d<T: hdf5::H5Type>(group: &Group, name: &str, values: &[T]) -> hdf5::Result<hdf5::Dataset> {
    group.new_dataset_builder().obj_track_times(false).with_data(ArrayView1::from(values)).create(name)
}

/// A group without the time of its making.
fn new_group(at: &Group, name: &str) -> hdf5::Result<Group> {
    at.create_group_builder().with_gcpl(|p| p.obj_track_times(false)).create(name)
}
