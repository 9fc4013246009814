//! `interpolant`: the law of the state after one lead step as the end of a stochastic process that begins at x_k. In scaled
//! states, I_s = (1 - s) x_k + s^2 x_{k+1} + (1 - s) sqrt(s) xi leads from x_k to x_{k+1}; a network gives its drift
//! b(I, s; x_k) (the objective `interpolant`), and dX = b ds + (1 - s) dW from X_0 = x_k ends with the law of x_{k+1} given
//! x_k (Chen et al. 2024; with their choice of the noise a Foellmer process).
//!
//! The drift gives the score, so that the noise of this equation may be another one: it is multiplied by `noise`, the drift
//! corrected, and the law is what it was ([`Foellmer`], which also says how a step is taken). The levels of the steps are
//! those of s uniform, multiplied by v^(3/4), with v the sd of x_{k+1} given x_k as the trained network has it: 20 steps
//! leave the sd of a Gaussian law within 2 % for all v from .02 to 1 and for `noise` from 0 to 2.

use ndarray::{Array2, ArrayView2, s};
use serde_json::json;

use super::denoiser::LearnedDenoiser;
use super::learned::{self, Learned, Work, joined};
use super::sampling::FACTORS;
use super::stored::{misfit, reals, vector};
use super::target::{Target, TargetFit};
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::OBJECTIVES;
use crate::nn::objective::{DENOISER_FIELDS, TIME_LAW, interpolant_preconditioning};
use crate::systems::noising::sampler::Foellmer;
use crate::systems::noising::schedule::Interpolant;
use crate::systems::noising::{Levels, Schedule, Stretched, TimeGrid, sample};
use crate::systems::registry::{DefaultValue, ParamKind, find};
use crate::systems::{
    self, BoundDenoiser, ConditionalDenoiser, Denoiser, Entry, Forecaster, Key, MemoryUse, Param, Settings,
};

/// Factors of noise: with more, steps would have to be as many times shorter.
const NOISES: ParamKind = ParamKind::real(0.0, 100.0);
const NOISE: Param = Param::new(
    "noise",
    NOISES,
    DefaultValue::Float(1.0),
    "factor of the noise from state to state; the law stays what it is",
);
const LEVELS: Param = Param::int("levels", 20, 2, "steps from one state to the next").up_to(10_000);
const SPACING: Param =
    Param::unset("spacing", FACTORS, "factor of the noise levels at times of equal distance; unset: fitted to the law");

const SAMPLING: [Param; 4] = [NOISE, LEVELS, SPACING, TIME_LAW];
const PARAMS: [Param; learned::SETTINGS.len() + 4] = joined(learned::SETTINGS, SAMPLING);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "interpolant",
    about: "stochastic process from one state to the next, with a learned drift",
    reference: "Chen et al. (2024), arXiv:2403.13724",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The power of the sd of x_{k+1} that the levels are multiplied by.
const POWER: f64 = 0.75;

/// How a lead step is drawn.
struct Process {
    equation: Foellmer,
    grid: Stretched,
    /// Without the first, where there is neither data nor noise.
    levels: Levels,
}

impl Process {
    /// What the settings ask for, for a law of this `width`.
    fn new(settings: &Settings, width: f64) -> Result<Self> {
        let factor = settings.optional_number(SPACING.key).unwrap_or(width.powf(POWER));
        Self::of(settings.number(NOISE.key), Stretched { factor, steps: settings.count(LEVELS.key) })
    }

    fn of(noise: f64, grid: Stretched) -> Result<Self> {
        let times = grid.times(&Interpolant)?;
        let levels = Levels::from_rows(times.slice(s![1.., ..]).mapv(|t| Interpolant.level(t)));
        Ok(Self { equation: Foellmer { noise }, grid, levels })
    }

    fn load(model: &Model) -> Result<Self> {
        let steps = model.config["forecaster"][LEVELS.key].as_u64().filter(|steps| (2..=10_000).contains(steps));
        let steps = steps.ok_or_else(|| misfit(model, LEVELS.key, "is missing, or not from 2 to 10000"))? as usize;
        let numbers = vector(model, PROCESS, 2)?;
        let (noise, factor) = (numbers[0], numbers[1]);
        match noise >= 0.0 && noise.is_finite() && factor > 0.0 && factor.is_finite() {
            true => Self::of(noise, Stretched { factor, steps }),
            false => Err(misfit(model, PROCESS, &format!("is {numbers}, but must be at least 0 and above 0"))),
        }
    }

    fn draw(&self, denoiser: &dyn Denoiser, members: usize, key: Key) -> systems::Result<Array2<f64>> {
        sample(&self.equation, denoiser, &self.levels, members, key)
    }
}

/// The stored array of the factors of noise and of levels.
const PROCESS: &str = "process";

