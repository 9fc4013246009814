//! What a frame does in a step follows from its two levels: equal ones, it rests; to sigma = 0, it becomes alpha D; from
//! sigma = 0 by a sampler without noise, it becomes alpha' / alpha x (the flow does not move data); from less noise to
//! more by a sampler that draws, the noising process itself, x' = (alpha' / alpha) x + noise; otherwise the sampler steps.

use ndarray::{Array2, ArrayView2, s};

use super::Evaluation;
use crate::error::Result;
use crate::noising::{Denoiser, Level, Sampler, Step};

/// What a frame does in a step.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Move {
    /// Equal levels.
    Rest,
    /// To sigma = 0.
    Arrive,
    /// From data, without noise.
    Depart,
    /// The noising process.
    AddNoise,
    /// A step of the sampler.
    Sampled { draws: bool },
}

impl Move {
    pub(super) fn new(from: Level, to: Level, sampler: &dyn Sampler) -> Self {
        let draws = sampler.draws();
        if from == to {
            Self::Rest
        } else if to.sigma == 0.0 && !sampler.ends_with_noise() {
            Self::Arrive
        } else if draws && to.relative() > from.relative() {
            Self::AddNoise
        } else if from.sigma == 0.0 && from.alpha > 0.0 {
            Self::Depart
        } else {
            Self::Sampled { draws }
        }
    }

    pub(super) fn evaluates(&self) -> bool {
        matches!(self, Self::Arrive | Self::Sampled { .. })
    }

    pub(super) fn draws(&self) -> bool {
        matches!(self, Self::AddNoise | Self::Sampled { draws: true })
    }
}

/// x at the end of a step, frame by frame as `moves` say.
pub(super) fn take(
    sampler: &dyn Sampler,
    step: &Step,
    moves: &[Move],
    evaluation: Option<&Evaluation>,
    denoiser: &dyn Denoiser,
) -> Result<Array2<f64>> {
    let sampled = |of: &Move| matches!(of, Move::Sampled { .. });
    let mut next = match evaluation {
        Some(evaluation) if moves.iter().any(sampled) => {
            sampler.step(step, evaluation.target().guided.view(), denoiser)?
        }
        _ => Array2::zeros(step.x.dim()),
    };
    let width = next.ncols() / moves.len();
    for (frame, of) in moves.iter().enumerate().filter(|(_, of)| !sampled(of)) {
        let part = s![.., frame * width..(frame + 1) * width];
        let (from, to, x, mut next) = (step.from[frame], step.to[frame], step.x.slice(part), next.slice_mut(part));
        match (of, evaluation) {
            (Move::Arrive, Some(evaluation)) => next.assign(&(&evaluation.denoised.guided.slice(part) * to.alpha)),
            (Move::Depart, _) => next.assign(&(&x * (to.alpha / from.alpha))),
            (Move::AddNoise, _) => {
                next.assign(&with_noise(x, step.noise.map(|noise| noise.slice_move(part)), from, to))
            }
            _ => next.assign(&x),
        }
    }
    Ok(next)
}

/// A draw of the noising process from one level to a noisier one.
fn with_noise(x: ArrayView2<f64>, noise: Option<ArrayView2<f64>>, from: Level, to: Level) -> Array2<f64> {
    let keep = to.alpha / from.alpha;
    let sd = (to.sigma * to.sigma - keep * keep * from.sigma * from.sigma).sqrt();
    let mut next = &x * keep;
    if let Some(noise) = noise {
        next.scaled_add(sd, &noise);
    }
    next
}
