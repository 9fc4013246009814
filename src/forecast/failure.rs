//! What a failure of this room is to a command.

use super::Error;
use crate::failure::{Failure, FailureKind};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::System(_) | Error::Unsupported(_) => FailureKind::Usage,
            Error::Model(_) => FailureKind::Data,
            Error::Diverged(_) => FailureKind::Numerical,
            Error::Interrupted => FailureKind::Interrupted,
            Error::Checkpoint(_) => FailureKind::Io,
            Error::Tensor(_) => FailureKind::Bug,
        };
        Self::new(kind, error.to_string())
    }
}
