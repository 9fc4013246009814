//! `window`: the joint law of L successive states, by a denoiser with a noise level of its own for each of them
//! ([`WindowDenoiser`]). It is a forecaster with any history, and the prior of smoothers: which frames are given, which are drawn
//! and which are unknown is a matter of their levels (Chen et al. 2024, diffusion forcing; ForcingDAS 2026).
//!
//! A lead step gives it x_k and the states before it that the history holds, draws the next frame by a reverse sampler
//! ([`Sampling`]) and knows nothing of the later ones. The history is no matter of the training: a stored model may be given
//! another, below L.
//!
//! What is drawn are states, and lead steps are short: with x_k known nearly all of x_{k+1} is. So what Gaussian frames of the
//! data's covariance would be is taken from what the network learns ([`WindowObjective`]), and the levels of a lead step are in
//! units of the width of what is new. Of a state that changes by .045 of its sd in a lead step, the mean was .03 and the sd
//! 2 % off (in units of that change); with each frame scaled by its own level alone they were .27 and 20 % off.

mod denoiser;
mod next_frame;
#[cfg(test)]
mod tests;

use ndarray::{Array2, Array3, ArrayView2, Axis, concatenate, s};

use self::denoiser::WindowDenoiser;
use self::next_frame::NextFrame;
use super::denoiser::sd_by_denoiser;
use super::learned::{self, Learned, Task, Work, joined};
use super::sampling::{self, Sampling};
use super::stored::{array, misfit};
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::{Model, Tensor, Values};
use crate::nn::data::Data;
use crate::nn::objective::{
    FrameCovariance, FrameLevels, WINDOW_LEVEL_SETTINGS, WindowObjective, window_fields, windows_of,
};
use crate::systems::{
    self, Affine, BoundDenoiser, ConditionalDenoiser, DifferentiableDenoiser, Entry, Forecaster, Key, MemoryUse, Param,
    ParamKind, Settings, WindowLaw,
};

/// Frames of a window, at most: a history and what follows it.
const MOST_FRAMES: usize = learned::MOST_STATES as usize + 1;

const FRAMES: Param = Param::unset(
    "frames",
    ParamKind::int(2, MOST_FRAMES as i64),
    "successive states whose joint law is learned, more than `history`; unset: one more",
);

// the parameters of a system are no frame of it
const SAMPLED: [Param; learned::OF_STATES.len() + 5] = joined(learned::OF_STATES, sampling::SETTINGS);
const LEARNED: [Param; SAMPLED.len() + 4] = joined(SAMPLED, WINDOW_LEVEL_SETTINGS);
const PARAMS: [Param; LEARNED.len() + 1] = joined(LEARNED, [FRAMES]);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "window",
    about: "joint denoiser of several successive states, each with a noise level of its own",
    reference: "Chen et al. (2024), arXiv:2407.01392",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The schedule along which a lead step goes.
const ALONG: &str = "exploding";

/// The stored array of the covariance of the frames.
const COVARIANCE: &str = "frames.covariance";

/// The forecaster.
struct Window {
    denoiser: WindowDenoiser,
    sampling: Sampling,
}

/// L.
///
/// # Errors
/// When no frame is left to draw.
fn frames(settings: &Settings) -> Result<usize> {
    let history = learned::history(settings);
    let frames = if settings.has(FRAMES.key) { settings.count(FRAMES.key) } else { history + 1 };
    if frames > history {
        return Ok(frames);
    }
    let problem = format!("is {frames}, but must be more than `history`, which is {history}");
    Err(settings.mistake(FRAMES.key, problem).into())
}

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let Ok(frames) = frames(settings) else { return Vec::new() };
    let mut held = learned::held(settings, size, window_fields(frames));
    held.push(MemoryUse::reals(format!("windows of {frames} states"), &[2 * 1024, frames, size.components]));
    held.push(MemoryUse::reals(format!("covariances of {frames} frames"), &[size.components, frames, frames]));
    held
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    let evaluations = checked(settings)?.evaluations();
    learned::cost(settings, size, window_fields(frames(settings)?), Work::of(settings, evaluations))
}

