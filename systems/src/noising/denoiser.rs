//! Denoisers D(x_t) = `E[x_0 | x_t]`: what schedules, samplers and guidance are about.
//!
//! A guided denoiser is a denoiser: it overrides [`Denoiser::evaluate`] to tell its free value as well.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use super::Level;
use crate::error::{Error, Result};

/// D(x_t) = `E[x_0 | x_t]`.
pub trait Denoiser: Send + Sync {
    /// The number of components.
    fn dim(&self) -> usize;

    /// D at one level for all rows of `x_t` (`[member, component]`); row i is member i where a condition is bound.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>>;

    /// D with and without guidance at `levels`, one a frame; the components of a frame follow those of the frame before
    /// it. Overridden by what is guided, and by what denoises windows whose frames have levels of their own.
    ///
    /// # Errors
    /// When the denoiser itself cannot run, or has one level for all frames and is given several.
    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        Ok(Denoised::free(self.denoise(x_t, alike(levels)?)?))
    }

    /// The denoiser whose row i has the condition of row `rows[i]` of this one: what follows a resampling on the way.
    ///
    /// # Errors
    /// When it cannot be taken apart, as by default.
    fn select<'a>(&'a self, rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
        let _ = rows;
        Err(Error::Unsupported("this denoiser cannot follow members that are resampled on the way".into()))
    }
}

/// The one level of all frames.
///
/// # Errors
/// When they are not alike.
pub fn alike(levels: &[Level]) -> Result<Level> {
    assert!(!levels.is_empty(), "no frame has a level");
    if levels.iter().all(|level| *level == levels[0]) {
        return Ok(levels[0]);
    }
    Err(Error::Unsupported(
        "this denoiser has one noise level for all frames; give it a grid whose frames are alike".into(),
    ))
}

/// D at one point, `[member, component]`.
#[derive(Clone, Debug)]
pub struct Denoised {
    /// What the sampler follows.
    pub guided: Array2<f64>,
    /// D without guidance, where that is another value.
    pub unguided: Option<Array2<f64>>,
}

impl Denoised {
    /// Of a denoiser without guidance.
    pub fn free(value: Array2<f64>) -> Self {
        Self { guided: value, unguided: None }
    }

    /// D without guidance.
    pub fn without_guidance(&self) -> ArrayView2<'_, f64> {
        self.unguided.as_ref().unwrap_or(&self.guided).view()
    }

    /// One function of both values.
    pub(super) fn map(&self, of: impl Fn(&Array2<f64>) -> Array2<f64>) -> Self {
        Self { guided: of(&self.guided), unguided: self.unguided.as_ref().map(of) }
    }
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

    /// D and the pullback at `levels`, one a frame as in [`Denoiser::evaluate`].
    ///
    /// # Errors
    /// When the denoiser itself cannot run, or has one level for all frames and is given several.
    fn evaluate_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, levels: &[Level]) -> Result<(Array2<f64>, Pullback<'a>)> {
        self.denoise_vjp(x_t, alike(levels)?)
    }
}

/// What points to a denoiser is one.
macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<D: Denoiser + ?Sized> Denoiser for $pointer {
            fn dim(&self) -> usize {
                (**self).dim()
            }

            fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
                (**self).denoise(x_t, level)
            }

            fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
                (**self).evaluate(x_t, levels)
            }

            fn select<'a>(&'a self, rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
                (**self).select(rows)
            }
        }

        impl<D: DifferentiableDenoiser + ?Sized> DifferentiableDenoiser for $pointer {
            fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
                (**self).denoise_vjp(x_t, level)
            }

            fn evaluate_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, levels: &[Level]) -> Result<(Array2<f64>, Pullback<'a>)> {
                (**self).evaluate_vjp(x_t, levels)
            }
        }
    )*};
}

pointers!(&D, Box<D>, Arc<D>);
