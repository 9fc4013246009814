//! The one loop of all samplers, along [`Levels`] in either direction: it owns the start, the noise, the memory of
//! evaluations, and an observer that sees each step and may change it.

mod memory;
mod moves;

use memory::Memory;
use moves::{Move, take};
use ndarray::{Array1, Array2, Axis, s};

use super::{Denoised, Denoiser, Level, Levels, Sampler, Step};
use crate::error::Result;
use crate::key::{Key, Purpose, Stream};

/// What is to be driven.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// D.
    pub denoiser: &'a dyn Denoiser,
    /// The rule of a step.
    pub sampler: &'a dyn Sampler,
    /// From where to where.
    pub levels: &'a Levels,
    /// Member i draws from stream i: the start, then the noise of each step.
    pub key: Key,
}

/// Where a run begins.
pub enum Start {
    /// That many members of the sampler's own noise at the first level.
    Noise(usize),
    /// Noise of these standard deviations, `[member, component]`.
    Scaled(Array2<f64>),
    /// These members, `[member, component]`, at the first level.
    At(Array2<f64>),
}

/// Where a run ended.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// x at the last level, `[member, component]`.
    pub x: Array2<f64>,
    /// The row of the start that each member descends from, where an observer has resampled.
    pub ancestors: Option<Vec<usize>>,
}

/// What was evaluated in a step, each value with and without guidance.
pub struct Evaluation {
    /// D.
    pub denoised: Denoised,
    /// D*, where that is not D.
    pub extrapolated: Option<Denoised>,
}

impl Evaluation {
    /// D*, what the step followed.
    pub fn target(&self) -> &Denoised {
        self.extrapolated.as_ref().unwrap_or(&self.denoised)
    }
}

/// Who sees each step: path weights, resampling on the way, repainting. `()` looks at nothing.
pub trait Observer {
    /// After `step`, to `next` (`[member, component]`), which may be changed. There is no evaluation where no frame needed
    /// one. The rows of ancestors that are returned take the place of state, condition and memory alike.
    ///
    /// # Errors
    /// The observer's own, which end the run.
    fn observe(
        &mut self,
        step: &Step,
        evaluation: Option<&Evaluation>,
        next: &mut Array2<f64>,
    ) -> Result<Option<Vec<usize>>>;
}

impl Observer for () {
    fn observe(&mut self, _: &Step, _: Option<&Evaluation>, _: &mut Array2<f64>) -> Result<Option<Vec<usize>>> {
        Ok(None)
    }
}

/// Draws `members` samples, `[member, component]`, in the space of the denoiser. Member i draws from stream i of
/// `key.purpose(Sampler)`: the start, then the noise of each step.
///
/// # Errors
/// When the denoiser itself cannot run.
pub fn sample(
    sampler: &dyn Sampler,
    denoiser: &dyn Denoiser,
    levels: &Levels,
    members: usize,
    key: Key,
) -> Result<Array2<f64>> {
    let run = Run { denoiser, sampler, levels, key: key.purpose(Purpose::Sampler) };
    Ok(drive(&run, Start::Noise(members), &mut ())?.x)
}

/// From the first level to the last.
///
/// # Errors
/// When the denoiser cannot run, or the observer ends the run.
pub fn drive(run: &Run, start: Start, observer: &mut dyn Observer) -> Result<Drawn> {
    let enters = matches!(start, Start::Noise(_)) && run.sampler.enters();
    let scaled = |sd: &Array2<f64>| {
        let mut streams = streams(run.key, sd.nrows());
        (noise(&mut streams, sd), streams)
    };
    let (x, streams) = match start {
        Start::Noise(members) => scaled(&own_noise(run, members)),
        Start::Scaled(sd) => scaled(&sd),
        Start::At(x) => {
            let streams = streams(run.key, x.nrows());
            (x, streams)
        }
    };
    drive_from(run, x, streams, enters, observer)
}

