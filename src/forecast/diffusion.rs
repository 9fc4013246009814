//! `diffusion`: the law of a standardised z of one lead step given x_k, usually the scaled increment ([`Target`]), through
//! its denoiser ([`LearnedDenoiser`]), which a network was trained for by one of the objectives that give one
//! (`objective`).
//!
//! A lead step draws z by a reverse sampler ([`Sampling`]). Nothing is assumed of the law of z: it may have several modes.

use ndarray::{Array2, ArrayView2};

use super::denoiser::LearnedDenoiser;
use super::learned::{self, Learned, joined};
use super::sampling::{self, Sampling};
use super::stored::misfit;
use super::target::{self, Target, TargetFit};
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::OBJECTIVES;
use crate::nn::objective::{DENOISER_FIELDS, DENOISER_NAMES, DENOISER_SETTINGS, DENOISERS, sampled_schedule};
use crate::systems::registry::find;
use crate::systems::{self, BoundDenoiser, ConditionalDenoiser, Entry, Forecaster, Key, MemoryUse, Param, Settings};

/// The objective of models that do not name theirs.
const USUAL: &str = "denoising";

const OBJECTIVE: Param =
    Param::choice("objective", USUAL, &DENOISER_NAMES, "what the network learns, from which the denoiser is made");

const SAMPLED: [Param; learned::SETTINGS.len() + 5] = joined(learned::SETTINGS, sampling::SETTINGS);
const OWN: [Param; 3] = joined([OBJECTIVE], target::SETTINGS);
const NAMED: [Param; SAMPLED.len() + 3] = joined(SAMPLED, OWN);
const PARAMS: [Param; NAMED.len() + DENOISERS.1] = joined(NAMED, DENOISER_SETTINGS);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "diffusion",
    about: "conditional denoiser of the increment, drawn by a reverse sampler",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The forecaster.
struct Diffusion {
    denoiser: LearnedDenoiser,
    objective: &'static str,
    target: Target,
    sampling: Sampling,
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    target::held(settings, size, DENOISER_FIELDS)
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    let along = sampled_schedule(settings.text(OBJECTIVE.key), settings);
    target::cost(settings, size, Sampling::new(settings, along, 1.0)?.evaluations())
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let objective = find(OBJECTIVES, "objective", settings.text(OBJECTIVE.key))?;
    let along = sampled_schedule(objective.name, settings);
    // before the training, so that a mistake costs no time; a law is at most as wide as its increments
    let evaluations = Sampling::new(settings, along, 1.0)?.evaluations();
    let data = learned::data(settings, context)?;
    let (learned, target, training) = TargetFit { settings, context, data: &data, objective, evaluations }.run()?;
    let denoiser = LearnedDenoiser::new(learned, objective)?;
    let withheld = target.batch(data.scales(), data.withheld(1024))?;
    let sampling = Sampling::new(settings, along, denoiser.conditional_sd(withheld, context.key)?)?;
    Ok(fitted(Diffusion { denoiser, objective: objective.name, target, sampling }, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let named = model.config["forecaster"][OBJECTIVE.key].as_str().unwrap_or(USUAL);
    let objective = find(OBJECTIVES, "objective", named)
        .map_err(|error| misfit(model, OBJECTIVE.key, &format!("cannot be used ({error})")))?;
    let denoiser = LearnedDenoiser::new(Learned::load(model, DENOISER_FIELDS)?, objective)?;
    let (target, sampling) = (Target::load(model, denoiser.learned())?, Sampling::load(model)?);
    Ok(fitted(Diffusion { denoiser, objective: objective.name, target, sampling }, Training::load(model)?))
}

fn fitted(diffusion: Diffusion, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, diffusion, training, |model| {
        let (mut own, schedule) = model.sampling.parts();
        own[OBJECTIVE.key] = model.objective.into();
        let mut parts = model.denoiser.learned().parts(own, [schedule]);
        model.target.store(&mut parts);
        parts
    })
}

impl ConditionalDenoiser for Diffusion {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        Ok(self.target.bind(&self.denoiser, x)?)
    }
}

impl Forecaster for Diffusion {
    fn dim(&self) -> usize {
        self.denoiser.learned().dim()
    }

    fn history(&self) -> usize {
        self.denoiser.learned().history()
    }

    fn parameters(&self) -> &[String] {
        self.denoiser.learned().parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        self.target.step(&self.denoiser, x, |denoiser, members| self.sampling.draw(denoiser, members, key.at(k as u64)))
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.denoiser.learned().is_markov().then_some(self)
    }
}
