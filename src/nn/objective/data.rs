//! `data`: the network gives the data z itself, D(x_t) = F (Salimans and Ho 2022, their x-prediction).
//!
//! It sees x_t at the variance-preserving level of the same s = sigma / alpha, 1 / sqrt(s^2 + 1) of what it is with alpha = 1.
//! At small levels D is almost x_t, which the network has to copy.

use scorecast_systems::{Entry, Level, Settings};

use super::preconditioning::Preconditioning;
use super::trained_levels::{LEVEL_SETTINGS, OnLevels};
use super::{DENOISER_FIELDS, Objective, ObjectiveBuild};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "data",
    about: "squared error of the data z, levels of a variance-preserving schedule",
    reference: "Salimans and Ho (2022), arXiv:2202.00512",
    params: &LEVEL_SETTINGS,
    build: ObjectiveBuild { fields: |_, _| DENOISER_FIELDS, make, preconditioning: Some(preconditioning) },
};

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(OnLevels::new(ENTRY.name, settings, preconditioning))
}

fn preconditioning(level: Level) -> Preconditioning {
    let relative = level.relative();
    Preconditioning {
        level,
        skip: 0.0,
        out: 1.0,
        input: 1.0 / (relative * relative + 1.0).sqrt() / level.alpha,
        feature: Preconditioning::logarithm(level),
        weight: 1.0,
        target: (1.0, 0.0),
        known: (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_gaussian_data_the_optimal_output_is_the_closed_form_and_so_is_its_denoiser() {
        crate::nn::objective::tests::assert_closed_form(preconditioning, |Level { alpha, sigma }, c| {
            // z ~ N(0, c^2): E[z | x_t] = alpha c^2 x_t / (alpha^2 c^2 + sigma^2)
            alpha * c * c / (alpha * alpha * c * c + sigma * sigma)
        });
    }
}
