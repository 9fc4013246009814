//! Guided paths with their importance weights (twisted sequential Monte Carlo; Wu et al. 2023).
//!
//! One step from level sigma to sigma' < sigma has the kernel p(z' | z) = N(z + (1 - k)(D - z), c) with
//! k = (sigma' / sigma)^2 and c = (sigma^2 - sigma'^2)(1 + sigma'^2) / (1 + sigma^2): the law of z' given z where data
//! are unit normals, which is about what the space of a denoiser is made for. For data of variance .1, .25, 1, 4 in that
//! space 64 steps (sigma .01 to 20, rho 7) leave a variance 1.089, 1.055, 1, .956 times as large, of first order in the
//! step. The guided path follows q, the same with the guided D. Weighted by
//! log w = log p(y | z_0) + sum log p(z' | z) / q(z' | z)
//! the paths are a proper sample of (the law that p samples) x p(y | z_0), however good or bad the guidance is, and the
//! mean of w is an unbiased estimate of p(y | x_k) under that law.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use scorecast_systems::noising::{Evaluation, Kernel, Observer, Run, Start, Step, drive};
use scorecast_systems::{Denoiser, Entry, Level, Sampler};

use super::rule::{BuildWeighting, GuidedRun, WeighedDraw, Weighting};
use crate::error::Result;

pub(super) const ENTRY: Entry<BuildWeighting> = Entry {
    name: "path",
    about: "p(y | x_k) estimated without bias along the guided path",
    reference: "Wu et al. 2023",
    params: &[],
    build: |_| Arc::new(AlongPath),
};

/// p(y | x_k) estimated along the guided path, which is a path of the sampler of unit normal data whatever the sampler of
/// the run is.
#[derive(Clone, Copy, Debug)]
pub struct AlongPath;

impl Weighting for AlongPath {
    fn refusal(&self, sampler: &dyn Sampler) -> Option<&'static str> {
        const STOCHASTIC: &str = "needs path weights here, which exist for the stochastic sampler only; set sampler to \
                                  \"sde\", or weights to \"none\" and accept that this is not a filter";
        (!sampler.draws()).then_some(STOCHASTIC)
    }

    fn draw(&self, run: &GuidedRun) -> Result<WeighedDraw> {
        let mut ratio = LogRatio { sampler: &UnitNormal, sum: Array1::zeros(run.members()) };
        let path = Run { denoiser: run.guided, sampler: ratio.sampler, levels: run.levels, key: run.key };
        let ensemble = run.to_state.apply(&drive(&path, Start::Noise(run.members()), &mut ratio)?.x);
        let log_factors = run.observed.log_likelihood(ensemble.view()) + ratio.sum;
        Ok(WeighedDraw { ensemble, log_factors: Some(log_factors) })
    }
}

/// sum log p(z' | z) / q(z' | z) along guided paths of a sampler whose steps have a law; a step that has none, or no noise,
/// adds nothing.
struct LogRatio<'a> {
    sampler: &'a dyn Sampler,
    /// `[member]`.
    sum: Array1<f64>,
}

impl Observer for LogRatio<'_> {
    fn observe(
        &mut self,
        step: &Step,
        evaluation: Option<&Evaluation>,
        _next: &mut Array2<f64>,
    ) -> scorecast_systems::Result<Option<Vec<usize>>> {
        let kernels: Option<Vec<Kernel>> =
            step.from.iter().zip(step.to).map(|(from, to)| self.sampler.kernel(*from, *to)).collect();
        let (Some(kernels), Some(evaluation), Some(noise)) = (kernels, evaluation, step.noise) else { return Ok(None) };
        let (guided, free) = (&evaluation.target().guided, evaluation.target().without_guidance());
        let width = guided.ncols() / kernels.len();
        for (member, sum) in self.sum.iter_mut().enumerate() {
            let mut log_p_over_q = 0.0;
            for (frame, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| kernel.sd > 0.0) {
                let part = s![member, frame * width..(frame + 1) * width];
                add_log_ratio(&mut log_p_over_q, kernel, guided.slice(part), free.slice(part), noise.slice(part));
            }
            *sum += log_p_over_q;
        }
        Ok(None)
    }
}

