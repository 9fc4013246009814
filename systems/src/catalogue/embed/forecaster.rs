//! A forecaster carried through an [`Embedding`], with what the one inside offers of its law.
//!
//! Of an orthonormal map a Gaussian law stays Gaussian: N(m, C) of z' becomes N(U m, U C U^T + s^2 (I - U U^T)).

use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2};

use super::map::Embedding;
use crate::error::{Error, Result};
use crate::gaussian::GaussianLaw;
use crate::key::Key;
use crate::law::{
    ConditionalDenoiser, Covariance, Density, Differentiable, Forecaster, GaussianKernel, LinearGaussian,
};

/// The most ambient components for which covariances, which are dense, are made.
const MAX_DENSE: usize = 2000;

/// The forecaster of a system in a space of more dimensions.
///
/// The noise that x_{k+1} carries comes from `key.at(k + 1)`, apart from that of the starts at step 0.
pub struct Embedded {
    inner: Arc<dyn Forecaster>,
    map: Arc<Embedding>,
    noise: f64,
    gaussian: Option<GaussianLaw<EmbeddedKernel>>,
}

impl Embedded {
    /// Around `inner`; `constant_noise` says that its covariance is the same for all states.
    ///
    /// # Errors
    /// When the forecaster inside cannot say the moments of its law.
    pub fn new(inner: Arc<dyn Forecaster>, constant_noise: bool, map: Arc<Embedding>, noise: f64) -> Result<Self> {
        let linear = map.is_orthonormal() && map.ambient_dim() <= MAX_DENSE;
        let gaussian = match inner.gaussian().filter(|_| linear) {
            Some(kernel) => {
                let (_, covariance) = kernel.moments(0, Array2::zeros((1, inner.dim())).view())?;
                constant_noise || matches!(covariance, Covariance::Shared(_))
            }
            None => false,
        };
        let kernel = || EmbeddedKernel { inner: Arc::clone(&inner), map: Arc::clone(&map), noise };
        let gaussian = gaussian.then(|| GaussianLaw::new(kernel()));
        Ok(Self { inner, map, noise, gaussian })
    }
}

impl Forecaster for Embedded {
    fn dim(&self) -> usize {
        self.map.ambient_dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        let mut z = self.map.left_inverse(x.view());
        self.inner.step(k, &mut z, key)?;
        *x = self.map.apply(z.view());
        if self.noise > 0.0 {
            *x += &self.map.noise(self.noise, x.nrows(), key.at(k as u64 + 1));
        }
        Ok(())
    }

    fn autonomous(&self) -> bool {
        self.inner.autonomous()
    }

    /// Where the one inside has one, and the noise fills the other directions.
    fn density(&self) -> Option<&dyn Density> {
        let full = self.noise > 0.0 || self.map.ambient_dim() == self.map.intrinsic_dim();
        self.inner.density().filter(|_| full).map(|_| self as &dyn Density)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.gaussian.as_ref().map(|law| law as &dyn ConditionalDenoiser)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        self.gaussian.as_ref().map(|law| law as &dyn GaussianKernel)
    }

    fn linear_gaussian(&self) -> Option<LinearGaussian> {
        let law = self.inner.linear_gaussian().filter(|_| self.gaussian.is_some())?;
        let u = self.map.frame();
        Some(LinearGaussian {
            matrix: u.dot(&law.matrix).dot(&u.t()),
            offset: u.dot(&law.offset),
            covariance: covariance(&u, &law.covariance, self.noise),
        })
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        self.inner.differentiable().map(|_| self as &dyn Differentiable)
    }
}

/// U C U^T + s^2 (I - U U^T).
fn covariance(u: &Array2<f64>, inner: &Array2<f64>, noise: f64) -> Array2<f64> {
    let excess = inner - &(Array2::<f64>::eye(inner.nrows()) * (noise * noise));
    u.dot(&excess).dot(&u.t()) + Array2::<f64>::eye(u.nrows()) * (noise * noise)
}

