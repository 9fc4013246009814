//! `denoising`: the preconditioned denoiser of Karras et al. (2022) for data of unit variance,
//! c_skip = 1 / (s^2 + 1), c_out = s / sqrt(s^2 + 1), c_in = 1 / sqrt(s^2 + 1). The squared error of D, weighted by
//! 1 / c_out^2, is that of F against F* = (s z - eps) / sqrt(s^2 + 1); usually ln s ~ N(p_mean, p_std^2).

use scorecast_systems::{Entry, Level, Settings};

use super::preconditioning::Preconditioning;
use super::trained_levels::{LEVEL_SETTINGS, OnLevels};
use super::{DENOISER_FIELDS, Objective, ObjectiveBuild};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "denoising",
    about: "squared error of the preconditioned denoiser, ln(noise level) normal",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &LEVEL_SETTINGS,
    build: ObjectiveBuild { fields: |_, _| DENOISER_FIELDS, make, preconditioning: Some(preconditioning) },
};

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(OnLevels::new(ENTRY.name, settings, preconditioning))
}

fn preconditioning(level: Level) -> Preconditioning {
    let relative = level.relative();
    let variance = relative * relative + 1.0;
    let input = 1.0 / variance.sqrt();
    Preconditioning {
        level,
        skip: 1.0 / variance / level.alpha,
        out: relative * input,
        input: input / level.alpha,
        feature: Preconditioning::logarithm(level),
        weight: input,
        target: (relative, -1.0),
        known: (0.0, 0.0),
    }
}
