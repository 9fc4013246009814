//! From any [`GaussianKernel`] its density and its denoiser.
//!
//! The denoiser works on z = (x_{k+1} - m(x_k)) / sd, member by member and component by component, so that z ~ N(0, R)
//! with R the correlation. A component without variance keeps sd = 1 and has z = 0.

use std::f64::consts::TAU;
use std::sync::{Arc, OnceLock};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::factored::{FactoredDenoiser, log_density};
use super::{GaussianDenoiser, IndependentDenoiser, SymmetricEigen};
use crate::error::Result;
use crate::law::{Affine, BoundDenoiser, ConditionalDenoiser, Covariance, Density, GaussianKernel};
use crate::noising::DifferentiableDenoiser;

/// A Gaussian one-step law with everything that follows from its moments.
///
/// The density of a law without variance in some direction is taken on its support: such a direction counts 0 where
/// `next` lies on the support (to 1e-9 of the mean's size) and makes the density 0 where it does not.
pub struct GaussianLaw<K> {
    kernel: K,
    shared: OnceLock<SharedLaw>,
}

impl<K: GaussianKernel> GaussianLaw<K> {
    /// Of any kernel.
    pub fn new(kernel: K) -> Self {
        Self { kernel, shared: OnceLock::new() }
    }

    /// The kernel that it was made from.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    /// The decompositions of a shared covariance: computed once as long as the covariance stays the same.
    fn shared(&self, covariance: &Array2<f64>) -> Result<SharedLaw> {
        match self.shared.get() {
            Some(shared) if *shared.covariance == *covariance => Ok(shared.clone()),
            Some(_) => SharedLaw::new(covariance),
            None => {
                let shared = SharedLaw::new(covariance)?;
                Ok(self.shared.get_or_init(|| shared.clone()).clone())
            }
        }
    }
}

/// A shared covariance C = diag(sd) R diag(sd), decomposed.
#[derive(Clone)]
struct SharedLaw {
    covariance: Arc<Array2<f64>>,
    sd: Array1<f64>,
    eigen: Arc<SymmetricEigen>,
    denoiser: Arc<GaussianDenoiser>,
}

impl SharedLaw {
    fn new(covariance: &Array2<f64>) -> Result<Self> {
        let sd = covariance.diag().mapv(positive_sd);
        let correlation = Array2::from_shape_fn(covariance.dim(), |(i, j)| covariance[[i, j]] / (sd[i] * sd[j]));
        Ok(Self {
            covariance: Arc::new(covariance.clone()),
            eigen: Arc::new(SymmetricEigen::new(covariance.view())?),
            denoiser: Arc::new(GaussianDenoiser::new(Array1::zeros(sd.len()), correlation.view())?),
            sd,
        })
    }
}

/// The root of a variance, or 1 where there is none.
fn positive_sd(variance: f64) -> f64 {
    if variance > 0.0 { variance.sqrt() } else { 1.0 }
}

impl<K: GaussianKernel> GaussianKernel for GaussianLaw<K> {
    fn moments(&self, k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        self.kernel.moments(k, x)
    }
}

impl<K: GaussianKernel> Density for GaussianLaw<K> {
    fn log_prob(&self, k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> Result<Array1<f64>> {
        let (mean, covariance) = self.kernel.moments(k, x)?;
        let residual = &next - &mean;
        let tolerances = mean.rows().into_iter().map(|row| 1e-9 * (1.0 + row.dot(&row).sqrt()));
        match covariance {
            Covariance::Diagonal(variance) => {
                let rows = residual.rows().into_iter().zip(variance.rows()).zip(tolerances);
                Ok(rows.map(|((residual, variance), tolerance)| log_normal(residual, variance, tolerance)).collect())
            }
            Covariance::Shared(covariance) => {
                let eigen = self.shared(&covariance)?.eigen;
                let rotated = residual.dot(&eigen.vectors);
                let rows = rotated.rows().into_iter().zip(tolerances);
                Ok(rows.map(|(residual, tolerance)| log_normal(residual, eigen.values.view(), tolerance)).collect())
            }
            Covariance::Factored(covariance) => {
                let rows = residual.rows().into_iter().zip(tolerances).enumerate();
                rows.map(|(member, (row, tolerance))| log_density(&covariance, member, row, tolerance)).collect()
            }
        }
    }
}

/// log N(residual; 0, diag(variance)) on the support of that law.
pub(super) fn log_normal(residual: ArrayView1<f64>, variance: ArrayView1<f64>, tolerance: f64) -> f64 {
    let term = |(r, v): (&f64, &f64)| match (*v > 0.0, r.abs() <= tolerance) {
        (true, _) => -0.5 * (r * r / v + (TAU * v).ln()),
        (false, true) => 0.0,
        (false, false) if r.is_nan() => f64::NAN,
        (false, false) => f64::NEG_INFINITY,
    };
    residual.iter().zip(variance).map(term).sum()
}

impl<K: GaussianKernel> ConditionalDenoiser for GaussianLaw<K> {
    fn bind<'a>(&'a self, k: usize, x: ArrayView2<'a, f64>) -> Result<BoundDenoiser<'a>> {
        let (mean, covariance) = self.kernel.moments(k, x)?;
        let (denoiser, scale): (Box<dyn DifferentiableDenoiser>, Array2<f64>) = match covariance {
            Covariance::Diagonal(variance) => {
                let unit = variance.mapv(|v| if v > 0.0 { 1.0 } else { 0.0 });
                (Box::new(IndependentDenoiser::new(unit)), variance.mapv(positive_sd))
            }
            Covariance::Shared(covariance) => {
                let shared = self.shared(&covariance)?;
                let mut scale = Array2::zeros(mean.dim());
                scale.assign(&shared.sd);
                (Box::new(shared.denoiser), scale)
            }
            Covariance::Factored(covariance) => {
                let scale = covariance.variances().mapv(positive_sd);
                (Box::new(FactoredDenoiser(covariance.scaled(scale.mapv(|sd| 1.0 / sd).view()))), scale)
            }
        };
        Ok(BoundDenoiser { denoiser, to_state: Affine { offset: mean, scale } })
    }
}
