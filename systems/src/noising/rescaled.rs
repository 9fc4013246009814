//! A variance-preserving denoiser for samplers that see alpha = 1: with alpha = 1 / sqrt(1 + s^2) and sigma = alpha s,
//! D_exploding(x, s) = D_preserving(alpha x, (alpha, sigma)).

use ndarray::{Array2, ArrayView2};

use super::{Denoiser, DifferentiableDenoiser, Level, Pullback};
use crate::error::Result;

/// A denoiser made for levels with alpha^2 + sigma^2 = 1, evaluated at any level of the same relative noise.
pub struct Rescaled<D>(pub D);

/// The variance-preserving level of the same relative noise, and the factor from x_t at `level` to x_t there.
fn preserving(level: Level) -> (Level, f64) {
    let alpha = 1.0 / level.relative().hypot(1.0);
    (Level { alpha, sigma: alpha * level.relative() }, alpha / level.alpha)
}

impl<D: Denoiser> Denoiser for Rescaled<D> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        let (level, factor) = preserving(level);
        self.0.denoise((&x_t * factor).view(), level)
    }

    fn select<'a>(&'a self, rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
        Ok(Box::new(Rescaled(self.0.select(rows)?)))
    }
}

impl<D: DifferentiableDenoiser> DifferentiableDenoiser for Rescaled<D> {
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
        let (preserved, factor) = preserving(level);
        let scaled = &x_t * factor;
        let denoised = self.0.denoise(scaled.view(), preserved)?;
        // the inner pullback borrows its point, which lives here, so it is made again at each call
        let pull = move |v: ArrayView2<f64>| {
            let (_, inner) = self.0.denoise_vjp(scaled.view(), preserved)?;
            Ok(inner.pull(v)? * factor)
        };
        Ok((denoised, Pullback::new(pull)))
    }
}
