//! The probability-flow equation du/dr = (u - D(u, r)) / r, with u = x / alpha and r = sigma / alpha, by Euler's rule:
//! x' = k x + (alpha' - alpha k) D with k = sigma' / sigma, of first order (Song et al. 2021; DDIM). One evaluation a step.
//! The exact denoiser of data of sd v makes an sd that falls by 1 + (r' - r) r / (v^2 + r^2) a step.

use ndarray::{Array2, ArrayView2};

use super::{RegisteredSampler, Sampler, Step};
use crate::error::Result;
use crate::noising::{Denoiser, Karras};
use crate::registry::Entry;

pub(super) const ENTRY: Entry<RegisteredSampler> = Entry {
    name: "euler",
    about: "Euler's rule for the probability flow (DDIM), first order, one evaluation a step",
    reference: "Song et al. (2021), arXiv:2010.02502",
    params: &[],
    build: RegisteredSampler {
        sampler: &Euler,
        grid: Karras { sigma_min: 0.02, sigma_max: 20.0, rho: 7.0, steps: 64 },
    },
};

/// Euler's rule for the probability flow, deterministic.
#[derive(Clone, Copy, Debug)]
pub struct Euler;

impl Sampler for Euler {
    fn step(&self, step: &Step, target: ArrayView2<f64>, _denoiser: &dyn Denoiser) -> Result<Array2<f64>> {
        Ok(step.each(step.x, target, |from, to| {
            let keep = to.sigma / from.sigma;
            let gain = to.alpha - from.alpha * keep;
            move |x, d| x * keep + d * gain
        }))
    }
}
