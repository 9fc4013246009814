//! The noising process x_t = alpha x_0 + sigma eps, denoisers D(x_t) = `E[x_0 | x_t]`, and the reverse samplers.
//!
//! With D comes everything: score = (alpha D - x_t) / sigma^2, Cov[x_0 | x_t] = (sigma^2 / alpha) dD/dx_t. Every
//! process of this family is the variance-exploding one (alpha = 1) in x_t / alpha at noise level sigma / alpha, which is
//! how the samplers see it.

mod dpm_solver_2m;
mod heun;
mod rescaled;
mod reverse_sde;
mod sampler;
mod schedule;

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

pub use rescaled::Rescaled;
pub use reverse_sde::Transition;
pub use sampler::{SAMPLERS, Sampler};
pub use schedule::Schedule;

use crate::law::Result;

/// One noise level of x_t = alpha x_0 + sigma eps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The factor of the data.
    pub alpha: f64,
    /// The standard deviation of the noise.
    pub sigma: f64,
}

impl Level {
    /// The variance-exploding level: alpha = 1.
    pub const fn exploding(sigma: f64) -> Self {
        Self { alpha: 1.0, sigma }
    }

    /// sigma / alpha: the noise level in units of the data.
    pub fn relative(self) -> f64 {
        self.sigma / self.alpha
    }
}

/// D(x_t) = `E[x_0 | x_t]`.
pub trait Denoiser: Send + Sync {
    /// The number of components.
    fn dim(&self) -> usize;

    /// D at one level for all rows of `x_t` (`[member, component]`); row i is member i where a condition is bound.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>>;
}

type PullbackFn<'a> = dyn Fn(ArrayView2<f64>) -> Result<Array2<f64>> + 'a;

/// v -> J^T v, row by row, for the Jacobian J = dD/dx_t at the point where it was made; callable many times.
pub struct Pullback<'a>(Box<PullbackFn<'a>>);

impl<'a> Pullback<'a> {
    /// From a function of `[member, component]`.
    pub fn new(pull: impl Fn(ArrayView2<f64>) -> Result<Array2<f64>> + 'a) -> Self {
        Self(Box::new(pull))
    }

    /// J^T v for each row of `v` (`[member, component]`).
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub fn pull(&self, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        (self.0)(v)
    }
}

/// A denoiser with vector-Jacobian products.
pub trait DifferentiableDenoiser: Denoiser {
    /// D(x_t), and the pullback at x_t.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)>;
}

impl<D: Denoiser + ?Sized> Denoiser for Arc<D> {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        (**self).denoise(x_t, level)
    }
}

impl<D: DifferentiableDenoiser + ?Sized> DifferentiableDenoiser for Arc<D> {
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
        (**self).denoise_vjp(x_t, level)
    }
}
