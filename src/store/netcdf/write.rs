//! A [`Dataset`] to a file.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5::plist::file_create::{AttrCreationOrder, LinkCreationOrder};
use hdf5::types::TypeDescriptor;
use hdf5::{DatasetBuilder, File, Group, H5Type, Location};
use ndarray::{ArrayView1, ArrayViewD, IxDyn};

use super::super::atomic;
use super::super::error::{Error, Result};
use super::dataset::{Attribute, Dataset, Dimension, Values, Variable};
use super::{raw, trouble};

/// Values in one chunk: 1 MiB of doubles, what HDF5's chunk cache holds.
const CHUNK_VALUES: usize = 1 << 17;

/// The phrase that NetCDF-4 writes for a dimension without coordinate, followed by the size in ten columns.
const NO_VARIABLE: &str = "This is a netCDF dimension but not a netCDF variable.";

/// Writes a dataset, atomically, replacing a file of that name.
///
/// Variables are chunked, shuffled, deflated (4) and checksummed (Fletcher-32). A floating-point variable that holds
/// NaN gets `_FillValue = NaN`. `Conventions`, `source` and `history` are added to the file's attributes where missing.
///
/// # Errors
/// [`Error::Io`] when the system refuses; [`Error::Content`] when sizes disagree or a name is impossible.
pub fn write(path: &Path, dataset: &Dataset) -> Result<()> {
    write_with(path, dataset, |_, _| Ok(()))
}

/// The dimension scales of a file by name.
pub(super) type Scales = BTreeMap<String, hdf5::Dataset>;

/// Writes a dataset as [`write()`] does, and what `more` adds to it, before the file is put in place.
pub(super) fn write_with<E: From<Error>>(
    path: &Path,
    dataset: &Dataset,
    more: impl FnOnce(&File, &Scales) -> Result<(), E>,
) -> Result<(), E> {
    check(path, dataset)?;
    let dataset = complete(dataset);
    let failed = |e: hdf5::Error| trouble::writing(path, &e);
    atomic::replace(path, |temporary| {
        let (file, scales) = fill(temporary, &dataset).map_err(failed)?;
        more(&file, &scales)?;
        drop(scales);
        Ok(file.flush().and_then(|()| file.close()).map_err(failed)?)
    })
}

/// Adds the attributes that every file has, and the dimensions of the strings' characters.
fn complete(dataset: &Dataset) -> Dataset {
    let mut whole = dataset.clone();
    let version = env!("CARGO_PKG_VERSION");
    let added = [
        ("Conventions", "CF-1.11".to_string()),
        ("source", format!("scorecast {version}")),
        ("history", format!("written by scorecast {version}")),
    ];
    for (at, (name, value)) in added.into_iter().enumerate() {
        if whole.attribute(name).is_none() {
            whole.attributes.insert(at.min(whole.attributes.len()), (name.into(), Attribute::Text(value)));
        }
    }
    for width in dataset.variables.iter().filter_map(|v| width(&v.values)) {
        let name = characters(width);
        if !whole.dimensions.iter().any(|d| d.name == name) {
            whole.dimensions.push(Dimension { name, size: width, coordinate: None });
        }
    }
    whole
}

fn all_variables(dataset: &Dataset) -> impl Iterator<Item = &Variable> {
    dataset.dimensions.iter().filter_map(|d| d.coordinate.as_ref()).chain(&dataset.variables)
}

/// The bytes of the longest string, at least one; none for numbers.
fn width(values: &Values) -> Option<usize> {
    match values {
        Values::Text(texts) => Some(longest(texts)),
        _ => None,
    }
}

fn longest(texts: &[String]) -> usize {
    texts.iter().map(String::len).max().unwrap_or(0).max(1)
}

/// The dimension along the characters of strings of this width.
fn characters(width: usize) -> String {
    format!("string{width}")
}

/// A new file whose equal content is equal bytes: no clocks, no hash order, checksums on its own structures.
///
/// The library's lock is not taken: nobody else knows a file before it has its name, and a program that is started meanwhile
/// would inherit the lock, and with it keep the file from all readers for as long as it runs.
pub(in crate::store) fn create(path: &Path) -> hdf5::Result<File> {
    File::with_options()
        .with_fapl(|p| {
            p.libver_bounds(hdf5::file::LibraryVersion::V110, hdf5::file::LibraryVersion::V110).file_locking(false)
        })
        .with_fcpl(|p| {
            p.obj_track_times(false)
                .link_creation_order(LinkCreationOrder::Indexed)
                .attr_creation_order(AttrCreationOrder::Indexed)
        })
        .create(path)
}

