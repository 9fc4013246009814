//! Attributes of the kinds that The Well has: texts and lists of texts of variable length, booleans, whole numbers.

use hdf5::types::VarLenUnicode;
use hdf5::{Location, Result};
use ndarray::ArrayView1;

use super::super::netcdf::Attribute;
use super::super::netcdf::source::{Attributes, Stored};

fn text(value: &str) -> Result<VarLenUnicode> {
    value.parse().map_err(|_| hdf5::Error::from("a text holds a zero byte"))
}

/// Writes a text.
pub(super) fn put_text(at: &Location, name: &str, value: &str) -> Result<()> {
    at.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value)?)
}

/// Writes a list of texts, which may be empty.
pub(super) fn put_texts(at: &Location, name: &str, values: &[String]) -> Result<()> {
    if values.is_empty() {
        return at.new_attr::<VarLenUnicode>().shape([0]).create(name).map(|_| ());
    }
    let values = values.iter().map(|value| text(value)).collect::<Result<Vec<_>>>()?;
    at.new_attr_builder().with_data(ArrayView1::from(&values)).create(name).map(|_| ())
}

/// Writes a whole number.
pub(super) fn put_count(at: &Location, name: &str, value: usize) -> Result<()> {
    at.new_attr::<i64>().create(name)?.write_scalar(&(value as i64))
}

/// Writes a number.
pub(super) fn put_number(at: &Location, name: &str, value: f64) -> Result<()> {
    at.new_attr::<f64>().create(name)?.write_scalar(&value)
}

/// Writes a boolean of HDF5's enumeration.
pub(super) fn put_flag(at: &Location, name: &str, value: bool) -> Result<()> {
    at.new_attr::<bool>().create(name)?.write_scalar(&value)
}

/// Writes a list of booleans.
pub(super) fn put_flags(at: &Location, name: &str, values: &[bool]) -> Result<()> {
    at.new_attr_builder().with_data(ArrayView1::from(values)).create(name).map(|_| ())
}

/// Writes whether a dataset varies with the sample and with time.
pub(super) fn put_varying(at: &Location, sample: bool, time: bool) -> Result<()> {
    put_flag(at, "sample_varying", sample)?;
    put_flag(at, "time_varying", time)
}

/// A text; none if the attribute is missing or something else.
pub(super) fn text_of(at: &Attributes, name: &str) -> Option<String> {
    match at.get(name)? {
        Stored::Value(Attribute::Text(text)) => Some(text.clone()),
        Stored::Texts(texts) if texts.len() == 1 => texts.first().cloned(),
        _ => None,
    }
}

/// A list of texts. An empty list may be of any type, as Python writes it.
pub(super) fn texts_of(at: &Attributes, name: &str) -> Option<Vec<String>> {
    match at.get(name)? {
        Stored::Empty => Some(Vec::new()),
        Stored::Texts(texts) => Some(texts.clone()),
        _ => None,
    }
}

/// A whole number of any integer type.
pub(super) fn count_of(at: &Attributes, name: &str) -> Option<usize> {
    match at.get(name)? {
        Stored::Value(Attribute::I8(v)) if v.len() == 1 => usize::try_from(v[0]).ok(),
        Stored::Value(Attribute::I32(v)) if v.len() == 1 => usize::try_from(v[0]).ok(),
        Stored::Value(Attribute::I64(v)) if v.len() == 1 => usize::try_from(v[0]).ok(),
        Stored::Value(Attribute::U64(v)) if v.len() == 1 => usize::try_from(v[0]).ok(),
        _ => None,
    }
}

/// Booleans of HDF5's enumeration; none for integers, which The Well's programs refuse.
pub(super) fn flags_of(at: &Attributes, name: &str) -> Option<Vec<bool>> {
    match at.get(name)? {
        Stored::Flags(flags) => Some(flags.clone()),
        _ => None,
    }
}

/// One boolean.
pub(super) fn flag_of(at: &Attributes, name: &str) -> Option<bool> {
    flags_of(at, name).filter(|flags| flags.len() == 1).map(|flags| flags[0])
}

/// Whether there is an attribute of that name.
pub(super) fn has(at: &Attributes, name: &str) -> bool {
    at.get(name).is_some()
}
