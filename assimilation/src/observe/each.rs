//! What laws of independent values share: p(y | h(x)) is a product over the values, and draws go value by value.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Key, Stream};

use crate::error::{Error, Result};

/// A positive parameter for each of `dim` values, from one for all or one for each; `what` names it in messages.
///
/// # Errors
/// When the list has another length, or one of them is not a finite number above zero, or its square is 0.
pub(super) fn per_value(given: &[f64], dim: usize, what: &str) -> Result<Array1<f64>> {
    if let Some(bad) = given.iter().find(|value| !(**value > 0.0 && value.is_finite())) {
        return Err(Error::Shape(format!(
            "an observation error has the {what} {bad}; set observe.noise to numbers above 0 (what is known without error is a \
             `constraint` of method `guided`)"
        )));
    }
    // a variance of 0 leaves no likelihood that tells states apart
    if let Some(bad) = given.iter().find(|value| **value * **value < f64::MIN_POSITIVE) {
        return Err(Error::Shape(format!(
            "an observation error has the {what} {bad:e}, whose square is 0 in double precision; set observe.noise to numbers from \
             1e-150 on"
        )));
    }
    match given {
        [one] => Ok(Array1::from_elem(dim, *one)),
        _ if given.len() == dim => Ok(given.iter().copied().collect()),
        _ => Err(Error::Shape(format!(
            "observe.noise has {} {what}s but the operator gives {dim} values; give one, or one for each value",
            given.len()
        ))),
    }
}

/// y for each row of `predicted`: `one(stream, i, h)` draws value i given its prediction h; row r from stream r.
pub(super) fn draws(predicted: ArrayView2<f64>, key: Key, one: impl Fn(&mut Stream, usize, f64) -> f64) -> Array2<f64> {
    let mut out = predicted.to_owned();
    for (member, mut row) in out.outer_iter_mut().enumerate() {
        let mut stream = key.stream(member as u64);
        row.iter_mut().enumerate().for_each(|(i, value)| *value = one(&mut stream, i, *value));
    }
    out
}

/// For each row of `predicted` the sum of `one(i, y, h)` over the values listed in `present`.
pub(super) fn log_likelihood(
    values: ArrayView1<f64>,
    predicted: ArrayView2<f64>,
    present: &[usize],
    one: impl Fn(usize, f64, f64) -> f64,
) -> Array1<f64> {
    predicted.outer_iter().map(|row| present.iter().map(|&i| one(i, values[i], row[i])).sum()).collect()
}
