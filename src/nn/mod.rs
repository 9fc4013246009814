//! Networks and their training on Candle: the only room, with the learned forecasters, that knows tensors.
//!
//! What is deliberately absent: files, scores, assimilation, and what a network is for.

pub mod array;
pub mod checkpoint;
pub mod classifier;
pub mod data;
pub mod init;
pub mod level;
pub mod network;
pub mod objective;
pub mod ops;
pub mod optimizer;
pub mod shards;
pub mod train;
pub mod validation;
pub mod weights;
pub mod windows;

pub use network::{NETWORKS, NetworkConfig, NeuralNetwork};
pub use objective::{OBJECTIVES, Objective};
pub use weights::Weights;

/// The result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data that nothing can be learned from, as a sentence that names the remedy.
    #[error("{0}")]
    Data(String),
    /// Weights that do not fit, as a sentence.
    #[error("{0}")]
    Model(String),
    /// The training went to infinity or NaN.
    #[error("{0}")]
    Diverged(String),
    /// The user stopped the training.
    #[error("training was interrupted")]
    Interrupted,
    /// A checkpoint could not be written, read or used.
    #[error("{0}")]
    Checkpoint(String),
    /// Candle failed: a bug of ours.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
