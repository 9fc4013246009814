//! One-step laws that are mixtures of Gaussians.

use ndarray::{Array2, ArrayView2, Axis};

use super::Covariance;
use crate::error::Result;

/// p(x_{k+1} | x_k) = sum_c pi_c N(m_c, C_c) for each member.
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    /// log pi, `[member, part]`: the weights of a member sum to 1.
    pub log_weights: Array2<f64>,
    /// m, `[member, component]`, and C of each part.
    pub parts: Vec<(Array2<f64>, Covariance)>,
}

impl GaussianMixture {
    /// A mixture of one Gaussian.
    pub fn single(means: Array2<f64>, covariance: Covariance) -> Self {
        Self { log_weights: Array2::zeros((means.nrows(), 1)), parts: vec![(means, covariance)] }
    }

    /// The laws of these members, in this order.
    #[must_use]
    pub fn select(&self, members: &[usize]) -> Self {
        let of = |(means, covariance): &(Array2<f64>, Covariance)| {
            (means.select(Axis(0), members), covariance.select(members))
        };
        Self { log_weights: self.log_weights.select(Axis(0), members), parts: self.parts.iter().map(of).collect() }
    }
}

/// A one-step law that is a mixture of Gaussians, whose weights and moments depend on x_k in any way.
pub trait MixtureKernel: Send + Sync {
    /// The mixture of each member, given `x` (`[member, component]`) at lead step `k`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn mixture(&self, k: usize, x: ArrayView2<f64>) -> Result<GaussianMixture>;
}