/// By the chain rule: F'(z') M'(z) U^T dx.
impl Differentiable for Embedded {
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        let Some(inner) = self.inner.differentiable() else {
            return Err(Error::Unsupported("the derivative of the system inside is not known".into()));
        };
        let (z, dz) = (self.map.left_inverse(x), self.map.left_inverse(dx));
        let (z, dz) = inner.tangent(k, z.view(), dz.view(), key)?;
        let mut next = self.map.apply(z.view());
        if self.noise > 0.0 {
            next += &self.map.noise(self.noise, x.nrows(), key.at(k as u64 + 1));
        }
        Ok((next, self.map.tangent(z.view(), dz.view())))
    }

    /// The mean of F(z') is F of the mean of z' where F is linear.
    fn mean_tangent(&self, k: usize, x: ArrayView2<f64>, dx: ArrayView2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        let inner = self.linear_inside()?;
        let (z, dz) = (self.map.left_inverse(x), self.map.left_inverse(dx));
        let (z, dz) = inner.mean_tangent(k, z.view(), dz.view())?;
        Ok((self.map.apply(z.view()), self.map.apply(dz.view())))
    }

    /// U m'(z)^T U^T v.
    fn mean_adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        let inner = self.linear_inside()?;
        let (z, v) = (self.map.left_inverse(x), self.map.left_inverse(v));
        Ok(self.map.apply(inner.mean_adjoint(k, z.view(), v.view())?.view()))
    }
}

impl Embedded {
    /// The derivative of the forecaster inside, of a linear map.
    fn linear_inside(&self) -> Result<&dyn Differentiable> {
        if !self.map.is_orthonormal() {
            return Err(Error::Unsupported(
                "the mean of a lead step has no closed form through a curved embedding; set its curvature to 0".into(),
            ));
        }
        let unknown = || Error::Unsupported("the derivative of the system inside is not known".into());
        self.inner.differentiable().ok_or_else(unknown)
    }
}

/// log p(z' | z) and the log density of the noise, in coordinates that are orthonormal.
impl Density for Embedded {
    fn log_prob(&self, k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> Result<Array1<f64>> {
        let Some(inner) = self.inner.density() else {
            return Err(Error::Unsupported("the density of the system inside is not known".into()));
        };
        let (z, to) = (self.map.left_inverse(x), self.map.left_inverse(next));
        let mut found = inner.log_prob(k, z.view(), to.view())?;
        let free = (self.map.ambient_dim() - self.map.intrinsic_dim()) as f64;
        if free > 0.0 {
            let variance = self.noise * self.noise;
            let mut residual = &next - &self.map.apply(to.view());
            self.map.remove_span(&mut residual);
            for (found, residual) in found.iter_mut().zip(residual.rows()) {
                *found -= 0.5 * (residual.dot(&residual) / variance + free * (TAU * variance).ln());
            }
        }
        Ok(found)
    }
}

/// The Gaussian law of an orthonormal map.
pub struct EmbeddedKernel {
    inner: Arc<dyn Forecaster>,
    map: Arc<Embedding>,
    noise: f64,
}

impl GaussianKernel for EmbeddedKernel {
    fn moments(&self, k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        let Some(kernel) = self.inner.gaussian() else {
            return Err(Error::Unsupported("the law of the system inside is not Gaussian".into()));
        };
        let z = self.map.left_inverse(x);
        let (mean, inner) = kernel.moments(k, z.view())?;
        let inner = match inner {
            Covariance::Shared(covariance) => covariance,
            Covariance::Diagonal(variance) => match variance.outer_iter().next() {
                Some(row) => Array2::from_diag(&row),
                None => Array2::zeros((z.ncols(), z.ncols())),
            },
            Covariance::Factored(covariance) => {
                let members = z.nrows();
                covariance.average(Array1::from_elem(members, 1.0 / members as f64).view())
            }
        };
        Ok((self.map.apply(mean.view()), Covariance::Shared(covariance(&self.map.frame(), &inner, self.noise))))
    }
}
