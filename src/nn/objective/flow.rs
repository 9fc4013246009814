//! `flow`: the network gives the velocity v = eps - z of the straight line x_t = (1 - t) z + t eps from data to noise
//! (Lipman et al. 2023; Liu et al. 2023). Then D(x_t) = x_t - t v, which is finite at t = 1, where nothing of the data is
//! left.
//!
//! Any level has one of this kind with the same s = sigma / alpha: t = sigma / (alpha + sigma), whose x_t is
//! x_t / (alpha + sigma). c_noise = 3 (t - 1/2), which is finite from t = 0 to 1. The levels are usually those of t uniform.

use scorecast_systems::{Entry, Level, Settings};

use super::preconditioning::Preconditioning;
use super::trained_levels::{LEVEL_SETTINGS, OnLevels};
use super::{DENOISER_FIELDS, Objective, ObjectiveBuild};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "flow",
    about: "squared error of the velocity eps - z of straight lines, times uniform",
    reference: "Lipman et al. (2023), arXiv:2210.02747; Liu et al. (2023), arXiv:2209.03003",
    params: &LEVEL_SETTINGS,
    build: ObjectiveBuild { fields: |_, _| DENOISER_FIELDS, make, preconditioning: Some(preconditioning) },
};

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(OnLevels::new(ENTRY.name, settings, preconditioning))
}

fn preconditioning(level: Level) -> Preconditioning {
    let both = level.alpha + level.sigma;
    let t = level.sigma / both;
    Preconditioning {
        level,
        skip: 1.0 / both,
        out: -t,
        input: 1.0 / both,
        feature: 3.0 * (t - 0.5),
        weight: 1.0,
        target: (-1.0, 1.0),
        known: (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn of_gaussian_data_the_optimal_velocity_is_the_closed_form_and_so_is_its_denoiser() {
        crate::nn::objective::tests::assert_closed_form(preconditioning, |Level { alpha, sigma }, c| {
            // z ~ N(0, c^2): E[eps - z | x_t] = (sigma - alpha c^2) x_t / (alpha^2 c^2 + sigma^2)
            (sigma - alpha * c * c) / (alpha * alpha * c * c + sigma * sigma)
        });
    }

    #[test]
    fn where_nothing_of_the_data_is_left_all_is_finite_and_the_denoiser_is_their_mean() {
        let p = preconditioning(Level { alpha: 0.0, sigma: 1.0 });
        let (eps, mean) = (array![[0.8]], 0.3);
        assert_eq!((p.network_input(eps.view(), eps.view())[[0, 0]], p.feature), (0.8, 1.5));
        let denoised = p.denoised(eps.view(), array![[0.8 - mean]], eps.view())[[0, 0]];
        assert!((denoised - mean).abs() < 1e-15, "{denoised}");
    }
}
