//! Denoisers D(x_t) = `E[x_0 | x_t]`: what schedules, samplers and guidance are about.
//!
//! A guided denoiser is a denoiser: it overrides [`Denoiser::evaluate`] to tell its free value as well.

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
