//! Densities and Gaussian laws of a lead step.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::FactoredCovariance;
use crate::error::Result;

/// An exact one-step density.
pub trait Density {
    /// log p(next_i | x_i) for each member i. `x` and `next` are `[member, component]`; the result is `[member]`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn log_prob(&self, k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> Result<Array1<f64>>;

    /// The score: the gradient of log p(next_i | x_i) in `next_i`, `[member, component]`; none where it is not known here. A
    /// law with a denoiser D has it by that as well: as sigma goes to 0, (D(z) - z) / sigma^2 in the denoiser's space.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn score(&self, _k: usize, _x: ArrayView2<f64>, _next: ArrayView2<f64>) -> Result<Option<Array2<f64>>> {
        Ok(None)
    }
}

/// The covariance of a Gaussian one-step law.
#[derive(Clone, Debug)]
pub enum Covariance {
    /// A variance for each member and component, `[member, component]`; no correlations.
    Diagonal(Array2<f64>),
    /// One covariance for all members, `[component, component]`.
    Shared(Array2<f64>),
    /// A covariance for each member, told by its factors.
    Factored(FactoredCovariance),
}

impl Covariance {
    /// The covariance of these members, in this order.
    #[must_use]
    pub fn select(&self, members: &[usize]) -> Self {
        match self {
            Self::Diagonal(variances) => Self::Diagonal(variances.select(Axis(0), members)),
            Self::Factored(covariance) => Self::Factored(covariance.select(members)),
            Self::Shared(covariance) => Self::Shared(covariance.clone()),
        }
    }
}

/// A one-step law N(m(x), C(x)). [`crate::gaussian`] turns it into a density and a denoiser.
pub trait GaussianKernel: Send + Sync {
    /// The means `[member, component]` and the covariance, given `x` `[member, component]` at lead step `k`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn moments(&self, k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)>;
}

/// x_{k+1} ~ N(A x_k + b, Q).
#[derive(Clone, Debug)]
pub struct LinearGaussian {
    /// A, `[component, component]`.
    pub matrix: Array2<f64>,
    /// b, `[component]`.
    pub offset: Array1<f64>,
    /// Q, `[component, component]`, symmetric and positive semi-definite.
    pub covariance: Array2<f64>,
}
