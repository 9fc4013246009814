//! The evaluations that a multistep sampler looks back at.

use ndarray::{ArrayView2, Axis};

use super::Evaluation;
use crate::noising::sampler::Past;
use crate::noising::{Denoised, Level, Sampler, Step};

/// The evaluations before, newest first.
pub(super) struct Memory {
    kept: Vec<(Vec<Level>, Denoised)>,
    most: usize,
}

impl Memory {
    /// Of that many evaluations.
    pub(super) fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most }
    }

    /// D*, with and without guidance, where it is not D.
    pub(super) fn target(&self, sampler: &dyn Sampler, step: &Step, denoised: &Denoised) -> Option<Denoised> {
        let of = |value: ArrayView2<f64>, which: fn(&Denoised) -> ArrayView2<f64>| {
            let past: Vec<Past> = self.kept.iter().map(|(at, past)| Past { at, denoised: which(past) }).collect();
            sampler.target(step, value, &past)
        };
        let guided = of(denoised.guided.view(), |past| past.guided.view())?;
        let unguided = denoised.unguided.as_ref().and_then(|value| of(value.view(), Denoised::without_guidance));
        Some(Denoised { guided, unguided })
    }

    pub(super) fn keep(&mut self, at: &[Level], evaluation: Option<Evaluation>) {
        if let (Some(evaluation), true) = (evaluation, self.most > 0) {
            self.kept.insert(0, (at.to_vec(), evaluation.denoised));
            self.kept.truncate(self.most);
        }
    }

    pub(super) fn select(&mut self, rows: &[usize]) {
        for (_, denoised) in &mut self.kept {
            *denoised = denoised.map(|value| value.select(Axis(0), rows));
        }
    }
}
