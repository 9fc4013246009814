//! The probability-flow equation du/dr = (u - D(u, r)) / r, with u = x / alpha and r = sigma / alpha, by Heun's rule
//! (Karras et al. 2022, algorithm 1): two evaluations a step, one in the last, which goes to sigma = 0.

use ndarray::{Array2, ArrayView2};

use super::{RegisteredSampler, Sampler, Step};
use crate::error::Result;
use crate::noising::{Denoiser, Karras};
use crate::registry::Entry;

pub(super) const ENTRY: Entry<RegisteredSampler> = Entry {
    name: "heun",
    about: "Heun's rule for the probability flow, two evaluations a step",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &[],
    build: RegisteredSampler { sampler: &Heun, grid: Karras { sigma_min: 0.28, sigma_max: 6.0, rho: 2.0, steps: 6 } },
};

/// Heun's rule on the probability flow, deterministic.
#[derive(Clone, Copy, Debug)]
pub struct Heun;

impl Sampler for Heun {
    fn step(&self, step: &Step, target: ArrayView2<f64>, denoiser: &dyn Denoiser) -> Result<Array2<f64>> {
        let slope = step.each(step.x, target, |from, _| move |x, d| (x / from.alpha - d) / from.relative());
        let ahead = step.each(step.x, slope.view(), |from, to| {
            let length = to.relative() - from.relative();
            move |x, slope| to.alpha * (x / from.alpha + slope * length)
        });
        let denoised = denoiser.evaluate(ahead.view(), step.to)?.guided;
        let slope_ahead =
            step.each(ahead.view(), denoised.view(), |_, to| move |x, d| (x / to.alpha - d) / to.relative());
        Ok(step.each(step.x, (slope + slope_ahead).view(), |from, to| {
            let half = 0.5 * (to.relative() - from.relative());
            move |x, slopes| to.alpha * (x / from.alpha + slopes * half)
        }))
    }

    fn evaluations(&self, steps: usize) -> usize {
        (2 * steps).saturating_sub(1)
    }
}