fn fill(path: &Path, dataset: &Dataset) -> hdf5::Result<(File, Scales)> {
    let file = create(path)?;
    write_attributes(&file, &dataset.attributes)?;
    let mut scales = Scales::new();
    for dimension in &dataset.dimensions {
        scales.insert(dimension.name.clone(), write_scale(&file, dimension)?);
    }
    for variable in &dataset.variables {
        let shape = shape_of(variable, dataset);
        let written = write_values(&file, variable, &shape)?;
        let width = width(&variable.values).map(characters);
        for (axis, name) in variable.dimensions.iter().chain(&width).enumerate() {
            raw::attach_scale(&written, &scales[name], axis)?;
        }
    }
    Ok((file, scales))
}

fn shape_of(variable: &Variable, dataset: &Dataset) -> Vec<usize> {
    let size = |name: &String| dataset.dimensions.iter().find(|d| d.name == *name).map_or(0, |d| d.size);
    variable.dimensions.iter().map(size).collect()
}

fn write_scale(file: &File, dimension: &Dimension) -> hdf5::Result<hdf5::Dataset> {
    match &dimension.coordinate {
        Some(coordinate) => {
            let scale = write_values(file, coordinate, &[dimension.size])?;
            raw::set_scale(&scale, &dimension.name)?;
            Ok(scale)
        }
        None => {
            let scale = file.new_dataset::<f32>().shape(dimension.size).create(dimension.name.as_str())?;
            raw::set_scale(&scale, &format!("{NO_VARIABLE}{:10}", dimension.size))?;
            Ok(scale)
        }
    }
}

fn write_values(file: &File, variable: &Variable, shape: &[usize]) -> hdf5::Result<hdf5::Dataset> {
    let name = variable.name.as_str();
    let missing = fill_value(variable);
    let written = match &variable.values {
        Values::F64(v) => write_array(file, name, shape, v, missing)?,
        Values::F32(v) => write_array(file, name, shape, v, missing.map(|x| x as f32))?,
        Values::I32(v) => write_array(file, name, shape, v, missing.map(|x| x as i32))?,
        Values::I64(v) => write_array(file, name, shape, v, missing.map(|x| x as i64))?,
        Values::U64(v) => write_array(file, name, shape, v, missing.map(|x| x as u64))?,
        Values::I8(v) => write_array(file, name, shape, v, missing.map(|x| x as i8))?,
        Values::Text(texts) => write_characters(file, name, shape, texts)?,
    };
    if let (Some(value), None) = (missing, variable.attribute("_FillValue")) {
        let attribute = match &variable.values {
            Values::F32(_) => Attribute::F32(vec![value as f32]),
            _ => Attribute::F64(vec![value]),
        };
        write_attributes(&written, &[("_FillValue".into(), attribute)])?;
    }
    if matches!(variable.values, Values::Text(_)) {
        raw::write_text(&written, "_Encoding", "utf-8")?;
    }
    write_attributes(&written, &variable.attributes)?;
    Ok(written)
}

/// The value that stands for missing: the variable's own `_FillValue`, or NaN where there is one among the values.
fn fill_value(variable: &Variable) -> Option<f64> {
    let has_nan = match &variable.values {
        Values::F64(v) => v.iter().any(|x| x.is_nan()),
        Values::F32(v) => v.iter().any(|x| x.is_nan()),
        _ => false,
    };
    variable.attribute("_FillValue").and_then(Attribute::number).or(has_nan.then_some(f64::NAN))
}

/// Strings as bytes with one more dimension, which every reader of NetCDF knows and a checksum can cover.
fn write_characters(file: &File, name: &str, shape: &[usize], texts: &[String]) -> hdf5::Result<hdf5::Dataset> {
    let width = longest(texts);
    let mut bytes = Vec::with_capacity(width * texts.len());
    for text in texts {
        bytes.extend(text.bytes().chain(std::iter::repeat(0)).take(width));
    }
    let shape: Vec<usize> = shape.iter().copied().chain([width]).collect();
    let one = TypeDescriptor::FixedAscii(1);
    let written = storage(file, &shape).empty_as(&one).shape(shape.as_slice()).create(name)?;
    raw::write_bytes(&written, &bytes)?;
    Ok(written)
}

