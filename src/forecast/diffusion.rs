//! `diffusion`: the law of the scaled increment z of one lead step given x_k, through its denoiser
//! ([`ConditionedNetwork`]), which a network was trained for by one of the objectives that give one (`objective`).
//!
//! A lead step draws z by a reverse sampler ([`Sampling`]). Nothing is assumed of the law of z: it may have several modes.

use ndarray::{Array2, ArrayView2, Axis};

use super::denoiser::{ConditionedNetwork, LearnedDenoiser};
use super::learned::{self, Learned, joined};
use super::sampling::{self, Sampling};
use super::stored::misfit;
use super::{FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::OBJECTIVES;
use crate::nn::data::{Batch, Data};
use crate::nn::objective::{DENOISER_FIELDS, DENOISER_NAMES, DENOISER_SETTINGS, DENOISERS};
use crate::systems::registry::find;
use crate::systems::{
    self, Affine, BoundDenoiser, ConditionalDenoiser, Denoiser, Entry, Forecaster, Key, Level, MemoryUse, Param,
    Purpose, Settings,
};

/// The objective of models that do not name theirs.
const USUAL: &str = "denoising";

const OBJECTIVE: Param =
    Param::choice("objective", USUAL, &DENOISER_NAMES, "what the network learns, from which the denoiser is made");

const SAMPLED: [Param; learned::SETTINGS.len() + 5] = joined(learned::SETTINGS, sampling::SETTINGS);
const NAMED: [Param; SAMPLED.len() + 1] = joined(SAMPLED, [OBJECTIVE]);
const PARAMS: [Param; NAMED.len() + DENOISERS.1] = joined(NAMED, DENOISER_SETTINGS);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "diffusion",
    about: "conditional denoiser of the increment, drawn by a reverse sampler",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, learned: true },
};

/// The forecaster.
struct Diffusion {
    denoiser: LearnedDenoiser,
    objective: &'static str,
    sampling: Sampling,
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    learned::held(settings, size, DENOISER_FIELDS)
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    // before the training, so that a mistake costs no time; a law is at most as wide as its increments
    let evaluations = Sampling::new(settings, 1.0)?.evaluations();
    let objective = find(OBJECTIVES, "objective", settings.text(OBJECTIVE.key))?;
    let data = learned::data(settings, context)?;
    let (learned, training) = Learned::fit(settings, context, &data, objective, evaluations)?;
    let denoiser = LearnedDenoiser::new(learned, objective)?;
    let width = conditional_sd(&denoiser, &data, context.key)?;
    let sampling = Sampling::new(settings, width)?;
    Ok(fitted(Diffusion { denoiser, objective: objective.name, sampling }, training))
}

/// The sd of z given x_k as the trained denoiser has it: the geometric mean over components of v, where the error of D
/// at level 1 is v^2 / (v^2 + 1), as it is for a Gaussian law; between .01 and 1.
fn conditional_sd(denoiser: &LearnedDenoiser, data: &Data, key: Key) -> Result<f64> {
    let Batch { states, increments: z, .. } = data.withheld(1024);
    let noise = key.purpose(Purpose::DiffusionNoise).case(2).normals(z.nrows(), z.ncols());
    let denoised = denoiser.bind(states).denoise((&z + &noise).view(), Level::exploding(1.0))?;
    let error = (denoised - &z).mapv(|error| error * error).sum_axis(Axis(0)) / z.nrows() as f64;
    let logarithm = error.mapv(|error| 0.5 * (error / (1.0 - error.min(0.5))).clamp(1e-4, 1.0).ln());
    Ok((logarithm.sum() / logarithm.len() as f64).exp())
}

fn load(model: &Model) -> Result<Fitted> {
    let named = model.config["forecaster"][OBJECTIVE.key].as_str().unwrap_or(USUAL);
    let objective = find(OBJECTIVES, "objective", named)
        .map_err(|error| misfit(model, OBJECTIVE.key, &format!("cannot be used ({error})")))?;
    let denoiser = LearnedDenoiser::new(Learned::load(model, DENOISER_FIELDS)?, objective)?;
    let diffusion = Diffusion { denoiser, objective: objective.name, sampling: Sampling::load(model)? };
    Ok(fitted(diffusion, Training::load(model)?))
}

fn fitted(diffusion: Diffusion, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, diffusion, training, |model| {
        let (mut own, schedule) = model.sampling.parts();
        own[OBJECTIVE.key] = model.objective.into();
        model.denoiser.learned().parts(own, [schedule])
    })
}

impl ConditionalDenoiser for Diffusion {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        let learned = self.denoiser.learned();
        let increments = &learned.scales().increments;
        let scale = Array2::from_shape_fn(x.dim(), |(_, c)| increments.sd[c]);
        let denoiser: ConditionedNetwork = self.denoiser.bind(learned.scaled(x));
        Ok(BoundDenoiser { denoiser: Box::new(denoiser), to_state: Affine { offset: &x + &increments.mean, scale } })
    }
}

impl Forecaster for Diffusion {
    fn dim(&self) -> usize {
        self.denoiser.learned().dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let bound = self.bind(k, x.view())?;
        let z = self.sampling.draw(bound.denoiser.as_ref(), x.nrows(), key.at(k as u64))?;
        let next = bound.to_state.apply(&z);
        drop(bound);
        *x = next;
        Ok(())
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(self)
    }
}