/// Adds log p/q of one step of one frame: with z' = mu_q + sd noise it is -(|z' - mu_p|^2 - |z' - mu_q|^2) / 2c.
fn add_log_ratio(
    log_p_over_q: &mut f64,
    kernel: &Kernel,
    guided: ArrayView1<f64>,
    free: ArrayView1<f64>,
    noise: ArrayView1<f64>,
) {
    for ((guided, free), noise) in guided.iter().zip(free).zip(noise) {
        let shift = kernel.gain * (guided - free) / kernel.sd;
        *log_p_over_q -= shift * (noise + 0.5 * shift);
    }
}

/// The sampler whose kernel is that of unit normal data.
#[derive(Clone, Copy, Debug)]
struct UnitNormal;

/// 1 - k and c of one step.
fn kernel(sigma: f64, next: f64) -> (f64, f64) {
    let (square, next_square) = (sigma * sigma, next * next);
    (1.0 - next_square / square, (square - next_square) * (1.0 + next_square) / (1.0 + square))
}

impl Sampler for UnitNormal {
    fn draws(&self) -> bool {
        true
    }

    fn ends_with_noise(&self) -> bool {
        true
    }

    fn start_sd(&self, level: Level) -> f64 {
        level.alpha.hypot(level.sigma)
    }

    fn kernel(&self, from: Level, to: Level) -> Option<Kernel> {
        let (gain, variance) = kernel(from.sigma, to.sigma);
        Some(Kernel { keep: 1.0 - gain, gain, sd: variance.sqrt() })
    }

    fn step(&self, step: &Step, target: ArrayView2<f64>, _: &dyn Denoiser) -> scorecast_systems::Result<Array2<f64>> {
        let moved = step.each(step.x, target, |from, to| {
            let (gain, _) = kernel(from.sigma, to.sigma);
            move |z, d| gain * (d - z)
        });
        let Some(noise) = step.noise else { return Ok(&step.x + &moved) };
        let moved = step.each(moved.view(), noise, |from, to| {
            let sd = kernel(from.sigma, to.sigma).1.sqrt();
            move |moved, noise| moved + sd * noise
        });
        Ok(&step.x + &moved)
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::Karras;

    use super::*;

    /// The variance that the free path makes of normal data of variance v: D = z v / (v + sigma^2) is linear.
    fn ratio(v: f64, steps: usize) -> f64 {
        let levels = Karras { sigma_min: 0.01, sigma_max: 20.0, rho: 7.0, steps }.sigmas().unwrap();
        let end = levels.windows(2).fold(1.0 + levels[0] * levels[0], |variance, pair| {
            let (step, c) = kernel(pair[0], pair[1]);
            let factor = 1.0 - step + step * v / (v + pair[0] * pair[0]);
            variance * factor * factor + c
        });
        end / v
    }

    #[test]
    fn unit_normal_data_keep_their_law_exactly_whatever_the_steps() {
        for steps in [2, 3, 20] {
            assert!((ratio(1.0, steps) - 1.0).abs() < 1e-12, "{steps} steps");
        }
    }

    #[test]
    fn other_data_are_off_as_the_module_says_and_by_half_with_twice_the_steps() {
        for (v, expected) in [(0.1, 1.089), (0.25, 1.055), (4.0, 0.956)] {
            assert!((ratio(v, 64) - expected).abs() < 6e-4, "{v}: {}", ratio(v, 64));
            let order = ((ratio(v, 128) - 1.0) / (ratio(v, 256) - 1.0)).log2();
            assert!((order - 1.0).abs() < 0.15, "{v}: {order}");
        }
    }
}