fn write_array<T: H5Type + Into<hdf5::types::OwnedDynValue>>(
    file: &File,
    name: &str,
    shape: &[usize],
    values: &[T],
    missing: Option<T>,
) -> hdf5::Result<hdf5::Dataset> {
    let view = ArrayViewD::from_shape(IxDyn(shape), values)?;
    let mut builder = storage(file, shape);
    if let Some(value) = missing {
        builder = builder.fill_value(value);
    }
    builder.with_data(view).create(name)
}

/// How an array of this shape is stored; a single value can have no filters.
pub(in crate::store) fn storage(group: &Group, shape: &[usize]) -> DatasetBuilder {
    let builder = group.new_dataset_builder().attr_creation_order(AttrCreationOrder::Indexed);
    if shape.is_empty() {
        return builder;
    }
    builder.chunk(chunk(shape)).shuffle().deflate(4).fletcher32()
}

/// The chunk of an array: whole trailing axes as far as they fit, so that neighbours in memory are neighbours in it.
pub(in crate::store) fn chunk(shape: &[usize]) -> Vec<usize> {
    let mut chunk = vec![1; shape.len()];
    let mut room = CHUNK_VALUES;
    for (side, &size) in chunk.iter_mut().zip(shape).rev() {
        *side = size.min(room).max(1);
        room /= *side;
    }
    chunk
}

pub(super) fn write_attributes(location: &Location, attributes: &[(String, Attribute)]) -> hdf5::Result<()> {
    for (name, attribute) in attributes {
        match attribute {
            Attribute::Text(text) => raw::write_text(location, name, text)?,
            Attribute::F64(v) => write_numbers(location, name, v)?,
            Attribute::F32(v) => write_numbers(location, name, v)?,
            Attribute::I32(v) => write_numbers(location, name, v)?,
            Attribute::I64(v) => write_numbers(location, name, v)?,
            Attribute::U64(v) => write_numbers(location, name, v)?,
            Attribute::I8(v) => write_numbers(location, name, v)?,
        }
    }
    Ok(())
}

fn write_numbers<T: H5Type>(location: &Location, name: &str, values: &[T]) -> hdf5::Result<()> {
    location.new_attr_builder().with_data(ArrayView1::from(values)).create(name).map(|_| ())
}

/// Checks that names are possible and sizes agree.
fn check(path: &Path, dataset: &Dataset) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for dimension in &dataset.dimensions {
        check_name(path, &dimension.name)?;
        if dimension.size == 0 {
            return Err(Error::content(path, format!("dimension `{}` has size 0", dimension.name)));
        }
        let own = [dimension.name.clone()];
        if dimension.coordinate.as_ref().is_some_and(|c| c.name != dimension.name || c.dimensions != own) {
            return Err(Error::content(path, format!("the coordinate of `{}` belongs elsewhere", dimension.name)));
        }
        // Characters would make it two-dimensional, which only NetCDF's own library can express.
        if dimension.coordinate.as_ref().is_some_and(|c| matches!(c.values, Values::Text(_))) {
            return Err(Error::content(path, format!("the coordinate of `{}` is text", dimension.name)));
        }
    }
    for name in dataset.dimensions.iter().map(|d| &d.name).chain(dataset.variables.iter().map(|v| &v.name)) {
        if !seen.insert(name.as_str()) {
            return Err(Error::content(path, format!("two things are named `{name}`")));
        }
    }
    all_variables(dataset).try_for_each(|variable| check_variable(path, variable, dataset))
}

fn check_variable(path: &Path, variable: &Variable, dataset: &Dataset) -> Result<()> {
    check_name(path, &variable.name)?;
    let name = &variable.name;
    for dimension in &variable.dimensions {
        if !dataset.dimensions.iter().any(|d| d.name == *dimension) {
            return Err(Error::content(path, format!("variable `{name}` has no dimension `{dimension}` to lie on")));
        }
    }
    let (expected, got) = (shape_of(variable, dataset).iter().product::<usize>(), variable.values.len());
    if expected != got {
        let lies = variable.dimensions.join(", ");
        return Err(Error::content(path, format!("variable `{name}` ({lies}) needs {expected} values and has {got}")));
    }
    Ok(())
}

fn check_name(path: &Path, name: &str) -> Result<()> {
    if name.is_empty() || name.starts_with('_') || name.contains(['/', '\0']) || name.trim() != name {
        return Err(Error::content(path, format!("`{name}` cannot be a name in a NetCDF file")));
    }
    Ok(())
}
