//! Training objectives: one file each, one line in [`OBJECTIVES`].
//!
//! An objective is a loss of a network's output on some steps, and by that what the output means. Where it is the
//! denoiser of the increment, the objective gives the [`Preconditioning`] that its loss and the denoiser share.

mod denoising;
mod draws;
mod likelihood;
mod preconditioning;
mod training;
mod velocity;

use scorecast_systems::{Entry, Param};

pub use draws::{Draws, RowDraws};
pub use likelihood::log_variance;
pub use preconditioning::Preconditioning;
pub use training::{Fields, Objective, ObjectiveBuild};

/// Every objective, in the order in which they are listed.
pub const OBJECTIVES: &[Entry<ObjectiveBuild>] = &[likelihood::ENTRY, denoising::ENTRY, velocity::ENTRY];

/// What the network of a denoiser takes and gives: noised data and their condition, at a level.
pub const DENOISER_FIELDS: Fields = Fields { inputs: 2, outputs: 1, time_features: true };

/// What the network of a Gaussian law takes and gives.
pub const LIKELIHOOD_FIELDS: Fields = Fields { inputs: 1, outputs: 2, time_features: false };

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
