//! Samplers, one a file: each is one step of the way from noise through a denoiser to data, or back; [`super::drive`] owns
//! the loop, the start, the noise and the memory.
//!
//! Data are of about unit variance. A deterministic sampler forgets its start slowly: started from N(0, sigma_max^2) its
//! mean falls short by m / sigma_max for data N(m, 1). So the first evaluation also moves the start by D, to
//! N(m, sigma_max^2 + 1) up to terms of order 1 / sigma_max^2; it costs nothing.
//!
//! The usual grids are the result of a scan over (sigma_min, sigma_max, rho) with the exact denoiser of Gaussian
//! data of sd v, through which all samplers are linear, so that the sd of what they make is a product of numbers:
//!
//! | sampler | evaluations | levels | v = 0.1 | 0.2 | 0.5 | 1 | 2 |
//! |---|---|---|---|---|---|---|---|
//! | `dpm_solver_2m` | 12 | 0.034 to 12, rho 100 | 0.940 | 0.991 | 1.010 | 1.015 | 1.024 |
//! | `heun` | 11 | 0.28 to 6, rho 2 | 0.348 | 0.638 | 0.959 | 1.019 | 1.047 |
//! | `reverse_sde` | 32 | 0.02 to 20, rho 7 | 0.995 | 1.015 | 1.017 | 1.015 | 1.012 |
//! | `euler` | 64 | 0.02 to 20, rho 7 | 0.945 | 0.961 | 0.969 | 0.973 | 0.980 |
//!
//! (sd made over sd of the data). Heun's rule cannot do narrow laws with 11 evaluations: take `dpm_solver_2m`, or more
//! steps. Data on a lower-dimensional set come out exactly on it where the denoiser says so, since all end with D.

mod dpm_solver_2m;
mod euler;
mod heun;
mod multistep;
mod reverse_sde;

use std::fmt::Debug;

pub use dpm_solver_2m::DpmSolver2M;
pub use euler::Euler;
pub use heun::Heun;
use ndarray::{Array2, ArrayView2, Zip, s};
pub use reverse_sde::ReverseSde;

use super::{Denoiser, Karras, Level};
use crate::error::Result;
use crate::registry::{Entry, find, names};

/// One step of the way.
pub trait Sampler: Send + Sync + Debug {
    /// x at `step.to` from x at `step.from`, `[member, component]`, by D* = `target`; `denoiser` is there for whoever
    /// evaluates D again on the way. Never called for a frame that arrives at sigma = 0 unless
    /// [`Sampler::ends_with_noise`]; such a frame becomes alpha D.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn step(&self, step: &Step, target: ArrayView2<f64>, denoiser: &dyn Denoiser) -> Result<Array2<f64>>;

    /// Whether it adds noise. Then a step from less noise to more is the noising process itself, and no matter of
    /// [`Sampler::step`].
    fn draws(&self) -> bool {
        false
    }

    /// How many evaluations before this one [`Sampler::target`] looks at.
    fn memory(&self) -> usize {
        0
    }

    /// D*, what the step follows, from D here and at the evaluations before, newest first; none where it is D itself.
    fn target(&self, step: &Step, denoised: ArrayView2<f64>, past: &[Past]) -> Option<Array2<f64>> {
        let _ = (step, denoised, past);
        None
    }

    /// The law of a step given D*, where it has one: N(keep x + gain D*, sd^2).
    fn kernel(&self, from: Level, to: Level) -> Option<Kernel> {
        let _ = (from, to);
        None
    }

    /// Whether it takes the last step, to sigma = 0, by [`Sampler::step`] as well.
    fn ends_with_noise(&self) -> bool {
        false
    }

    /// The sd of the noise to start with, so that data of unit variance at `level` have theirs, alpha^2 + sigma^2, once a
    /// deterministic sampler has added alpha D = alpha^2 x / (alpha^2 + sigma^2).
    fn start_sd(&self, level: Level) -> f64 {
        let Level { alpha, sigma } = level;
        let variance = alpha * alpha + sigma * sigma;
        if self.draws() { variance.sqrt() } else { variance.sqrt() / (1.0 + alpha * alpha / variance) }
    }

    /// Evaluations of the denoiser in that many steps.
    fn evaluations(&self, steps: usize) -> usize {
        steps
    }
}

/// A step that is to be taken, or has been.
pub struct Step<'a> {
    /// Its index from 0.
    pub index: usize,
    /// The level of each frame before it.
    pub from: &'a [Level],
    /// The level of each frame after it.
    pub to: &'a [Level],
    /// x before it, `[member, component]`; the components of a frame follow those of the frame before it.
    pub x: ArrayView2<'a, f64>,
    /// Standard normals `[member, component]`, where the sampler draws.
    pub noise: Option<ArrayView2<'a, f64>>,
}

impl Step<'_> {
    /// out = rule(from, to)(a, b), element by element, by the levels of the element's frame.
    pub fn each<F: Fn(f64, f64) -> f64>(
        &self,
        a: ArrayView2<f64>,
        b: ArrayView2<f64>,
        mut rule: impl FnMut(Level, Level) -> F,
    ) -> Array2<f64> {
        let mut out = Array2::zeros(a.dim());
        let width = a.ncols() / self.from.len();
        for (frame, (from, to)) in self.from.iter().zip(self.to).enumerate() {
            let part = s![.., frame * width..(frame + 1) * width];
            let of = rule(*from, *to);
            Zip::from(out.slice_mut(part))
                .and(a.slice(part))
                .and(b.slice(part))
                .for_each(|out, a, b| *out = of(*a, *b));
        }
        out
    }
}

/// An evaluation before this step.
pub struct Past<'a> {
    /// Where it was, `[frame]`.
    pub at: &'a [Level],
    /// D there, `[member, component]`.
    pub denoised: ArrayView2<'a, f64>,
}

/// The Gaussian law of one step, for whoever weights paths: guided and unguided paths of the same levels differ in D*
/// only, and their means by gain times that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    /// The factor of x in the mean.
    pub keep: f64,
    /// The factor of D* in the mean.
    pub gain: f64,
    /// The standard deviation of each component.
    pub sd: f64,
}

/// A line of the registry: the sampler, and the grid that the module's table is about.
#[derive(Clone, Copy, Debug)]
pub struct RegisteredSampler {
    /// The sampler.
    pub sampler: &'static dyn Sampler,
    /// Its usual grid.
    pub grid: Karras,
}

/// Every sampler, in the order in which they are listed.
pub const SAMPLERS: &[Entry<RegisteredSampler>] =
    &[dpm_solver_2m::ENTRY, heun::ENTRY, reverse_sde::ENTRY, euler::ENTRY];

/// Their names, for settings.
pub const SAMPLER_NAMES: &[&str] = &names::<_, { SAMPLERS.len() }>(SAMPLERS);

/// The sampler of that name in [`SAMPLERS`].
///
/// # Errors
/// [`crate::Error::UnknownName`] with the nearest name.
pub fn named(name: &str) -> Result<RegisteredSampler> {
    Ok(find(SAMPLERS, "sampler", name)?.build)
}

#[cfg(test)]
mod tests;
