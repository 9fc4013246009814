//! Forecasters: one file each, one line in [`FORECASTERS`]. Baselines and learned ones train and load alike.

mod analog;
#[cfg(test)]
mod baselines;
mod climatology;
mod consistency;
mod crps;
mod denoiser;
mod diffusion;
mod error;
mod fitted;
mod fitting;
mod flow_matching;
mod gaussian;
mod gaussian_covariance;
mod gaussian_derivative;
mod interpolant;
mod learned;
mod linear;
mod memorizer;
mod mixture;
mod mixture_law;
mod molrg;
mod mse;
mod pairs;
mod pca_linear;
mod perfect;
mod persistence;
mod sampling;
mod stored;
mod target;

pub use error::{Error, Result};
pub use fitted::{Fitted, Parts, Training};
pub use fitting::{FitContext, FitSize, ForecasterBuild};

pub use crate::model::{Checkpoints, CurvePoint};
use crate::systems::Entry;

/// Every forecaster, in the order in which they are listed.
pub const FORECASTERS: &[Entry<ForecasterBuild>] = &[
    perfect::ENTRY,
    persistence::ENTRY,
    climatology::ENTRY,
    analog::ENTRY,
    memorizer::ENTRY,
    linear::ENTRY,
    pca_linear::ENTRY,
    molrg::ENTRY,
    mse::ENTRY,
    gaussian::ENTRY,
    mixture::ENTRY,
    crps::ENTRY,
    diffusion::ENTRY,
    flow_matching::ENTRY,
    interpolant::ENTRY,
    consistency::ENTRY,
];