fn streams(key: Key, members: usize) -> Vec<Stream> {
    (0..members as u64).map(|member| key.stream(member)).collect()
}

/// The sd of each component at the first level, `[member, component]`.
fn own_noise(run: &Run, members: usize) -> Array2<f64> {
    let (dim, levels) = (run.denoiser.dim(), run.levels.start());
    let sd: Array1<f64> =
        levels.iter().flat_map(|level| vec![run.sampler.start_sd(*level); dim / levels.len()]).collect();
    sd.broadcast((members, dim)).map_or_else(|| Array2::zeros((members, 0)), |sd| sd.to_owned())
}

fn noise(streams: &mut [Stream], sd: &Array2<f64>) -> Array2<f64> {
    let mut x = sd.clone();
    for (mut row, stream) in x.outer_iter_mut().zip(streams) {
        row.iter_mut().for_each(|value| *value *= stream.normal());
    }
    x
}

/// The loop; `enters` says that the first evaluation moves the start by alpha D.
pub(super) fn drive_from(
    run: &Run,
    mut x: Array2<f64>,
    mut streams: Vec<Stream>,
    enters: bool,
    observer: &mut dyn Observer,
) -> Result<Drawn> {
    let sampler = run.sampler;
    let mut selected: Option<(Vec<usize>, Box<dyn Denoiser + '_>)> = None;
    let mut memory = Memory::new(sampler.memory());
    let mut normals = sampler.draws().then(|| Array2::zeros(x.dim()));
    for index in 0..run.levels.steps() {
        let (from, to) = (run.levels.before(index), run.levels.before(index + 1));
        let moves: Vec<Move> = from.iter().zip(to).map(|(from, to)| Move::new(*from, *to, sampler)).collect();
        let denoiser: &dyn Denoiser = selected.as_ref().map_or(run.denoiser, |(_, denoiser)| &**denoiser);
        let denoised = moves.iter().any(Move::evaluates).then(|| denoiser.evaluate(x.view(), from)).transpose()?;
        if let (0, true, Some(denoised)) = (index, enters, &denoised) {
            x = enter(x, from, &denoised.guided);
        }
        if let Some(normals) = normals.as_mut().filter(|_| moves.iter().any(Move::draws)) {
            fill(normals, &mut streams);
        }
        let step = Step { index, from, to, x: x.view(), noise: normals.as_ref().map(|normals| normals.view()) };
        let evaluation =
            denoised.map(|denoised| Evaluation { extrapolated: memory.target(sampler, &step, &denoised), denoised });
        let mut next = take(sampler, &step, &moves, evaluation.as_ref(), denoiser)?;
        let ancestors = observer.observe(&step, evaluation.as_ref(), &mut next)?;
        memory.keep(from, evaluation);
        x = next;
        if let Some(ancestors) = ancestors {
            x = x.select(Axis(0), &ancestors);
            memory.select(&ancestors);
            let rows: Vec<usize> = match &selected {
                Some((rows, _)) => ancestors.iter().map(|row| rows[*row]).collect(),
                None => ancestors,
            };
            let denoiser = run.denoiser.select(&rows)?;
            selected = Some((rows, denoiser));
        }
    }
    Ok(Drawn { x, ancestors: selected.map(|(rows, _)| rows) })
}

/// Moves the noise `x` at the first levels to where the data are, by the first evaluation of the denoiser.
fn enter(mut x: Array2<f64>, levels: &[Level], denoised: &Array2<f64>) -> Array2<f64> {
    let width = x.ncols() / levels.len();
    for (frame, level) in levels.iter().enumerate() {
        let part = s![.., frame * width..(frame + 1) * width];
        x.slice_mut(part).scaled_add(level.alpha, &denoised.slice(part));
    }
    x
}

fn fill(normals: &mut Array2<f64>, streams: &mut [Stream]) {
    for (mut row, stream) in normals.outer_iter_mut().zip(streams) {
        row.iter_mut().for_each(|value| *value = stream.normal());
    }
}

#[cfg(test)]
mod tests;
