//! Training objectives: one file each, one line in [`OBJECTIVES`].
//!
//! An objective is a loss of a network's output on some steps, and by that what the output means. Where it is the
//! denoiser of the increment, the objective gives the [`Preconditioning`] that its loss and the denoiser share.

mod autoregressive;
mod consistency;
mod data;
mod denoisers;
mod denoising;
mod draws;
mod fields;
mod flow;
mod full_likelihood;
mod interpolant;
mod lifting;
mod likelihood;
mod low_rank_likelihood;
mod mixture;
mod noise;
mod normalizing_flow;
mod preconditioning;
mod regression;
mod rollout;
mod score_rule;
mod spline;
mod trained_levels;
mod training;
mod velocity;
mod window;

use scorecast_systems::Entry;

pub use autoregressive::{AUTOREGRESSIVE_SETTINGS, AutoregressiveShape, ComponentFields, causal_layer};
pub use consistency::{Boundary, Consistency, Rows};
pub use denoisers::{DENOISER_NAMES, DENOISER_SETTINGS, DENOISERS};
pub use draws::{Draws, RowDraws};
pub use fields::{DENOISER_FIELDS, Fields, LIKELIHOOD_FIELDS, REGRESSION_FIELDS};
pub use full_likelihood::fields as full_fields;
pub use interpolant::preconditioning as interpolant_preconditioning;
pub use likelihood::log_variance;
pub use low_rank_likelihood::{RANK, fields as low_rank_fields, start as factor_start};
pub use mixture::{GaussianFields, MIXTURE_SETTINGS, MixtureShape};
pub use normalizing_flow::{
    FLOW_SETTINGS, FlowShape, coupling_fields, moves, score as flow_score, trunk as coupling_trunk,
};
pub use preconditioning::Preconditioning;
pub use regression::regression_rule;
pub use rollout::{Rollout, Rule};
pub use score_rule::{NOISE_FIELDS, SCORE_RULE_SETTINGS, TRAIN_MEMBERS, fields as score_rule_fields, score_rule};
pub use spline::Spline;
pub use trained_levels::{TIME_LAW, sampled_schedule, unused_of_levels};
pub use training::{Objective, ObjectiveBuild};
pub use window::{
    FrameCovariance, FrameLevels, FramePreconditioning, WINDOW_LEVEL_SETTINGS, WindowNoise, WindowObjective,
    one_level_fields, window_fields, windows_of,
};

/// Every objective, in the order in which they are listed.
pub const OBJECTIVES: &[Entry<ObjectiveBuild>] = &[
    likelihood::ENTRY,
    denoising::ENTRY,
    velocity::ENTRY,
    regression::ENTRY,
    score_rule::ENTRY,
    low_rank_likelihood::ENTRY,
    full_likelihood::ENTRY,
    mixture::ENTRY,
    autoregressive::ENTRY,
    normalizing_flow::ENTRY,
    lifting::ENTRY,
    noise::ENTRY,
    data::ENTRY,
    flow::ENTRY,
    interpolant::ENTRY,
];

#[cfg(test)]
mod tests;
