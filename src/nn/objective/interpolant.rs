//! `interpolant`: the network gives the drift b of the stochastic interpolant from a known state c to data z,
//! I = (1 - s) c + s^2 z + (1 - s) sqrt(s) xi (Chen et al. 2024): b(I, s) = E[-c + 2 s z - sqrt(s) xi | I], since the process
//! with dX = b ds + (1 - s) dW from X = c has the laws of I. Then D = E[z | I] = (I + (1 - s) (b + c) - (1 - s) c) / (s (2 - s)).
//!
//! c is the scaled state that is stepped from, which the network is given beside I, and z the scaled state after it. In the
//! letters of [`Preconditioning`] x_t = alpha z + sigma eps has I without (1 - s) c at the level of the schedule
//! [`Interpolant`] with the same sigma / alpha, so that k = 1 - s, k' = -1.

use scorecast_systems::noising::Schedule;
use scorecast_systems::noising::schedule::Interpolant;
use scorecast_systems::{Entry, Level, Settings};

use super::preconditioning::Preconditioning;
use super::trained_levels::{OnLevels, TIME_LAW, TimeLaw, TrainedLevels};
use super::{DENOISER_FIELDS, Objective, ObjectiveBuild};

/// The registry's line. Its denoiser is one of states alone, and no word of a forecaster that may learn increments.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "interpolant",
    about: "squared error of the drift of a stochastic interpolant between two states, times uniform",
    reference: "Chen et al. (2024), arXiv:2403.13724",
    params: &[TIME_LAW],
    build: ObjectiveBuild { fields: |_, _| DENOISER_FIELDS, make, preconditioning: None },
};

fn make(settings: &Settings) -> Box<dyn Objective> {
    let levels = TrainedLevels::Times { schedule: Box::new(Interpolant), law: TimeLaw::of(settings) };
    Box::new(OnLevels { levels, preconditioning })
}

/// From the drift to D of the state that is stepped to.
pub fn preconditioning(level: Level) -> Preconditioning {
    let t = Interpolant.time(level.relative());
    let (s, own) = (1.0 - t, Interpolant.level(t));
    let input = own.alpha / level.alpha;
    let share = s * (2.0 - s);
    Preconditioning {
        level,
        skip: input / share,
        out: t / share,
        input,
        feature: Preconditioning::logarithm(level),
        weight: 1.0,
        target: (2.0 * s, -s.sqrt()),
        known: (t, -1.0),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_wanted_drift_is_the_derivative_of_the_interpolant_without_that_of_its_noise() {
        let (s, c, z, xi) = (0.36, 0.5, -1.2, 0.8);
        let p = preconditioning(Interpolant.level(1.0 - s));
        assert!((p.wanted(z, xi, c) - (-c + 2.0 * s * z - s.sqrt() * xi)).abs() < 1e-12);
        let i = (1.0 - s) * c + s * s * z + (1.0 - s) * s.sqrt() * xi;
        assert!((p.noised(z, xi, c) - i).abs() < 1e-12);
        // at another level of the same kind the network sees the same, and gives the same D
        for level in [Interpolant.level(1.0 - s), Level { alpha: 2.0 * s * s, sigma: 2.0 * (1.0 - s) * s.sqrt() }] {
            let (p, x_t) = (preconditioning(level), array![[level.alpha * z + level.sigma * xi]]);
            let known = array![[c]];
            assert!((p.network_input(x_t.view(), known.view())[[0, 0]] - i).abs() < 1e-12);
            let denoised = p.denoised(x_t.view(), array![[p.wanted(z, xi, c)]], known.view())[[0, 0]];
            assert!((denoised - z).abs() < 1e-12, "{denoised}");
        }
    }

    #[test]
    fn of_gaussian_data_the_optimal_drift_is_the_closed_form_and_so_is_its_denoiser() {
        crate::nn::objective::tests::assert_closed_form(preconditioning, |level, v| {
            // z ~ N(0, v^2) and c = 0: I = input x_t has variance q, E[z | I] = s^2 v^2 I / q, E[xi | I] = (1 - s) s^(1/2) I / q
            let p = preconditioning(level);
            let s = 1.0 - p.known.0;
            let (alpha, sigma) = (s * s, (1.0 - s) * s.sqrt());
            let q = alpha * alpha * v * v + sigma * sigma;
            (2.0 * s * alpha * v * v - s.sqrt() * sigma) * p.input / q
        });
    }
}
