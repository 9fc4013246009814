//! Values and attributes out of a file, once their claimed sizes are admitted.

use std::path::Path;

use hdf5::types::{VarLenAscii, VarLenUnicode};
use hdf5::{H5Type, IndexType, IterationOrder};

use super::super::error::{Error, Result};
use super::dataset::{Attribute, Values};
use super::guard::{Claim, Guard, StorageKind};
use super::{raw, trouble};

/// Attributes by which HDF5 and NetCDF keep their own books.
const BOOKS: [&str; 8] = [
    "CLASS",
    "NAME",
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "_Netcdf4Dimid",
    "_Netcdf4Coordinates",
    "_NCProperties",
    "_Encoding",
];

/// The most bytes of one attribute that are read; longer ones are passed over.
const MAX_ATTRIBUTE: u64 = 1 << 26;

/// The values of an admitted dataset.
pub(in crate::store) fn values(guard: &mut Guard, claim: &Claim) -> Result<Values> {
    let path = guard.path;
    let failed = |e: hdf5::Error| trouble::reading(path, &format!("the variable `{}`", claim.name), &e);
    Ok(match claim.kind {
        StorageKind::F64 => Values::F64(numbers(claim).map_err(failed)?),
        StorageKind::F32 => Values::F32(numbers(claim).map_err(failed)?),
        StorageKind::I32 => Values::I32(numbers(claim).map_err(failed)?),
        StorageKind::I64 => Values::I64(numbers(claim).map_err(failed)?),
        StorageKind::I8 => Values::I8(numbers(claim).map_err(failed)?),
        StorageKind::U64 => Values::I64(signed(path, claim, &numbers::<u64>(claim).map_err(failed)?)?),
        StorageKind::Fixed(size) => Values::Text(fixed_texts(claim, size).map_err(failed)?),
        StorageKind::Variable => Values::Text(variable_texts(guard, claim)?),
    })
}

fn numbers<T: H5Type + Copy + Default>(claim: &Claim) -> hdf5::Result<Vec<T>> {
    let count = claim.shape.iter().product();
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|e| hdf5::Error::from(e.to_string()))?;
    values.resize(count, T::default());
    claim.dataset.read_into_raw(&mut values)?;
    Ok(values)
}

fn signed(path: &Path, claim: &Claim, values: &[u64]) -> Result<Vec<i64>> {
    let fits = |&v: &u64| {
        let message = || format!("variable `{}` holds {v}, beyond 64-bit signed integers", claim.name);
        i64::try_from(v).map_err(|_| Error::data(path, message(), "store it as floating-point numbers"))
    };
    values.iter().map(fits).collect()
}

/// Strings of fixed length; those of one byte are characters, joined along the last dimension.
fn fixed_texts(claim: &Claim, size: usize) -> hdf5::Result<Vec<String>> {
    let bytes = raw::dataset_bytes(&claim.dataset)?;
    let width = if size == 1 && claim.shape.len() > 1 { claim.shape[claim.shape.len() - 1] } else { size };
    Ok(bytes.chunks_exact(width.max(1)).map(text_of).collect())
}

/// Strings of variable length, one at a time: only the reading tells how long each is.
fn variable_texts(guard: &mut Guard, claim: &Claim) -> Result<Vec<String>> {
    let path = guard.path;
    let failed = |e: hdf5::Error| trouble::reading(path, &format!("the variable `{}`", claim.name), &e);
    let count = claim.shape.iter().product();
    let ascii = claim.dataset.dtype().is_ok_and(|t| t.is::<VarLenAscii>());
    let mut texts = Vec::with_capacity(count);
    for at in 0..count {
        let text = if claim.shape.is_empty() && ascii {
            text_of(claim.dataset.read_scalar::<VarLenAscii>().map_err(failed)?.as_bytes())
        } else if claim.shape.is_empty() {
            text_of(claim.dataset.read_scalar::<VarLenUnicode>().map_err(failed)?.as_bytes())
        } else if ascii {
            let one = claim.dataset.read_slice_1d::<VarLenAscii, _>(at..at + 1).map_err(failed)?;
            one.first().map(|t| text_of(t.as_bytes())).unwrap_or_default()
        } else {
            let one = claim.dataset.read_slice_1d::<VarLenUnicode, _>(at..at + 1).map_err(failed)?;
            one.first().map(|t| text_of(t.as_bytes())).unwrap_or_default()
        };
        guard.take(&claim.name, text.len() as u64)?;
        texts.push(text);
    }
    Ok(texts)
}

/// The text before the padding.
fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The attributes of a file or variable, without the libraries' own books and without types that are not read.
pub(super) fn attributes(path: &Path, location: &hdf5::Location) -> Result<Vec<(String, Attribute)>> {
    let failed = |e: hdf5::Error| trouble::reading(path, "an attribute", &e);
    let mut found = Vec::new();
    for name in location.attr_names_by(IndexType::CreationOrder, IterationOrder::Increasing).map_err(failed)? {
        if BOOKS.contains(&name.as_str()) {
            continue;
        }
        let one = location.attr(&name).map_err(failed)?;
        if let Some(value) = attribute(&one).map_err(failed)? {
            found.push((name, value));
        }
    }
    Ok(found)
}

/// The value of an attribute; none for types that are not read.
pub(in crate::store) fn attribute(attribute: &hdf5::Attribute) -> hdf5::Result<Option<Attribute>> {
    use hdf5::types::{FloatSize, IntSize, TypeDescriptor as T};
    let Ok(kind) = attribute.dtype().and_then(|t| t.to_descriptor()) else { return Ok(None) };
    let shape = attribute.space()?.shape();
    let bytes = shape.iter().try_fold(kind.size() as u64, |n, &side| n.checked_mul(side as u64));
    if shape.len() > 1 || bytes.is_none_or(|b| b > MAX_ATTRIBUTE) {
        return Ok(None);
    }
    let single = shape.first().is_none_or(|&n| n == 1);
    Ok(match kind {
        T::FixedAscii(_) | T::FixedUnicode(_) if single => {
            Some(Attribute::Text(text_of(&raw::attribute_bytes(attribute)?)))
        }
        T::VarLenAscii if single => {
            attribute.read_raw::<VarLenAscii>()?.first().map(|t| Attribute::Text(text_of(t.as_bytes())))
        }
        T::VarLenUnicode if single => {
            attribute.read_raw::<VarLenUnicode>()?.first().map(|t| Attribute::Text(text_of(t.as_bytes())))
        }
        T::Float(FloatSize::U8) => Some(Attribute::F64(attribute.read_raw()?)),
        T::Float(FloatSize::U4) => Some(Attribute::F32(attribute.read_raw()?)),
        T::Integer(IntSize::U1) => Some(Attribute::I8(attribute.read_raw()?)),
        T::Integer(IntSize::U8) | T::Unsigned(IntSize::U4) => Some(Attribute::I64(attribute.read_raw()?)),
        T::Integer(_) | T::Unsigned(IntSize::U1 | IntSize::U2) => Some(Attribute::I32(attribute.read_raw()?)),
        _ => None,
    })
}
