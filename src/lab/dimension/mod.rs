//! How many dimensions do the data have, and the law that a model has learned?
//!
//! No estimator answers that alone. Those of nearest neighbours see the dimension of the set around each point, those of the
//! covariance the dimension of the flat that holds all of it, those of a denoiser the dimension of the law that was learned;
//! noise raises each of them at another scale. So all of [`ESTIMATORS`] are asked, at several scales each; `findings` says
//! where they differ and what that means; `noise_floor`, `pieces` and `training_sizes` say what else follows.
//!
//! `cloud` are the points of data, `law` is a denoiser along a sweep of noise levels.

mod cloud;
mod estimate;
mod findings;
mod flipd;
mod jacobian_rank;
mod law;
mod levina_bickel;
mod local_pca;
mod neighbours;
mod noise_floor;
mod normal_bundle;
mod participation_ratio;
mod pca_gap;
mod pca_variance;
mod pieces;
mod rendered;
mod run;
mod sampled;
mod spectrum;
mod sweep;
#[cfg(test)]
mod tests;

mod training_sizes;
mod two_nn;

pub use cloud::Cloud;
pub use estimate::{Curve, Dimension, Estimator, Of};
pub use law::Law;
pub use noise_floor::NoiseFloor;
pub use pieces::{Piece, Pieces, pieces};
pub use run::{Asked, run};
pub use sampled::{Sampled, Sampling, Scale};
pub use training_sizes::TrainingSize;

use crate::systems::Entry;

/// Every estimator, in the order in which they are told.
pub const ESTIMATORS: &[Entry<Estimator>] = &[
    levina_bickel::ENTRY,
    two_nn::ENTRY,
    local_pca::ENTRY,
    participation_ratio::ENTRY,
    pca_variance::ENTRY,
    pca_gap::ENTRY,
    jacobian_rank::ENTRY,
    normal_bundle::ENTRY,
    flipd::ENTRY,
];
