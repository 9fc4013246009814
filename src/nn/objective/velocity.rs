//! `velocity`: the network gives v = alpha eps - sigma z of a variance-preserving level, alpha^2 + sigma^2 = 1
//! (Salimans and Ho 2022). Then D(x_t) = alpha x_t - sigma v.
//!
//! Any level has one of this kind with the same s = sigma / alpha: alpha = 1 / sqrt(s^2 + 1), sigma = alpha s, whose x_t
//! is alpha y. So c_skip = alpha^2, c_out = -sigma, c_in = alpha and F* = alpha (eps - s z): v is minus what `denoising`
//! learns at that level, and the optimal denoisers are one. What differs is how often a level is drawn: usually, here,
//! alpha = cos(phi), sigma = sin(phi) with phi uniform between 0 and pi/2, their cosine schedule.

use scorecast_systems::{Entry, Level, Settings};

use super::preconditioning::Preconditioning;
use super::trained_levels::{LEVEL_SETTINGS, OnLevels};
use super::{DENOISER_FIELDS, Objective, ObjectiveBuild};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "velocity",
    about: "squared error of v = alpha eps - sigma z, levels uniform on the cosine schedule",
    reference: "Salimans and Ho (2022), arXiv:2202.00512",
    params: &LEVEL_SETTINGS,
    build: ObjectiveBuild { fields: |_, _| DENOISER_FIELDS, make, preconditioning: Some(preconditioning) },
};

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(OnLevels::new(ENTRY.name, settings, preconditioning))
}

fn preconditioning(level: Level) -> Preconditioning {
    let relative = level.relative();
    let alpha = 1.0 / (relative * relative + 1.0).sqrt();
    Preconditioning {
        level,
        skip: alpha * alpha / level.alpha,
        out: -alpha * relative,
        input: alpha / level.alpha,
        feature: Preconditioning::logarithm(level),
        weight: alpha,
        target: (-relative, 1.0),
        known: (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::nn::objective::denoising;

    #[test]
    fn v_of_a_known_level_state_and_noise() {
        let v = preconditioning(Level { alpha: 0.6, sigma: 0.8 }).wanted(1.0, 0.5, 0.0);
        assert!((v - -0.5).abs() < 1e-15, "{v}");
    }

    #[test]
    fn of_gaussian_data_the_optimal_v_is_the_closed_form_and_its_denoiser_is_that_of_denoising() {
        // z ~ N(0, c^2): with the variance q = alpha^2 c^2 + sigma^2 of x_t, E[z | x_t] = alpha c^2 x_t / q and
        // E[eps | x_t] = sigma x_t / q, so that E[v | x_t] = alpha sigma (1 - c^2) x_t / q
        let of_denoising = denoising::ENTRY.build.preconditioning.unwrap();
        let x_t = array![[1.0]];
        for (phi, c) in [0.01, 0.3, 0.9, 1.5f64].into_iter().flat_map(|phi| [0.2, 1.0, 3.0].map(|c| (phi, c))) {
            let level @ Level { alpha, sigma } = Level { alpha: phi.cos(), sigma: phi.sin() };
            let q = alpha * alpha * c * c + sigma * sigma;
            let (z, eps) = (alpha * c * c / q, sigma / q);
            let v = alpha * sigma * (1.0 - c * c) / q;
            for (p, optimal) in [(preconditioning(level), v), (of_denoising(level), -v)] {
                // the loss is least where F is the mean of F*, which is linear in (z, eps)
                assert!((p.wanted(z, eps, 0.0) - optimal).abs() < 1e-13, "phi {phi}, c {c}");
                // at a variance-preserving level the network sees x_t itself
                assert!((p.network_input(x_t.view(), x_t.view())[[0, 0]] - 1.0).abs() < 1e-13);
                let denoised = p.denoised(x_t.view(), array![[optimal]], x_t.view())[[0, 0]];
                assert!((denoised - z).abs() < 1e-13, "phi {phi}, c {c}: {denoised}");
                assert!((denoised - (alpha - sigma * v)).abs() < 1e-13, "phi {phi}, c {c}: {denoised}");
            }
        }
    }
}
