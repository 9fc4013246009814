//! `flow_matching`: the law of a standardised z of one lead step given x_k ([`Target`]) as what the straight lines from noise
//! to data carry noise to: with x_t = (1 - t) z + t eps a network gives v(x_t, t; x_k) = E[eps - z | x_t, x_k] (the objective
//! `flow`), and dx/dt = v leads from x_1 ~ N(0, I) to z = x_0.
//!
//! A lead step goes along that equation in steps that are uniform in t, with levels r = t / (1 - t) multiplied by a factor
//! ([`Stretched`]), or with little noise most steps would be taken where nothing happens: by default v^(3/4), with v the
//! sd of z given x_k as the trained network has it. Then 10 steps of the sampler `dpm_solver_2m` leave the sd of a
//! Gaussian law within 2 % for all v from .04 to 1; `euler` is the rule that is usual for straight lines, and makes it 12 %
//! too small with as many, `heun` 3 % too large with twice the evaluations.

use ndarray::{Array2, ArrayView2};
use serde_json::json;

use super::denoiser::LearnedDenoiser;
use super::learned::{self, Learned, joined};
use super::sampling::FACTORS;
use super::stored::{misfit, reals, vector};
use super::target::{self, Target, TargetFit};
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::OBJECTIVES;
use crate::nn::objective::{DENOISER_FIELDS, ObjectiveBuild, TIME_LAW};
use crate::systems::noising::sampler::{RegisteredSampler, SAMPLER_NAMES, named};
use crate::systems::noising::schedule::Rectified;
use crate::systems::noising::{Levels, Stretched, sample};
use crate::systems::registry::find;
use crate::systems::{
    self, BoundDenoiser, ConditionalDenoiser, Denoiser, Entry, Forecaster, Key, MemoryUse, Param, Settings,
};

const SAMPLER: Param = Param::choice("sampler", "dpm_solver_2m", SAMPLER_NAMES, "how a lead step is drawn");
const LEVELS: Param = Param::int("levels", 10, 1, "steps from noise to data in a lead step").up_to(10_000);
const SPACING: Param =
    Param::unset("spacing", FACTORS, "factor of the noise levels at times of equal distance; unset: fitted to the law");

const SAMPLING: [Param; 4] = [SAMPLER, LEVELS, SPACING, TIME_LAW];
const SAMPLED: [Param; learned::SETTINGS.len() + 4] = joined(learned::SETTINGS, SAMPLING);
const PARAMS: [Param; SAMPLED.len() + 2] = joined(SAMPLED, target::SETTINGS);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "flow_matching",
    about: "straight lines from noise to the increment, followed by an ordinary differential equation",
    reference: "Lipman et al. (2023), arXiv:2210.02747; Liu et al. (2023), arXiv:2209.03003",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The power of the sd of z that the levels are multiplied by.
const POWER: f64 = 0.75;

/// A sampler with its levels.
struct FlowSampling {
    name: String,
    registered: RegisteredSampler,
    grid: Stretched,
    levels: Levels,
}

impl FlowSampling {
    /// What the settings ask for, for a law of this `width`.
    fn new(settings: &Settings, width: f64) -> Result<Self> {
        let factor = settings.optional_number(SPACING.key).unwrap_or(width.powf(POWER));
        Self::of(settings.text(SAMPLER.key).to_owned(), Stretched { factor, steps: settings.count(LEVELS.key) })
    }

    fn of(name: String, grid: Stretched) -> Result<Self> {
        Ok(Self { registered: named(&name)?, name, levels: Levels::new(&Rectified, &grid)?, grid })
    }

    fn load(model: &Model) -> Result<Self> {
        let own = &model.config["forecaster"];
        let name = own[SAMPLER.key].as_str().unwrap_or_default().to_owned();
        let steps = own[LEVELS.key].as_u64().filter(|steps| (1..=10_000).contains(steps));
        let steps = steps.ok_or_else(|| misfit(model, LEVELS.key, "is missing, or not from 1 to 10000"))? as usize;
        let factor = vector(model, SPACING.key, 1)?[0];
        match factor > 0.0 && factor.is_finite() {
            true => Self::of(name, Stretched { factor, steps }),
            false => Err(misfit(model, SPACING.key, &format!("is {factor}, but must be above 0"))),
        }
    }

