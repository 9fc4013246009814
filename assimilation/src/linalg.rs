//! The few small dense solves, on faer and nalgebra, and the byte form of a filter's state.

use ndarray::{Array2, ArrayView2};

use crate::problem::Result;

/// The symmetric positive semi-definite square root of a symmetric matrix.
///
/// # Errors
/// When an eigenvalue is negative beyond round-off.
pub fn symmetric_sqrt(_matrix: ArrayView2<f64>) -> Result<Array2<f64>> {
    unimplemented!()
}

/// A filter's state as bytes.
pub fn pack(_step: usize, _ensemble: &Array2<f64>, _state: &[f64]) -> Vec<u8> {
    unimplemented!()
}

/// The inverse of [`pack`].
///
/// # Errors
/// When the bytes are not such a state.
pub fn unpack(_bytes: &[u8]) -> Result<(usize, Array2<f64>, Vec<f64>)> {
    unimplemented!()
}
