//! Forecasters: one file each, one line in [`FORECASTERS`]. Baselines and learned ones train and load alike.

mod agreement;
mod analog;
mod autoregressive;
#[cfg(test)]
mod baselines;
mod climatology;
#[cfg(test)]
mod conditions;
mod consistency;
mod crps;
mod denoiser;
#[cfg(test)]
mod densities;
mod diffusion;
mod error;
mod fitted;
mod fitting;
mod flow_matching;
mod gaussian;
mod gaussian_covariance;
mod held_noise;
#[cfg(test)]
mod histories;
mod interpolant;
mod learned;
mod lifting;
mod linear;
mod memorizer;
mod mixture;
mod mixture_law;
mod molrg;
mod mse;
mod normalizing_flow;
mod pairs;
mod pca_linear;
mod perfect;
mod persistence;
mod pool;
mod sampling;
mod stored;
mod target;
mod trainings;
mod window;

pub use agreement::disagreements;
pub use error::{Error, Result};
pub use fitted::{EarlierTraining, Fitted, Parts, Training};
pub use fitting::{Cost, CostOf, FitContext, FitSize, ForecasterBuild, KnownParameters};
pub use learned::START_FROM;
pub use molrg::subspaces;
pub use pool::pool;

pub use trainings::{shortened, trainings};

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
    normalizing_flow::ENTRY,
    autoregressive::ENTRY,
    crps::ENTRY,
    lifting::ENTRY,
    diffusion::ENTRY,
    flow_matching::ENTRY,
    interpolant::ENTRY,
    window::ENTRY,
    consistency::ENTRY,
];
