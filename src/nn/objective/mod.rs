//! Training objectives: one file each, one line in [`OBJECTIVES`].
//!
//! An objective is a loss of a network's output on some steps, and by that what the output means. Where it is the
//! denoiser of the increment, the objective gives the [`Preconditioning`] that its loss and the denoiser share.

mod autoregressive;
mod denoising;
mod draws;
mod full_likelihood;
mod lifting;
mod likelihood;
mod low_rank_likelihood;
mod mixture;
mod normalizing_flow;
mod preconditioning;
mod regression;
mod score_rule;
mod spline;
mod training;
mod velocity;

use scorecast_systems::{Entry, Param};

pub use autoregressive::{AUTOREGRESSIVE_SETTINGS, AutoregressiveShape, ComponentFields, causal_layer};
pub use draws::{Draws, RowDraws};
pub use full_likelihood::fields as full_fields;
pub use likelihood::log_variance;
pub use low_rank_likelihood::{RANK, fields as low_rank_fields, start as factor_start};
pub use mixture::{GaussianFields, MIXTURE_SETTINGS, MixtureShape};
pub use normalizing_flow::{FLOW_SETTINGS, FlowShape, coupling_fields, moves, trunk as coupling_trunk};
pub use preconditioning::Preconditioning;
pub use score_rule::{NOISE_FIELDS, SCORE_RULE_SETTINGS, TRAIN_MEMBERS, fields as score_rule_fields};
pub use spline::Spline;
pub use training::{DENOISER_FIELDS, Fields, LIKELIHOOD_FIELDS, Objective, ObjectiveBuild, REGRESSION_FIELDS};

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
];

const fn denoises(entry: &Entry<ObjectiveBuild>) -> bool {
    entry.build.preconditioning.is_some()
}

/// How many objectives give a denoiser, and how many settings they have together.
pub const DENOISERS: (usize, usize) = {
    let (mut names, mut settings, mut i) = (0, 0, 0);
    while i < OBJECTIVES.len() {
        if denoises(&OBJECTIVES[i]) {
            names += 1;
            settings += OBJECTIVES[i].params.len();
        }
        i += 1;
    }
    (names, settings)
};

/// The names of the objectives that give a denoiser.
pub const DENOISER_NAMES: [&str; DENOISERS.0] = {
    let (mut names, mut count, mut i) = ([""; DENOISERS.0], 0, 0);
    while i < OBJECTIVES.len() {
        if denoises(&OBJECTIVES[i]) {
            names[count] = OBJECTIVES[i].name;
            count += 1;
        }
        i += 1;
    }
    names
};

/// The settings of the objectives that give a denoiser.
pub const DENOISER_SETTINGS: [Param; DENOISERS.1] = {
    let (mut settings, mut count, mut i) = ([Param::flag("", ""); DENOISERS.1], 0, 0);
    while i < OBJECTIVES.len() {
        let mut own = 0;
        while denoises(&OBJECTIVES[i]) && own < OBJECTIVES[i].params.len() {
            settings[count] = OBJECTIVES[i].params[own];
            count += 1;
            own += 1;
        }
        i += 1;
    }
    settings
};

#[cfg(test)]
mod tests;
