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
    /// What it was made from, where that is known.
    pub made_from: Option<Provenance>,
    /// The arrays, in the order of their names.
    pub tensors: BTreeMap<String, Tensor>,
}

/// What a model was made from.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Provenance {
    /// The seed of the experiment.
    pub seed: u64,
    /// Its system: `name` and resolved settings; none where the trajectories are a user's own.
    pub system: Option<serde_json::Map<String, serde_json::Value>>,
    /// The resolved settings of the forecaster.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// The lead step.
    pub dt: f64,
    /// The unit of the lead step, such as `model time` or `hours`.
    pub unit: String,
    /// The length of that unit in seconds, where it is a physical one.
    pub unit_seconds: Option<f64>,
    /// Components of a state.
    pub components: usize,
    /// How they are laid out in space, such as `ring` or `torus 4 x 10`.
    pub geometry: String,
    /// The SHA-256 of the training and validation trajectories.
    pub data: String,
}

/// Where a training loop keeps its state, so that a killed run goes on as if it had never stopped.
pub trait Checkpoints: Send + Sync {
    /// The last saved state, if there is one.
    ///
    /// # Errors
    /// A sentence when it is there but unreadable.
    fn load(&self) -> Result<Option<Model>, String>;
    /// Replaces the saved state, atomically.
    ///
    /// # Errors
    /// A sentence when it cannot be written.
    fn save(&self, state: Model) -> Result<(), String>;
}

/// One point of a training curve.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CurvePoint {
    /// The training step.
    pub step: u64,
    /// Mean training loss since the last point.
    pub train: f64,
    /// Validation loss of the averaged weights; NaN (null in a file) where nothing is validated.
    #[serde(deserialize_with = "or_nan")]
    pub valid: f64,
}

fn or_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(<Option<f64> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