/// The sampling of a law as wide as what is new in a frame, which no law exceeds.
///
/// # Errors
/// When settings contradict each other.
fn checked(settings: &Settings) -> Result<Sampling> {
    match FrameLevels::refusal(settings) {
        Some((key, problem)) => Err(settings.mistake(key, problem).into()),
        None => Sampling::new(settings, ALONG, 1.0),
    }
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    // before the training, so that a mistake costs no time
    let (frames, evaluations) = (frames(settings)?, checked(settings)?.evaluations());
    let data = learned::data_after(settings, context, frames - 1)?;
    let covariance = match context.start {
        Some(start) => of_components(start, stored_covariance(start)?, context.layout().1)?,
        None => FrameCovariance::of(&data, learned::one_field(settings, context)?),
    };
    let levels = FrameLevels::new(settings, covariance.widths(), learned::history(settings));
    let objective = WindowObjective { covariance: &covariance, levels, scales: data.scales() };
    let task = Task::only(settings, context, (&objective, named(settings)), window_fields(frames))?;
    let (learned, training) = Learned::train(settings, context, &data, &task, evaluations)?;
    let learned = learned.with_history(learned::history(settings));
    let denoiser = WindowDenoiser { learned, covariance };
    let width = denoiser.conditional_sd(&data, context.key)?;
    let sampling = Sampling::new(settings, ALONG, width)?;
    Ok(fitted(Window { denoiser, sampling }, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let covariance = stored_covariance(model)?;
    let learned = Learned::load(model, window_fields(covariance.frames()))?;
    let covariance = of_components(model, covariance, learned.components())?;
    if learned.history() >= covariance.frames() {
        let problem = format!("is {}, but must be below the {} frames", learned.history(), covariance.frames());
        return Err(misfit(model, "history", &problem));
    }
    let window = Window { denoiser: WindowDenoiser { learned, covariance }, sampling: Sampling::load(model)? };
    Ok(fitted(window, Training::load(model)?))
}

fn fitted(window: Window, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, window, training, |model| {
        let (own, schedule) = model.sampling.parts();
        let values = model.denoiser.covariance.values();
        let (components, frames, _) = values.dim();
        let stored =
            Tensor { shape: vec![components, frames, frames], values: Values::F64(values.iter().copied().collect()) };
        model.denoiser.learned.parts(own, [schedule, (COVARIANCE, stored)])
    })
}

/// What tells one training from another, beside its network.
fn named(settings: &Settings) -> String {
    let levels = WINDOW_LEVEL_SETTINGS.map(|param| settings.number(param.key));
    format!("window, history {}, levels {levels:?}", learned::history(settings))
}

/// C of a stored model.
///
/// # Errors
/// When it is missing or damaged.
fn stored_covariance(model: &Model) -> Result<FrameCovariance> {
    let (shape, values) = array(model, COVARIANCE)?;
    let made = match shape {
        [components, rows, columns] if *rows <= MOST_FRAMES => {
            Array3::from_shape_vec((*components, *rows, *columns), values.to_vec()).ok()
        }
        _ => None,
    };
    made.and_then(FrameCovariance::from_values)
        .ok_or_else(|| misfit(model, COVARIANCE, &format!("has no covariances of 2 to {MOST_FRAMES} frames")))
}

/// A covariance of a stored model, where it is one for each of so many components, or one for all.
///
/// # Errors
/// When it is neither.
fn of_components(model: &Model, covariance: FrameCovariance, components: usize) -> Result<FrameCovariance> {
    let of = covariance.values().dim().0;
    if of == 1 || of == components {
        return Ok(covariance);
    }
    Err(misfit(model, COVARIANCE, &format!("is of {of} components, but must be of 1 or of {components}")))
}

impl WindowDenoiser {
    /// The sd of z of the frame after those of the history, as the network has it: see [`sd_by_denoiser`].
    fn conditional_sd(&self, data: &Data, key: Key) -> Result<f64> {
        let windows = windows_of(&data.withheld(1024), data.scales());
        let (given, rest) = windows.view().split_at(Axis(1), self.learned.dim());
        let next = NextFrame::new(self, given)?;
        let z = next.standardised(rest.slice(s![.., ..self.learned.components()]));
        Ok(sd_by_denoiser(&next, z.view(), key)?)
    }

    /// The denoiser of the frame after x_k and its history, `[member, component]`, the newest state first.
    fn after(&self, x: ArrayView2<f64>) -> systems::Result<NextFrame<'_>> {
        let scaled = self.learned.scaled(x);
        let states: Vec<_> = scaled.axis_chunks_iter(Axis(1), self.learned.components()).rev().collect();
        let in_time = concatenate(Axis(1), &states).unwrap_or_else(|_| scaled.clone());
        NextFrame::new(self, in_time.view())
    }

    /// From z of such a frame to the state.
    fn to_state(&self, next: &NextFrame) -> Affine {
        let states = &self.learned.scales().states;
        let offset = &next.mean * &states.sd + &states.mean;
        let scale = Array2::from_shape_fn(offset.dim(), |(_, c)| states.sd[c] * next.width);
        Affine { offset, scale }
    }
}

impl ConditionalDenoiser for Window {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        let next = self.denoiser.after(x)?;
        let to_state = self.denoiser.to_state(&next);
        Ok(BoundDenoiser { denoiser: Box::new(next), to_state })
    }
}

impl WindowLaw for Window {
    fn frames(&self) -> usize {
        self.denoiser.frames()
    }

    fn denoiser(&self) -> Box<dyn DifferentiableDenoiser + '_> {
        Box::new(&self.denoiser)
    }

    fn to_states(&self) -> Affine {
        let (scales, components) = (self.denoiser.learned.scales(), self.denoiser.learned.components());
        let of = |values: &ndarray::Array1<f64>| {
            Array2::from_shape_fn((1, self.denoiser.frames() * components), |(_, at)| values[at % components])
        };
        Affine { offset: of(&scales.states.mean), scale: of(&scales.states.sd) }
    }
}

impl Forecaster for Window {
    fn dim(&self) -> usize {
        self.denoiser.learned.dim()
    }

    fn history(&self) -> usize {
        self.denoiser.learned.history()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let next = self.denoiser.after(x.view())?;
        let drawn = self.sampling.draw(&next, x.nrows(), key.at(k as u64))?;
        let state = self.denoiser.to_state(&next).apply(&drawn);
        *x = self.denoiser.learned.shifted(x.view(), state);
        Ok(())
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.denoiser.learned.is_markov().then_some(self)
    }

    fn window(&self) -> Option<&dyn WindowLaw> {
        Some(self)
    }
}
