//! Which dimension lies along which axis: HDF5's dimension scales, as NetCDF-4 uses them.
//!
//! A dimension that may grow has the size of the largest variable along it. Neither its scale nor the other variables need have
//! grown with that one: what they lack is filled ([`super::grown`]). A scale that only names such a dimension often has size 0.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5::{H5Type, ObjectReference, ObjectReference1, ReferencedObject};

use super::super::error::{Error, Result};
use super::dataset::Attribute;
use super::guard::Claim;
use super::source::Stored;
use super::trouble;
use super::values::attribute;

/// The NAME of a dimension scale; none for other datasets.
pub(super) fn scale_name(dataset: &hdf5::Dataset) -> Option<String> {
    let class = text_attribute(dataset, "CLASS")?;
    (class == "DIMENSION_SCALE").then(|| text_attribute(dataset, "NAME").unwrap_or_default())
}

fn text_attribute(location: &hdf5::Location, name: &str) -> Option<String> {
    match attribute(&location.attr(name).ok()?).ok()? {
        Stored::Value(Attribute::Text(text)) => Some(text),
        Stored::Texts(texts) => texts.into_iter().next(),
        _ => None,
    }
}

/// One entry of a scale's REFERENCE_LIST: a variable, and the axis along which the scale lies.
#[derive(Clone, Copy, H5Type)]
#[repr(C)]
struct Use {
    dataset: ObjectReference1,
    dimension: i32,
}

/// The scale of each axis, by variable and axis.
pub(super) type Uses = BTreeMap<(String, usize), String>;

/// Read from the scales' lists of their users, which are checksummed with the scales' headers; the variables' own DIMENSION_LIST
/// says the same, but lies in a heap without checksums, and a flipped bit there can send the library into an endless loop.
pub(super) fn uses(path: &Path, scales: &[&Claim]) -> Result<Uses> {
    let mut found = Uses::new();
    for scale in scales {
        let failed =
            |e: hdf5::Error| trouble::reading(path, &format!("the uses of the dimension `{}`", scale.name), &e);
        if !scale.dataset.attr_names().map_err(failed)?.iter().any(|n| n == "REFERENCE_LIST") {
            continue;
        }
        let list = scale.dataset.attr("REFERENCE_LIST").map_err(failed)?;
        for one in list.read_raw::<Use>().map_err(failed)? {
            if let ReferencedObject::Dataset(user) = one.dataset.dereference(&scale.dataset).map_err(failed)? {
                let axis = usize::try_from(one.dimension).unwrap_or(usize::MAX);
                let user = user.name().trim_start_matches('/').to_string();
                // The first scale of an axis is the one that NetCDF goes by.
                found.entry((user, axis)).or_insert_with(|| scale.name.clone());
            }
        }
    }
    Ok(found)
}

/// A dimension: its size, and whether it may grow.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) size: usize,
    grows: bool,
}

/// The dimensions by name.
pub(super) fn extents(scales: &[&Claim], claims: &[Claim], uses: &Uses) -> BTreeMap<String, Extent> {
    let of = |scale: &&Claim| {
        let grows = scale.dataset.space().is_ok_and(|space| space.maxdims().first() == Some(&None));
        (scale.name.clone(), Extent { size: scale.shape.first().copied().unwrap_or(0), grows })
    };
    let mut extents: BTreeMap<String, Extent> = scales.iter().map(of).collect();
    for claim in claims {
        for (axis, &size) in claim.shape.iter().enumerate() {
            let scale = uses.get(&(claim.name.clone(), axis)).and_then(|name| extents.get_mut(name));
            if let Some(extent) = scale.filter(|extent| extent.grows) {
                extent.size = extent.size.max(size);
            }
        }
    }
    extents
}

/// The names and sizes of a variable's dimensions; an axis without scale is called `dim_0` and so on.
pub(super) fn dimensions_of(
    path: &Path,
    claim: &Claim,
    uses: &Uses,
    extents: &BTreeMap<String, Extent>,
) -> Result<Vec<(String, usize)>> {
    let mut dimensions = Vec::with_capacity(claim.shape.len());
    for (axis, &size) in claim.shape.iter().enumerate() {
        let own = extents.get_key_value(&claim.name).filter(|_| axis == 0);
        let scale = uses.get(&(claim.name.clone(), axis)).and_then(|name| extents.get_key_value(name));
        let dimension = match own.or(scale) {
            None => (format!("dim_{axis}"), size),
            Some((name, extent)) if extent.grows || extent.size == size => (name.clone(), extent.size),
            Some((name, extent)) => {
                let axis = format!("axis {axis} of the variable `{}` has {size} values", claim.name);
                let message = format!("{axis}, but its dimension `{name}` has {}", extent.size);
                return Err(Error::data(path, message, "copy or make the file again"));
            }
        };
        dimensions.push(dimension);
    }
    Ok(dimensions)
}
