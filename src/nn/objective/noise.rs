//! `noise`: the network gives the noise eps (Ho et al. 2020). Then D(x_t) = (x_t - sigma F) / alpha.
//!
//! It sees x_t at the variance-preserving level of the same s = sigma / alpha, 1 / sqrt(s^2 + 1) of what it is with alpha = 1.
//! An error of F is one of s in D, so that large levels are learned badly: what the denoiser is there for is not
//! weighted as it is by `denoising`.

use scorecast_systems::{Entry, Level, Settings};

use super::preconditioning::Preconditioning;
use super::trained_levels::{LEVEL_SETTINGS, OnLevels};
use super::{DENOISER_FIELDS, Objective, ObjectiveBuild};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "noise",
    about: "squared error of the noise eps, levels of a variance-preserving schedule",
    reference: "Ho et al. (2020), arXiv:2006.11239",
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
        skip: 1.0 / level.alpha,
        out: -relative,
        input: 1.0 / (relative * relative + 1.0).sqrt() / level.alpha,
        feature: Preconditioning::logarithm(level),
        weight: 1.0,
        target: (0.0, 1.0),
        known: (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_gaussian_data_the_optimal_noise_is_the_closed_form_and_so_is_its_denoiser() {
        crate::nn::objective::tests::assert_closed_form(preconditioning, |Level { alpha, sigma }, c| {
            // z ~ N(0, c^2): E[eps | x_t] = sigma x_t / (alpha^2 c^2 + sigma^2)
            sigma / (alpha * alpha * c * c + sigma * sigma)
        });
    }
}
