//! What becomes of a slope k = f(x, t): nothing more, a stage of a Runge-Kutta step, or its end. An equation that computes
//! the slope and uses it in one pass spares the slope a way to memory and back ([`Fast::stage_block`](super::Fast::stage_block)).
//!
//! The end of the classical step takes the first three slopes back from their stages, because
//! dt (k_1 + 2 k_2 + 2 k_3) / 6 = (s_1 + 2 s_2 + s_3 - 4 x) / 3, so that no sum of slopes is kept. Where the slopes are 0 the
//! bracket is exactly 0, however it is rounded: (x + 2 x) + (x - 4 x).

use crate::lanes::LANES;
use crate::wide::wide;

type Lanes = [f64; LANES];

/// What becomes of a slope; all arrays are `[component][lane]`.
pub enum SlopeUse<'a> {
    /// out = k.
    Slope(&'a mut [Lanes]),
    /// next = x + ahead k.
    Next {
        /// The state at the beginning of the step.
        x: &'a [Lanes],
        /// A part of the step.
        ahead: f64,
        /// The next stage.
        next: &'a mut [Lanes],
    },
    /// x += (s_1 + 2 s_2 + s_3 - 4 x) / 3 + sixth k, where k is the slope at s_3.
    End {
        /// The state, from the beginning of the step to its end.
        x: &'a mut [Lanes],
        /// s_1 and s_2.
        stages: [&'a [Lanes]; 2],
        /// dt / 6.
        sixth: f64,
    },
}

impl<'a> SlopeUse<'a> {
    /// Its parts for the first `count` components and for the rest.
    pub fn split_at(self, count: usize) -> (SlopeUse<'a>, SlopeUse<'a>) {
        match self {
            Self::Slope(out) => {
                let (a, b) = out.split_at_mut(count);
                (SlopeUse::Slope(a), SlopeUse::Slope(b))
            }
            Self::Next { x, ahead, next } => {
                let ((x, y), (a, b)) = (x.split_at(count), next.split_at_mut(count));
                (SlopeUse::Next { x, ahead, next: a }, SlopeUse::Next { x: y, ahead, next: b })
            }
            Self::End { x, stages: [first, second], sixth } => {
                let ((x, y), (a, b), (c, d)) = (x.split_at_mut(count), first.split_at(count), second.split_at(count));
                (SlopeUse::End { x, stages: [a, c], sixth }, SlopeUse::End { x: y, stages: [b, d], sixth })
            }
        }
    }

    /// Uses the slope `k` at the stage `at`; a [`SlopeUse::Slope`] takes a copy.
    pub fn apply(self, at: &[Lanes], k: &[Lanes]) {
        match self {
            Self::Slope(out) => out.copy_from_slice(k),
            Self::Next { x, ahead, next } => shift(next, x, ahead, k),
            Self::End { x, stages: [first, second], sixth } => end(x, first, second, at, sixth, k),
        }
    }
}

wide! {
    /// out = x + h k. Cells are taken as one flat slice: nested loops over lanes were left scalar by the compiler.
    pub(crate) fn shift(out: &mut [Lanes], x: &[Lanes], h: f64, k: &[Lanes]) {
        for ((out, x), k) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()).zip(k.as_flattened()) {
            *out = x + h * k;
        }
    }
}

wide! {
    fn end(x: &mut [Lanes], first: &[Lanes], second: &[Lanes], third: &[Lanes], sixth: f64, k: &[Lanes]) {
        let stages = first.as_flattened().iter().zip(second.as_flattened()).zip(third.as_flattened());
        for ((x, ((first, second), third)), k) in x.as_flattened_mut().iter_mut().zip(stages).zip(k.as_flattened()) {
            let moved = (first + 2.0 * second) + (third - 4.0 * *x);
            *x += moved * (1.0 / 3.0) + sixth * k;
        }
    }
}