/// The forecaster.
struct InterpolantForecaster {
    denoiser: LearnedDenoiser,
    process: Process,
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    learned::held(settings, size, DENOISER_FIELDS)
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    let evaluations = Process::new(settings, 1.0)?.levels.steps();
    learned::cost(settings, size, DENOISER_FIELDS, Work::of(settings, evaluations))
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    // before the training, so that a mistake costs no time
    let evaluations = Process::new(settings, 1.0)?.levels.steps();
    let (objective, data) = (find(OBJECTIVES, "objective", "interpolant")?, learned::data(settings, context)?);
    let fit = TargetFit { settings, context, data: &data, objective, evaluations };
    let (learned, training) = fit.of(&Target::State)?;
    let denoiser = LearnedDenoiser::of(learned, interpolant_preconditioning);
    let withheld = Target::State.batch(data.scales(), data.withheld(1024))?;
    let process = Process::new(settings, denoiser.conditional_sd(withheld, context.key)?)?;
    Ok(fitted(InterpolantForecaster { denoiser, process }, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let denoiser = LearnedDenoiser::of(Learned::load(model, DENOISER_FIELDS)?, interpolant_preconditioning);
    Ok(fitted(InterpolantForecaster { denoiser, process: Process::load(model)? }, Training::load(model)?))
}

fn fitted(forecaster: InterpolantForecaster, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, forecaster, training, |model| {
        let Process { equation, grid, .. } = &model.process;
        let numbers = reals(vec![equation.noise, grid.factor]);
        model.denoiser.learned().parts(json!({ LEVELS.key: grid.steps }), [(PROCESS, numbers)])
    })
}

impl ConditionalDenoiser for InterpolantForecaster {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        Ok(Target::State.bind(&self.denoiser, x)?)
    }
}

impl Forecaster for InterpolantForecaster {
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
        Target::State
            .step(&self.denoiser, x, |denoiser, members| self.process.draw(denoiser, members, key.at(k as u64)))
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.denoiser.learned().is_markov().then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::forecast::learned::tests::{DIM, untrained};
    use crate::systems::gaussian::IndependentDenoiser;
    use crate::systems::noising::Shifted;
    use crate::systems::{Domain, Level, Purpose, Value};

    #[test]
    fn default_steps_keep_the_sd_of_narrow_laws() {
        for v in [0.04, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0] {
            // without noise all is linear in the first normal that is drawn
            let given = BTreeMap::from([("noise".to_owned(), Value::Float(0.0))]);
            let settings = Settings::check("interpolant", &SAMPLING, &given).unwrap();
            let (process, key) = (Process::new(&settings, v).unwrap(), Key::new(1, Domain::Method));
            let drawn = process.draw(&IndependentDenoiser::new(ndarray::array![[v * v]]), 1, key).unwrap()[[0, 0]];
            let ratio = drawn / key.purpose(Purpose::Sampler).stream(0).normal() / v;
            assert!((ratio - 1.0).abs() < 0.02, "sd {v}: {ratio}");
        }
    }

    #[test]
    fn the_denoiser_is_one_of_the_process_with_its_shift() {
        // what sees I with its shift, and the drift of the network, against the denoiser that does not
        let denoiser = LearnedDenoiser::of(untrained("mlp", DENOISER_FIELDS, 0.4), interpolant_preconditioning);
        let x = Key::new(2, Domain::Method).normals(5, DIM);
        let scaled = denoiser.learned().scaled(x.view());
        let level = Interpolant.level(0.4);
        let y = Key::new(5, Domain::Method).normals(5, DIM);
        let found = denoiser.bind(scaled.clone()).denoise(y.view(), level).unwrap();
        let with_shift = FromDrift { denoiser: &denoiser, known: scaled.clone() };
        let shifted = Shifted { inner: with_shift, schedule: std::sync::Arc::new(Interpolant), known: scaled };
        let expected = shifted.denoise(y.view(), level).unwrap();
        assert!((&found - &expected).iter().all(|gap| gap.abs() < 1e-5), "{found} {expected}");
    }

    /// D of I as the drift has it.
    struct FromDrift<'a> {
        denoiser: &'a LearnedDenoiser,
        known: Array2<f64>,
    }

    impl Denoiser for FromDrift<'_> {
        fn dim(&self) -> usize {
            DIM
        }

        fn denoise(&self, i: ArrayView2<f64>, level: Level) -> systems::Result<Array2<f64>> {
            let t = Interpolant.time(level.relative());
            let learned = self.denoiser.learned();
            let drift = learned.evaluate(&[i, self.known.view()], Some(level.relative().ln() / 4.0))?;
            let drift = crate::nn::array::field(&drift, 0).unwrap();
            // b = -I / (1 - s) + D (2 s - s^2) / (1 - s) with 1 - s = t
            Ok((drift * t + i) / ((1.0 - t) * (1.0 + t)))
        }
    }
}
