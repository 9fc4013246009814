//! Between baselines and the plain data in which they are stored.

use ndarray::{Array1, Array2};
use serde_json::{Value, json};

use super::{Error, Result, Training};
use crate::model::{Model, Tensor, Values};

/// A matrix as a stored array.
pub(super) fn tensor(matrix: &Array2<f64>) -> Tensor {
    Tensor { shape: vec![matrix.nrows(), matrix.ncols()], values: Values::F64(matrix.iter().copied().collect()) }
}

/// A vector as a stored array.
pub(super) fn vector_tensor(vector: &Array1<f64>) -> Tensor {
    Tensor { shape: vec![vector.len()], values: Values::F64(vector.to_vec()) }
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

fn array<'a>(model: &'a Model, name: &str) -> Result<(&'a [usize], &'a [f64])> {
    let tensor = model.tensors.get(name).ok_or_else(|| misfit(model, name, "is missing"))?;
    match &tensor.values {
        Values::F64(values) => Ok((&tensor.shape, values)),
        _ => Err(misfit(model, name, "is not in double precision")),
    }
}

/// The error about one array of a stored model.
pub(super) fn misfit(model: &Model, name: &str, problem: &str) -> Error {
    Error::Model(format!("the stored model of kind `{}` is damaged: `{name}` {problem}; fit it again", model.kind))
}

/// What is known of a training, as JSON (which has no NaN: null).
pub(super) fn training_json(training: &Training) -> Value {
    json!(training)
}

/// Takes back what [`training_json`] gave, from the key `training` of a model's configuration.
///
/// # Errors
/// When it is not such a record.
pub(super) fn training(model: &Model) -> Result<Training> {
    let mut value = model.config["training"].clone();
    // NaN was written as null; a number is put there to be read and the NaN put back
    let unknown = value["best_valid"].is_null();
    if unknown && value.is_object() {
        value["best_valid"] = json!(0.0);
    }
    let mut training: Training = serde_json::from_value(value)
        .map_err(|error| misfit(model, "training", &format!("cannot be read ({error})")))?;
    if unknown {
        training.best_valid = f64::NAN;
    }
    Ok(training)
}

/// A number of a model's configuration.
///
/// # Errors
/// When it is missing.
pub(super) fn number(model: &Model, key: &str) -> Result<f64> {
    model.config[key].as_f64().ok_or_else(|| misfit(model, key, "is missing or not a number"))
}
