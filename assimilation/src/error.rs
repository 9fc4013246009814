//! What can go wrong in an analysis.

/// The result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in an analysis. Filter divergence is not an error: it is a non-finite or useless ensemble.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A forecaster failed, or a name or a setting was wrong.
    #[error(transparent)]
    System(#[from] scorecast_systems::Error),
    /// Observations and operator, or ensemble and operator, do not have the same size.
    #[error("{0}")]
    Shape(String),
    /// A method that cannot be used with this forecaster or this operator; the sentence names the remedy.
    #[error("{0}")]
    Unsupported(String),
    /// A saved state that this method cannot take back.
    #[error("the saved state of the filter cannot be restored: {0}")]
    State(String),
    /// A matrix that should have been positive definite was not.
    #[error("{0}")]
    Singular(String),
}
