//! The probability-flow equation du/dr = (u - D(u, r)) / r, with u = x / alpha and r = sigma / alpha, by Heun's rule
//! (Karras et al. 2022, algorithm 1): two evaluations a step, one in the last, which goes to sigma = 0. From alpha = 0, where
//! r is infinite, the step goes in q = 1 / r, in which w = x / sigma has dw/dq = D.

use ndarray::{Array2, ArrayView2};

use super::{RegisteredSampler, Sampler, Step};
use crate::error::Result;
use crate::noising::{Denoiser, Karras, Level};
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

/// x after a share of the step with a slope.
fn along(from: Level, to: Level) -> impl Fn(f64, f64, f64) -> f64 {
    let length = to.relative() - from.relative();
    move |x, slope, share| {
        if from.alpha == 0.0 {
            return to.sigma * (x / from.sigma) + to.alpha * (slope * share);
        }
        to.alpha * (x / from.alpha + slope * (share * length))
    }
}

impl Sampler for Heun {
    fn step(&self, step: &Step, target: ArrayView2<f64>, denoiser: &dyn Denoiser) -> Result<Array2<f64>> {
        let slope = step.each(step.x, target, |from, _| {
            move |x, d| if from.alpha == 0.0 { d } else { (x / from.alpha - d) / from.relative() }
        });
        let ahead = step.each(step.x, slope.view(), |from, to| {
            let along = along(from, to);
            move |x, slope| along(x, slope, 1.0)
        });
        let denoised = denoiser.evaluate(ahead.view(), step.to)?.guided;
        let slope_ahead = step.each(ahead.view(), denoised.view(), |from, to| {
            move |x, d| if from.alpha == 0.0 { d } else { (x / to.alpha - d) / to.relative() }
        });
        Ok(step.each(step.x, (slope + slope_ahead).view(), |from, to| {
            let along = along(from, to);
            move |x, slopes| along(x, slopes, 0.5)
        }))
    }

    fn evaluations(&self, steps: usize) -> usize {
        (2 * steps).saturating_sub(1)
    }
}
