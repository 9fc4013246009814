//! Forecasters: one file each, one line in [`FORECASTERS`]. Baselines and learned ones train and load alike.

mod analog;
#[cfg(test)]
mod baselines;
mod climatology;
mod denoiser;
mod diffusion;
mod failure;
mod gaussian;
mod gaussian_derivative;
mod learned;
mod linear;
mod pairs;
mod perfect;
mod persistence;
mod stored;
mod wrapped;

use std::sync::Arc;

use ndarray::ArrayView3;

use crate::model::Model;
pub use crate::model::{Checkpoints, CurvePoint};
use crate::progress::Progress;
use crate::systems::{Entry, Forecaster, Geometry, Key, Settings, Stepping, System};

/// The result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in making or running a forecaster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system's or a setting's mistake.
    #[error(transparent)]
    System(#[from] crate::systems::Error),
    /// A forecaster that cannot be made from what is there; the sentence names the remedy.
    #[error("{0}")]
    Unsupported(String),
    /// A stored model that does not fit; the sentence says how.
    #[error("{0}")]
    Model(String),
    /// The training went to infinity or NaN.
    #[error("{0}")]
    Diverged(String),
    /// The user stopped the training; the checkpoint is saved.
    #[error("training was interrupted; its checkpoint is saved")]
    Interrupted,
    /// A checkpoint could not be written or read.
    #[error("{0}")]
    Checkpoint(String),
    /// Candle failed: a bug of ours.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<crate::nn::Error> for Error {
    fn from(error: crate::nn::Error) -> Self {
        match error {
            crate::nn::Error::Data(sentence) => Self::Unsupported(sentence),
            crate::nn::Error::Model(sentence) => Self::Model(sentence),
            crate::nn::Error::Diverged(sentence) => Self::Diverged(sentence),
            crate::nn::Error::Interrupted => Self::Interrupted,
            crate::nn::Error::Checkpoint(sentence) => Self::Checkpoint(sentence),
            crate::nn::Error::Tensor(inner) => Self::Tensor(inner),
        }
    }
}

impl From<Error> for crate::systems::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::System(inner) => inner,
            other => Self::Forecaster(Box::new(other)),
        }
    }
}

/// Everything that a forecaster may be made from.
pub struct FitContext<'a> {
    /// The simulator, where there is one (`perfect` needs it).
    pub system: Option<(Arc<dyn System>, Stepping)>,
    /// How components are laid out.
    pub geometry: Geometry,
    /// Training trajectories, `[case, time, component]`, one lead step between times.
    pub train: ArrayView3<'a, f64>,
    /// Validation trajectories, `[case, time, component]`.
    pub valid: ArrayView3<'a, f64>,
    /// The address of all training randomness.
    pub key: Key,
    /// Where to report.
    pub progress: &'a dyn Progress,
    /// Where the training loop keeps its state, if anywhere.
    pub checkpoints: Option<&'a dyn Checkpoints>,
}

/// What is known of a finished training.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Training {
    /// Number of fitted parameters.
    pub parameters: usize,
    /// Number of pairs (x_k, x_{k+1}) that were learned from.
    pub pairs: usize,
    /// Training steps taken.
    pub steps: u64,
    /// The step whose weights were kept.
    pub best_step: u64,
    /// The validation loss of the kept weights; NaN where nothing is validated.
    pub best_valid: f64,
    /// Network evaluations in one lead step.
    pub evaluations: usize,
    /// The curve.
    pub curve: Vec<CurvePoint>,
}

/// A forecaster that has been made, and can be stored.
pub trait Fitted: Forecaster {
    /// The whole of it as plain data; the `load` of its registry entry rebuilds it bit for bit.
    fn model(&self) -> Model;
    /// What is known of its training.
    fn training(&self) -> &Training;
    /// The forecaster itself.
    fn as_forecaster(&self) -> &dyn Forecaster;
}

/// Rebuilds a forecaster from what [`Fitted::model`] gave.
pub type Load = fn(&Model) -> Result<Box<dyn Fitted>>;

/// How a kind of forecaster is made.
#[derive(Clone, Copy)]
pub struct ForecasterBuild {
    /// Fits one to a situation.
    pub fit: fn(&Settings, &FitContext) -> Result<Box<dyn Fitted>>,
    /// Rebuilds one from what [`Fitted::model`] gave; none for those that need the simulator and are not stored.
    pub load: Option<Load>,
    /// Whether it learns from trajectories by gradient descent.
    pub learned: bool,
}

/// Every forecaster, in the order in which they are listed.
pub const FORECASTERS: &[Entry<ForecasterBuild>] = &[
    perfect::ENTRY,
    persistence::ENTRY,
    climatology::ENTRY,
    analog::ENTRY,
    linear::ENTRY,
    gaussian::ENTRY,
    diffusion::ENTRY,
];
