//! Denoisers with vector-Jacobian products, and what points to a denoiser.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use super::denoiser::{Denoised, Denoiser, alike};
use super::level::Level;
use crate::error::Result;

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
