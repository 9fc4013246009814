//! Between forecasters and the plain data in which they are stored.

use std::ops::RangeInclusive;

use ndarray::{Array1, Array2};
use serde_json::Value;

use super::{Error, Result};
use crate::model::{Model, Tensor, Values};

/// A matrix as a stored array.
pub(super) fn tensor(matrix: &Array2<f64>) -> Tensor {
    Tensor { shape: vec![matrix.nrows(), matrix.ncols()], values: Values::F64(matrix.iter().copied().collect()) }
}

/// Numbers as a stored array.
pub(super) fn reals(values: Vec<f64>) -> Tensor {
    Tensor { shape: vec![values.len()], values: Values::F64(values) }
}

/// The stored matrix of this name.
///
/// # Errors
/// When it is missing, of another type, or its shape and its values disagree.
pub(super) fn matrix(model: &Model, name: &str) -> Result<Array2<f64>> {
    let (shape, values) = array(model, name)?;
    let [rows, columns] = shape else {
        return Err(misfit(model, name, &format!("has {} dimensions, but must have 2", shape.len())));
    };
    let count = values.len();
    Array2::from_shape_vec((*rows, *columns), values.to_vec())
        .map_err(|_| misfit(model, name, &format!("has {count} values, but its shape is {rows} x {columns}")))
}

/// The stored vector of this name, which must have `length` values.
///
/// # Errors
/// When it is missing, of another type or of another length.
pub(super) fn vector(model: &Model, name: &str, length: usize) -> Result<Array1<f64>> {
    let (shape, values) = array(model, name)?;
    if shape != [length] || values.len() != length {
        return Err(misfit(model, name, &format!("has {} values, but must have {length}", values.len())));
    }
    Ok(Array1::from(values.to_vec()))
}

/// The stored covariance of this name, `[component, component]`.
///
/// # Errors
/// As [`matrix`]; when it is not symmetric, or has a variance below 0.
pub(super) fn covariance(model: &Model, name: &str) -> Result<Array2<f64>> {
    let found = matrix(model, name)?;
    let (rows, columns) = found.dim();
    if rows != columns {
        return Err(misfit(model, name, &format!("is {rows} x {columns}, but must be square")));
    }
    if let Some(at) = found.diag().iter().position(|variance| *variance < 0.0) {
        return Err(misfit(model, name, &format!("has the variance {} for component {at}", found[[at, at]])));
    }
    let apart =
        |i: usize, j: usize| (found[[i, j]] - found[[j, i]]).abs() > 1e-9 * (found[[i, i]] * found[[j, j]]).sqrt();
    match (0..rows).flat_map(|i| (0..i).map(move |j| (i, j))).find(|&(i, j)| apart(i, j)) {
        Some((i, j)) => Err(misfit(model, name, &format!("is not symmetric in components {j} and {i}"))),
        None => Ok(found),
    }
}

/// The shape and the values of the stored array of this name.
///
/// # Errors
/// When it is missing, or not in double precision.
pub(super) fn array<'a>(model: &'a Model, name: &str) -> Result<(&'a [usize], &'a [f64])> {
    let tensor = model.tensors.get(name).ok_or_else(|| misfit(model, name, "is missing"))?;
    match &tensor.values {
        Values::F64(values) => Ok((&tensor.shape, values)),
        _ => Err(misfit(model, name, "is not in double precision")),
    }
}

/// The error about one array or setting of a stored model.
pub(super) fn misfit(model: &Model, name: &str, problem: &str) -> Error {
    Error::Model(format!("the stored model of kind `{}` is damaged: `{name}` {problem}; fit it again", model.kind))
}

/// The sizes of an array: "2 x 3".
pub(super) fn sizes(shape: &[usize]) -> String {
    match shape {
        [] => "1".to_owned(),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x "),
    }
}

/// A number of a model's configuration.
///
/// # Errors
/// When it is missing.
pub(super) fn number(model: &Model, key: &str) -> Result<f64> {
    model.config[key].as_f64().ok_or_else(|| misfit(model, key, "is missing or not a number"))
}

/// Whole numbers of what a model's configuration says of its forecaster, each in its range.
///
/// # Errors
/// When one is missing, or no setting could have it.
pub(super) fn counts<const N: usize>(
    model: &Model,
    keys: [&str; N],
    ranges: [RangeInclusive<usize>; N],
) -> Result<[usize; N]> {
    let mut counts = [0; N];
    for ((count, key), range) in counts.iter_mut().zip(keys).zip(ranges) {
        let stored = model.config["forecaster"][key].as_u64();
        *count = stored.ok_or_else(|| misfit(model, key, "is missing or not a whole number"))? as usize;
        let (least, most) = range.into_inner();
        if !(least..=most).contains(count) {
            return Err(misfit(model, key, &format!("is {count}, but must be from {least} to {most}")));
        }
    }
    Ok(counts)
}

/// Checks that a stored model has the parts of the forecaster that was rebuilt from it, no other ones, each in its shape.
///
/// # Errors
/// When a part is missing, unknown, or of another shape or type.
pub(super) fn same_parts(model: &Model, rebuilt: &Model) -> Result<()> {
    for (name, tensor) in &model.tensors {
        match rebuilt.tensors.get(name) {
            None => return Err(misfit(model, name, "is no part of such a model")),
            Some(own) if own.shape != tensor.shape => {
                let problem = format!("is {}, but must be {}", sizes(&tensor.shape), sizes(&own.shape));
                return Err(misfit(model, name, &problem));
            }
            Some(own) if own != tensor => return Err(misfit(model, name, "has values that no such model has")),
            Some(_) => {}
        }
    }
    if let Some(name) = rebuilt.tensors.keys().find(|name| !model.tensors.contains_key(*name)) {
        return Err(misfit(model, name, "is missing"));
    }
    match difference("config", &model.config, &rebuilt.config) {
        None => Ok(()),
        Some((key, problem)) => Err(misfit(model, &key, &problem)),
    }
}

/// The first key on which two configurations differ, with what is wrong with the first.
fn difference(key: &str, found: &Value, own: &Value) -> Option<(String, String)> {
    match (found, own) {
        (Value::Object(found), Value::Object(own)) => {
            let inside = |(key, own): (&String, &Value)| match found.get(key) {
                Some(found) => difference(key, found, own),
                None => Some((key.clone(), "is missing".to_owned())),
            };
            let unknown = found.keys().find(|key| !own.contains_key(*key));
            let unknown = || unknown.map(|key| (key.clone(), "is no part of such a model".to_owned()));
            own.iter().find_map(inside).or_else(unknown)
        }
        (found, own) => (found != own).then(|| (key.to_owned(), format!("is {found}, but must be {own}"))),
    }
}
