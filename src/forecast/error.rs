//! What can go wrong with a forecaster.

use crate::failure::{Failure, FailureKind};

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
    /// Training data that nothing can be learned from; the sentence names what is wrong with them.
    #[error("{0}")]
    Data(String),
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
            crate::nn::Error::Data(sentence) => Self::Data(sentence),
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

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::System(_) | Error::Unsupported(_) => FailureKind::Usage,
            Error::Data(_) | Error::Model(_) => FailureKind::Data,
            Error::Diverged(_) => FailureKind::Numerical,
            Error::Interrupted => FailureKind::Interrupted,
            Error::Checkpoint(_) => FailureKind::Io,
            Error::Tensor(_) => FailureKind::Bug,
        };
        Self::new(kind, error.to_string())
    }
}
