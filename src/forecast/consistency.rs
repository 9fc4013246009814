//! `consistency`: the scaled increment z of one lead step given x_k in one evaluation: z = f(sigma_max xi, sigma_max; x_k),
//! where f takes a point of a flow line of the probability-flow equation to its end (Song et al. 2023). f is distilled
//! from a denoiser that the same fit trains before (the objective `denoising`), of the steps of which `teacher_steps`
//! are ([`Consistency`]).
//!
//! What f learns is the end that Heun's steps on the grid of levels reach: for a Gaussian law of sd v the usual 40 levels
//! leave the sd within 2 % for all v from .04 to 1.

use ndarray::{Array2, ArrayView2};
use serde_json::json;

use super::learned::{
    self, First, Learned, Task, Work, after, in_chunks, joined, members, named, shared_steps, stacked, started,
};
use super::sampling::{RHOS, SIGMAS, descend};
use super::stored::{misfit, reals, vector};
use super::{Cost, Error, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::{Checkpoints, Model};
use crate::nn::OBJECTIVES;
use crate::nn::objective::{Boundary, Consistency, DENOISER_FIELDS, DENOISER_SETTINGS, DENOISERS, Rows};
use crate::systems::noising::Karras;
use crate::systems::registry::{DefaultValue, find};
use crate::systems::{self, Entry, Forecaster, Key, MemoryUse, Param, ParamKind, Purpose, Settings};

pub(super) const TEACHER_STEPS: Param = Param::unset(
    "teacher_steps",
    ParamKind::COUNT,
    "of `steps`, those that train the denoiser that is distilled in the others; unset: half",
);
const LEVELS: Param = Param::int("levels", 40, 2, "noise levels of the distillation").up_to(10_000);
const SIGMA_MIN: Param =
    Param::new("sigma_min", SIGMAS, DefaultValue::Float(0.004), "last noise level, at which flow lines end");
const SIGMA_MAX: Param =
    Param::new("sigma_max", SIGMAS, DefaultValue::Float(40.0), "first noise level, at which a draw starts");
const RHO: Param = Param::new("rho", RHOS, DefaultValue::Float(10.0), "spacing of the levels");

const OWN: [Param; 5] = [TEACHER_STEPS, LEVELS, SIGMA_MIN, SIGMA_MAX, RHO];
const NAMED: [Param; learned::SETTINGS.len() + 5] = joined(learned::SETTINGS, OWN);
const PARAMS: [Param; NAMED.len() + DENOISERS.1] = joined(NAMED, DENOISER_SETTINGS);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "consistency",
    about: "network from noise to the increment in one evaluation, distilled from a denoiser",
    reference: "Song et al. (2023), arXiv:2303.01469",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The stored array of sigma_min and sigma_max.
const ENDS: &str = "levels.ends";

/// The forecaster.
struct ConsistencyModel {
    learned: Learned,
    boundary: Boundary,
    sigma_max: f64,
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let mut held = learned::held(settings, size, DENOISER_FIELDS);
    let teacher = learned::held(settings, size, DENOISER_FIELDS);
    held.extend(teacher.into_iter().map(|held| MemoryUse { what: format!("the teacher: {}", held.what), ..held }));
    held
}

/// The levels of the distillation, from the first to the last that is above 0.
fn sigmas(settings: &Settings) -> Result<Vec<f64>> {
    descend(settings, [SIGMA_MIN, SIGMA_MAX], [f64::NAN; 2])?;
    let [sigma_min, sigma_max, rho] = [SIGMA_MIN, SIGMA_MAX, RHO].map(|param| settings.number(param.key));
    let steps = settings.count(LEVELS.key);
    let mut sigmas = Karras { sigma_min, sigma_max, rho, steps }.sigmas()?;
    sigmas.truncate(steps);
    // the ends as they are said, whatever the powers in between round to
    (sigmas[0], sigmas[steps - 1]) = (sigma_max, sigma_min);
    Ok(sigmas)
}

/// The teacher is evaluated twice for each pair of the distillation (Heun), and the student once for what it is to give.
fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    let (of_teacher, rest) = shared_steps(settings, TEACHER_STEPS)?;
    sigmas(settings)?;
    let of = |work: Work| learned::cost(settings, size, DENOISER_FIELDS, work);
    let teacher = of(Work { steps: of_teacher, evaluations: 0, ..Work::of(settings, 0) })?;
    let student = of(Work { steps: rest, beside: 3, ..Work::of(settings, 1) })?;
    Ok(Cost { parameters: student.parameters, ..student.and(teacher) })
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let (of_teacher, rest) = shared_steps(settings, TEACHER_STEPS)?;
    let (sigmas, data) = (sigmas(settings)?, learned::data(settings, context)?);
    let denoising = find(OBJECTIVES, "objective", "denoising")?;
    let made = (denoising.build.make)(settings);
    let task = Task {
        objective: made.as_ref(),
        named: named(denoising, settings),
        fields: DENOISER_FIELDS,
        steps: of_teacher,
        before: 0,
        key: context.key,
        start: None,
        checkpoints: None,
    };
    let first = First::fit(settings, context, &data, task)?;
    let carried = first.carried(context);
    let preconditioning = denoising.build.preconditioning;
    let preconditioning = preconditioning.ok_or_else(|| Error::Model("`denoising` gives no denoiser".to_owned()))?;
    let sigma_max = sigmas[0];
    let named = format!("consistency {sigmas:?}");
    let consistency = Consistency { teacher: first.learned.network(), preconditioning, sigmas };
    let task = Task {
        objective: &consistency,
        named,
        fields: DENOISER_FIELDS,
        steps: rest,
        before: of_teacher,
        key: context.key,
        start: started(context, DENOISER_FIELDS)?,
        checkpoints: carried.as_ref().map(|kept| kept as &dyn Checkpoints),
    };
    let (learned, second) = Learned::train(settings, context, &data, &task, 1)?;
    let model = ConsistencyModel { learned, boundary: consistency.boundary(), sigma_max };
    Ok(fitted(model, after(&first.training, "teacher", second)))
}

