//! A denoiser of x_t = alpha x_0 + shift c + sigma eps with a known c, for samplers that see x_t - shift c: a stochastic
//! interpolant between a known z_0 and z_1 denoises z_1 in x - (1 - t) z_0 (Albergo and Vanden-Eijnden 2023).

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, Axis};

use super::{Denoised, Denoiser, Level, Schedule};
use crate::error::Result;

/// `inner`, which sees x_t with its shift, as a denoiser that does not.
pub struct Shifted<D> {
    /// Denoises x_t = alpha x_0 + shift c + sigma eps.
    pub inner: D,
    /// Says the shift at each level ([`Schedule::shift`]).
    pub schedule: Arc<dyn Schedule>,
    /// c, `[member, component]`.
    pub known: Array2<f64>,
}

impl<D> Shifted<D> {
    fn with_shift(&self, x_t: ArrayView2<f64>, level: Level) -> Array2<f64> {
        let shift = self.schedule.shift(self.schedule.time(level.relative()));
        &x_t + &(&self.known * shift)
    }
}

impl<D: Denoiser> Denoiser for Shifted<D> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        self.inner.denoise(self.with_shift(x_t, level).view(), level)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        self.inner.evaluate(self.with_shift(x_t, super::denoiser::alike(levels)?).view(), levels)
    }

    fn select<'a>(&'a self, rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
        let known = self.known.select(Axis(0), rows);
        Ok(Box::new(Shifted { inner: self.inner.select(rows)?, schedule: Arc::clone(&self.schedule), known }))
    }
}
