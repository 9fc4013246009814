//! A law that a denoiser knows, and points of it: where estimators ask the denoiser, in its own space, z.
//!
//! Noise is added at variance-exploding levels, x_t = z + sigma eps; z has about unit variance, and a scale of each component to
//! states changes no dimension.

use ndarray::{Array2, ArrayView2};

use crate::systems::{BoundDenoiser, DifferentiableDenoiser, Key, Level, Purpose, Result};

/// A denoiser at points of its law.
pub struct Law<'a> {
    denoiser: Box<dyn DifferentiableDenoiser + 'a>,
    points: Array2<f64>,
    key: Key,
}

impl<'a> Law<'a> {
    /// Of a denoiser that is bound to states, with a draw of the law at each, `next` (`[point, component]`).
    pub fn new(bound: BoundDenoiser<'a>, next: ArrayView2<f64>, key: Key) -> Self {
        let points = (&next - &bound.to_state.offset) / &bound.to_state.scale;
        Self { denoiser: bound.denoiser, points, key: key.purpose(Purpose::DiffusionNoise) }
    }

    /// z, `[point, component]`.
    pub(super) fn points(&self) -> ArrayView2<'_, f64> {
        self.points.view()
    }

    /// The number of components.
    pub(super) fn components(&self) -> usize {
        self.points.ncols()
    }

    /// The points with noise of a level, the `draw`-th of it.
    pub(super) fn noised(&self, sigma: f64, draw: usize) -> Array2<f64> {
        let noise = self.key.at(draw as u64).normals(self.points.nrows(), self.components());
        &self.points + &(noise * sigma)
    }

    /// D at `x_t`.
    ///
    /// # Errors
    /// When the denoiser cannot run.
    pub(super) fn denoise(&self, x_t: ArrayView2<f64>, sigma: f64) -> Result<Array2<f64>> {
        self.denoiser.denoise(x_t, Level::exploding(sigma))
    }

    /// The Jacobian dD/dx_t at each point of `x_t`, row by row.
    ///
    /// # Errors
    /// When the denoiser cannot run.
    pub(super) fn jacobians(&self, x_t: ArrayView2<f64>, sigma: f64) -> Result<(Array2<f64>, Vec<Array2<f64>>)> {
        let (points, n) = x_t.dim();
        let (denoised, pullback) = self.denoiser.denoise_vjp(x_t, Level::exploding(sigma))?;
        let mut jacobians = vec![Array2::zeros((n, n)); points];
        let mut unit = Array2::zeros((points, n));
        for row in 0..n {
            unit.fill(0.0);
            unit.column_mut(row).fill(1.0);
            for (jacobian, pulled) in jacobians.iter_mut().zip(pullback.pull(unit.view())?.outer_iter()) {
                jacobian.row_mut(row).assign(&pulled);
            }
        }
        Ok((denoised, jacobians))
    }
}