fn load(model: &Model) -> Result<Fitted> {
    let ends = vector(model, ENDS, 2)?;
    let (sigma_min, sigma_max) = (ends[0], ends[1]);
    if !(sigma_min > 0.0 && sigma_min < sigma_max && sigma_max.is_finite()) {
        return Err(misfit(model, ENDS, &format!("is {ends}, but must rise from above 0")));
    }
    let learned = Learned::load(model, DENOISER_FIELDS)?;
    let consistency = ConsistencyModel { learned, boundary: Boundary { sigma_min }, sigma_max };
    Ok(fitted(consistency, Training::load(model)?))
}

fn fitted(model: ConsistencyModel, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, model, training, |model| {
        model.learned.parts(json!({}), [(ENDS, reals(vec![model.boundary.sigma_min, model.sigma_max]))])
    })
}

impl ConsistencyModel {
    /// z of members with this noise, `[member, component]`, and scaled x_k with its history.
    fn end(&self, noise: ArrayView2<f64>, states: ArrayView2<f64>) -> Result<Array2<f64>> {
        let (x, sigmas) = (&noise * self.sigma_max, vec![self.sigma_max; noise.nrows()]);
        let rows = Rows { x: x.view(), states, sigmas: &sigmas };
        Ok(self.boundary.end(self.learned.network(), &rows)?)
    }
}

impl Forecaster for ConsistencyModel {
    fn dim(&self) -> usize {
        self.learned.dim()
    }

    fn history(&self) -> usize {
        self.learned.history()
    }

    fn parameters(&self) -> &[String] {
        self.learned.parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let noise = key.purpose(Purpose::Sampler).at(k as u64).normals(x.nrows(), self.learned.components());
        let scaled = self.learned.scaled(x.view());
        let (noise, states) = (noise.view(), scaled.view());
        let chunks = in_chunks(x.nrows(), self.learned.network().chunk(), |rows| {
            self.end(members(&noise, rows.clone()), members(&states, rows))
        })?;
        let increments = &self.learned.scales().increments;
        let drawn = stacked(&chunks, noise.ncols()) * &increments.sd + &increments.mean;
        *x = self.learned.shifted(x.view(), &self.learned.newest(x.view()) + &drawn);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn heuns_steps_on_the_usual_levels_keep_the_sd_of_narrow_laws() {
        let settings = Settings::check("consistency", &PARAMS, &BTreeMap::new()).unwrap();
        let sigmas = sigmas(&settings).unwrap();
        for v in [0.04, 0.06, 0.1, 0.3, 1.0f64] {
            let slope = |x: f64, s: f64| (x - x * v * v / (v * v + s * s)) / s;
            let x = sigmas.windows(2).fold(sigmas[0], |x, pair| {
                let length = pair[1] - pair[0];
                let first = slope(x, pair[0]);
                x + 0.5 * length * (first + slope(x + length * first, pair[1]))
            });
            assert!((x / v - 1.0).abs() < 0.02, "sd {v}: {}", x / v);
        }
    }
}
