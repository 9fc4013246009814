//! Parameters that members of a system draw, each its own.

use std::sync::Arc;

use ndarray::Array2;

use super::System;
use crate::error::Result;
use crate::key::Key;

/// The parameters that members of a system draw once and keep.
pub trait DrawnParameters {
    /// Their names, in the order in which they are drawn: paths of settings, `of.rho` being that of the system inside.
    fn names(&self) -> Vec<String>;

    /// Their values of an ensemble under `key`, `[member, parameter]`.
    ///
    /// # Errors
    /// When the system inside refuses every draw.
    fn drawn(&self, members: usize, key: Key) -> Result<Array2<f64>>;

    /// The system all of whose members have these parameters, `[parameter]`.
    ///
    /// # Errors
    /// When the system inside refuses them.
    fn with(&self, parameters: &[f64]) -> Result<Arc<dyn System>>;
}
