//! The reverse stochastic equation, SDE-DPM-Solver++(2M) (Lu et al. 2022): in u = x / alpha and r = sigma / alpha each step
//! draws from the Gaussian kernel N(D* + k (u - D*), r'^2 (1 - k)), k = (r' / r)^2, which is p(u' | u, x_0 = D*).
//! With D* = D that is ancestral sampling (Ho et al. 2020), of first order: for unit-Gaussian data its sd is still 2 %
//! short after 200 steps. D* extrapolated from the last two evaluations makes the mean of second order.

use ndarray::{Array2, ArrayView2};

use super::{Kernel, Past, RegisteredSampler, Sampler, Step, multistep};
use crate::error::Result;
use crate::noising::{Denoiser, Karras, Level};
use crate::registry::Entry;

pub(super) const ENTRY: Entry<RegisteredSampler> = Entry {
    name: "reverse_sde",
    about: "second-order multistep for the reverse stochastic equation, one evaluation a step",
    reference: "Lu et al. (2022), arXiv:2211.01095",
    params: &[],
    build: RegisteredSampler {
        sampler: &ReverseSde,
        grid: Karras { sigma_min: 0.02, sigma_max: 20.0, rho: 7.0, steps: 32 },
    },
};

/// The reverse stochastic equation, SDE-DPM-Solver++(2M).
#[derive(Clone, Copy, Debug)]
pub struct ReverseSde;

/// The share of x - alpha D* that stays, and the sd.
fn kept(from: Level, to: Level) -> (f64, f64) {
    // where x does not know the data, alpha = 0, nothing of it stays
    let k = if from.alpha == 0.0 { 0.0 } else { (to.relative() / from.relative()).powi(2) };
    let keep = if from.alpha == 0.0 { 0.0 } else { k * to.alpha / from.alpha };
    (keep, (to.sigma * to.sigma * (1.0 - k)).sqrt())
}

impl Sampler for ReverseSde {
    fn draws(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        1
    }

    fn target(&self, step: &Step, denoised: ArrayView2<f64>, past: &[Past]) -> Option<Array2<f64>> {
        multistep::extrapolate(step, denoised, past)
    }

    fn kernel(&self, from: Level, to: Level) -> Option<Kernel> {
        let (keep, sd) = kept(from, to);
        Some(Kernel { keep, gain: to.alpha - from.alpha * keep, sd })
    }

    fn step(&self, step: &Step, target: ArrayView2<f64>, _denoiser: &dyn Denoiser) -> Result<Array2<f64>> {
        let mean = step.each(step.x, target, |from, to| {
            let (keep, _) = kept(from, to);
            move |x, d| to.alpha * d + (x - from.alpha * d) * keep
        });
        let Some(noise) = step.noise else { return Ok(mean) };
        Ok(step.each(mean.view(), noise, |from, to| {
            let (_, sd) = kept(from, to);
            move |mean, noise| mean + sd * noise
        }))
    }
}
