//! A trained model as plain data: what forecasters give to be stored, and what they are loaded from.

use std::collections::BTreeMap;

/// A named array.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values in row-major order.
    pub values: Values,
}

/// The values of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Single precision (networks).
    F32(Vec<f32>),
    /// Double precision (closed-form forecasters, libraries of states).
    F64(Vec<f64>),
    /// Integers (counters of a checkpoint).
    I64(Vec<i64>),
}

/// A model or a checkpoint: arrays by name, and a configuration from which the rest is rebuilt.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The name in the registry of forecasters.
    pub kind: String,
    /// Everything but the arrays.
    pub config: serde_json::Value,
    /// The arrays, in the order of their names.
    pub tensors: BTreeMap<String, Tensor>,
}
