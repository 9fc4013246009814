//! `denoising`: the preconditioned denoiser of Karras et al. (2022) for data of unit variance,
//! c_skip = 1 / (s^2 + 1), c_out = s / sqrt(s^2 + 1), c_in = 1 / sqrt(s^2 + 1). The squared error of D, weighted by
//! 1 / c_out^2, is that of F against F* = (s z - eps) / sqrt(s^2 + 1), with ln s ~ N(p_mean, p_std^2).

use candle_core::Tensor;
use scorecast_systems::{Entry, Level, Param, Settings};

use super::preconditioning::{Preconditioning, squared_error};
use super::{DENOISER_FIELDS, Draws, Objective, ObjectiveBuild};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

const P_MEAN: Param = Param::real("p_mean", -1.2, "mean of ln(noise level) in training by `denoising`");
const P_STD: Param = Param::positive("p_std", 1.5, "sd of ln(noise level) in training by `denoising`");

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "denoising",
    about: "squared error of the preconditioned denoiser, ln(noise level) normal",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &[P_MEAN, P_STD],
    build: ObjectiveBuild { fields: |_, _| DENOISER_FIELDS, make, preconditioning: Some(preconditioning) },
};

/// The squared error with levels of this law.
struct Denoising {
    p_mean: f64,
    p_std: f64,
}

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(Denoising { p_mean: settings.number(P_MEAN.key), p_std: settings.number(P_STD.key) })
}

fn preconditioning(level: Level) -> Preconditioning {
    let relative = level.relative();
    let variance = relative * relative + 1.0;
    let input = 1.0 / variance.sqrt();
    let (skip, out) = (1.0 / variance, relative * input);
    Preconditioning { alpha: level.alpha, relative, skip, out, input, target: (relative, -1.0) }
}

impl Objective for Denoising {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        squared_error(network, batch, draws, preconditioning, |row| (self.p_mean + self.p_std * row.normal()).exp())
    }

    fn draws(&self) -> bool {
        true
    }
}