    fn evaluations(&self) -> usize {
        self.registered.sampler.evaluations(self.grid.steps)
    }

    fn draw(&self, denoiser: &dyn Denoiser, members: usize, key: Key) -> systems::Result<Array2<f64>> {
        sample(self.registered.sampler, denoiser, &self.levels, members, key)
    }
}

/// The forecaster.
struct FlowMatching {
    denoiser: LearnedDenoiser,
    target: Target,
    sampling: FlowSampling,
}

fn objective() -> Result<&'static Entry<ObjectiveBuild>> {
    Ok(find(OBJECTIVES, "objective", "flow")?)
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    target::held(settings, size, DENOISER_FIELDS)
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    target::cost(settings, size, FlowSampling::new(settings, 1.0)?.evaluations())
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    // before the training, so that a mistake costs no time
    let evaluations = FlowSampling::new(settings, 1.0)?.evaluations();
    let (objective, data) = (objective()?, learned::data(settings, context)?);
    let (learned, target, training) = TargetFit { settings, context, data: &data, objective, evaluations }.run()?;
    let denoiser = LearnedDenoiser::new(learned, objective)?;
    let withheld = target.batch(data.scales(), data.withheld(1024))?;
    let sampling = FlowSampling::new(settings, denoiser.conditional_sd(withheld, context.key)?)?;
    Ok(fitted(FlowMatching { denoiser, target, sampling }, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let denoiser = LearnedDenoiser::new(Learned::load(model, DENOISER_FIELDS)?, objective()?)?;
    let (target, sampling) = (Target::load(model, denoiser.learned())?, FlowSampling::load(model)?);
    Ok(fitted(FlowMatching { denoiser, target, sampling }, Training::load(model)?))
}

fn fitted(flow: FlowMatching, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, flow, training, |model| {
        let FlowSampling { name, grid, .. } = &model.sampling;
        let own = json!({ SAMPLER.key: name, LEVELS.key: grid.steps });
        let mut parts = model.denoiser.learned().parts(own, [(SPACING.key, reals(vec![grid.factor]))]);
        model.target.store(&mut parts);
        parts
    })
}

impl ConditionalDenoiser for FlowMatching {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        Ok(self.target.bind(&self.denoiser, x)?)
    }
}

impl Forecaster for FlowMatching {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::systems::gaussian::IndependentDenoiser;
    use crate::systems::{Domain, Purpose, Value};

    /// The sd that a sampler makes of a Gaussian law of sd v, over v: it is linear in the first normal that it draws.
    fn ratio(given: &BTreeMap<String, Value>, v: f64) -> f64 {
        let settings = Settings::check("flow_matching", &SAMPLING, given).unwrap();
        let (sampling, key) = (FlowSampling::new(&settings, v).unwrap(), Key::new(1, Domain::Method));
        let exact = IndependentDenoiser::new(ndarray::array![[v * v]]);
        let drawn = sampling.draw(&exact, 1, key).unwrap()[[0, 0]];
        drawn / key.purpose(Purpose::Sampler).stream(0).normal() / v
    }

    #[test]
    fn default_steps_keep_the_sd_of_narrow_laws() {
        for v in [0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0] {
            let found = ratio(&BTreeMap::new(), v);
            assert!((found - 1.0).abs() < 0.02, "sd {v}: {found}");
        }
    }

    #[test]
    fn other_samplers_make_what_is_said_of_them() {
        for (name, expected) in [("euler", 0.88), ("heun", 1.03)] {
            let given = BTreeMap::from([("sampler".to_owned(), Value::Text(name.to_owned()))]);
            let found = ratio(&given, 1.0);
            assert!((found - expected).abs() < 5e-3, "{name}: {found}");
        }
    }
}
