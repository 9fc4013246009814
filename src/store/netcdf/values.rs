//! Strings and attributes out of a file, once their claimed sizes are admitted.

use std::path::Path;

use hdf5::types::{FloatSize, IntSize, TypeDescriptor as T, VarLenAscii, VarLenUnicode};
use hdf5::{IndexType, IterationOrder};

use super::super::error::{Error, Result};
use super::dataset::Attribute;
use super::guard::Claim;
use super::source::{Attributes, StorageKind, Stored};
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
/// The most entries of a list of texts that are read.
const MAX_LIST: usize = 1 << 12;
/// The most bytes of all strings of one array of strings of variable length.
const MAX_TEXTS: usize = 1 << 26;

/// The values of an admitted dataset of strings.
pub(super) fn texts(path: &Path, claim: &Claim) -> Result<Vec<String>> {
    let failed = |e: hdf5::Error| trouble::reading(path, &format!("the variable `{}`", claim.name), &e);
    match claim.kind {
        StorageKind::Fixed(size) => fixed_texts(claim, size).map_err(failed),
        _ => variable_texts(path, claim),
    }
}

/// Strings of fixed length; those of one byte are characters, joined along the last dimension.
fn fixed_texts(claim: &Claim, size: usize) -> hdf5::Result<Vec<String>> {
    let bytes = raw::dataset_bytes(&claim.dataset)?;
    let width = if size == 1 && claim.shape.len() > 1 { claim.shape[claim.shape.len() - 1] } else { size };
    Ok(bytes.chunks_exact(width.max(1)).map(text_of).collect())
}

/// Strings of variable length, one at a time: only the reading tells how long each is.
fn variable_texts(path: &Path, claim: &Claim) -> Result<Vec<String>> {
    let failed = |e: hdf5::Error| trouble::reading(path, &format!("the variable `{}`", claim.name), &e);
    let count = claim.shape.iter().product();
    // asked of the description: the library takes the two for equal, but does not turn one into the other
    let ascii = claim.dataset.dtype().and_then(|t| t.to_descriptor()).is_ok_and(|kind| kind == T::VarLenAscii);
    let mut texts = Vec::with_capacity(count);
    let mut bytes = 0;
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
        bytes += text.len();
        if bytes > MAX_TEXTS {
            let message = format!("the strings of variable `{}` have more than {MAX_TEXTS} bytes", claim.name);
            return Err(Error::resource(path, message, "leave it out of the file"));
        }
        texts.push(text);
    }
    Ok(texts)
}

/// The text before the padding.
fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The attributes of a file, group or dataset, without the libraries' own books.
pub(super) fn attributes(path: &Path, location: &hdf5::Location) -> Attributes {
    let failed = |e: hdf5::Error| trouble::reading(path, "an attribute", &e);
    let names = location.attr_names_by(IndexType::CreationOrder, IterationOrder::Increasing).map_err(failed);
    let read = |name: String| {
        let value = location.attr(&name).and_then(|one| attribute(&one)).map_err(failed)?;
        Ok((name, value))
    };
    Attributes(
        names.and_then(|names| names.into_iter().filter(|name| !BOOKS.contains(&name.as_str())).map(read).collect()),
    )
}

/// The value of an attribute.
pub(super) fn attribute(attribute: &hdf5::Attribute) -> hdf5::Result<Stored> {
    let Ok(kind) = attribute.dtype().and_then(|t| t.to_descriptor()) else { return Ok(Stored::Other) };
    let shape = attribute.space()?.shape();
    let bytes = shape.iter().try_fold(kind.size() as u64, |n, &side| n.checked_mul(side as u64));
    if shape == [0] {
        return Ok(Stored::Empty);
    }
    if shape.len() > 1 || bytes.is_none_or(|b| b > MAX_ATTRIBUTE) {
        return Ok(Stored::Other);
    }
    let count = shape.first().copied().unwrap_or(1);
    Ok(match kind {
        T::FixedAscii(_) | T::FixedUnicode(_) if count == 1 => {
            Stored::Value(Attribute::Text(text_of(&raw::attribute_bytes(attribute)?)))
        }
        T::VarLenAscii if count <= MAX_LIST => {
            listed(&shape, attribute.read_raw::<VarLenAscii>()?.iter().map(|t| text_of(t.as_bytes())).collect())
        }
        T::VarLenUnicode if count <= MAX_LIST => {
            listed(&shape, attribute.read_raw::<VarLenUnicode>()?.iter().map(|t| text_of(t.as_bytes())).collect())
        }
        // as bytes: a damaged file may hold a value that is no boolean
        T::Boolean if count <= MAX_LIST => {
            Stored::Flags(raw::attribute_bytes(attribute)?.iter().map(|&byte| byte != 0).collect())
        }
        T::Float(FloatSize::U8) => Stored::Value(Attribute::F64(attribute.read_raw()?)),
        T::Float(FloatSize::U4) => Stored::Value(Attribute::F32(attribute.read_raw()?)),
        T::Integer(IntSize::U1) => Stored::Value(Attribute::I8(attribute.read_raw()?)),
        T::Integer(IntSize::U8) | T::Unsigned(IntSize::U4) => Stored::Value(Attribute::I64(attribute.read_raw()?)),
        T::Unsigned(IntSize::U8) => Stored::Value(Attribute::U64(attribute.read_raw()?)),
        T::Integer(_) | T::Unsigned(_) => Stored::Value(Attribute::I32(attribute.read_raw()?)),
        _ => Stored::Other,
    })
}

/// Strings of an attribute of this shape.
fn listed(shape: &[usize], mut texts: Vec<String>) -> Stored {
    match shape.is_empty() {
        true => Stored::Value(Attribute::Text(texts.pop().unwrap_or_default())),
        false => Stored::Texts(texts),
    }
}
