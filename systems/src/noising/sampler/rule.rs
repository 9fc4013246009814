//! What a sampler is.

use std::fmt::Debug;

use ndarray::{Array2, ArrayView2, Zip, s};

use crate::error::Result;
use crate::noising::{Denoiser, Karras, Level};

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

    /// Whether the first evaluation of a run that starts from its noise also moves the start by alpha D, as it does for all
    /// that do not draw.
    fn enters(&self) -> bool {
        !self.draws()
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
