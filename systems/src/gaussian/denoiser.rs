//! The exact denoiser of Gaussian data x_0 ~ N(m, C) under x_t = alpha x_0 + sigma eps:
//! D(x_t) = m + alpha C (alpha^2 C + sigma^2 I)^-1 (x_t - alpha m), whose Jacobian is symmetric.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::SymmetricEigen;
use crate::error::Result;
use crate::noising::{Denoiser, DifferentiableDenoiser, Level, Pullback};

/// alpha v / (alpha^2 v + sigma^2) for a variance v; a component without variance is its mean.
fn gain(v: f64, level: Level) -> f64 {
    if v > 0.0 { level.alpha * v / (level.alpha * level.alpha * v + level.sigma * level.sigma) } else { 0.0 }
}

/// The denoiser of one Gaussian law with any covariance, singular ones included.
#[derive(Clone, Debug)]
pub struct GaussianDenoiser {
    mean: Array1<f64>,
    eigen: SymmetricEigen,
}

impl GaussianDenoiser {
    /// Of N(`mean`, `covariance`): `[component]` and `[component, component]`.
    ///
    /// # Errors
    /// When the covariance is not positive semi-definite.
    pub fn new(mean: Array1<f64>, covariance: ArrayView2<f64>) -> Result<Self> {
        assert_eq!(mean.len(), covariance.nrows(), "mean and covariance of different dimension");
        Ok(Self { mean, eigen: SymmetricEigen::new(covariance)? })
    }
}

impl Denoiser for GaussianDenoiser {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        let deviation = &x_t - &(&self.mean * level.alpha);
        Ok(self.eigen.apply(deviation.view(), |v| gain(v, level)) + &self.mean)
    }

    fn select<'a>(&'a self, _rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
        Ok(Box::new(self))
    }
}

impl DifferentiableDenoiser for GaussianDenoiser {
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
        let pullback = Pullback::new(move |v| Ok(self.eigen.apply(v, |variance| gain(variance, level))));
        Ok((self.denoise(x_t, level)?, pullback))
    }
}

/// The denoiser of independent components with mean 0 and their own variance for each member.
#[derive(Clone, Debug)]
pub struct IndependentDenoiser {
    variance: Array2<f64>,
}

impl IndependentDenoiser {
    /// Of N(0, diag(variance of the member)), `[member, component]`.
    pub fn new(variance: Array2<f64>) -> Self {
        Self { variance }
    }

    fn gains(&self, level: Level) -> Array2<f64> {
        self.variance.mapv(|v| gain(v, level))
    }
}

impl Denoiser for IndependentDenoiser {
    fn dim(&self) -> usize {
        self.variance.ncols()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        Ok(self.gains(level) * x_t)
    }

    fn select<'a>(&'a self, rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
        Ok(Box::new(Self::new(self.variance.select(Axis(0), rows))))
    }
}

impl DifferentiableDenoiser for IndependentDenoiser {
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
        let gains = self.gains(level);
        let denoised = &gains * &x_t;
        Ok((denoised, Pullback::new(move |v| Ok(&gains * &v))))
    }
}
