//! The derivative of a lead step.

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::key::Key;

/// The derivative of a lead step x_{k+1} = M(x_k, noise) in x_k.
pub trait Differentiable: Send + Sync {
    /// The state after lead step `k` and the tangent vector M'(x) dx, member by member (`[member, component]` each);
    /// the noise is that which [`Forecaster::step`](super::Forecaster::step) draws from `key`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> Result<(Array2<f64>, Array2<f64>)>;

    /// The adjoint M'(x)^T v of lead step `k`, member by member: `x` is the state before it and `v` a covector after it
    /// (`[member, component]` each, like the result); the noise is that which [`Forecaster::step`](super::Forecaster::step) draws from `key`.
    ///
    /// # Errors
    /// When the adjoint is not known, or the forecaster itself cannot run.
    fn adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>, key: Key) -> Result<Array2<f64>> {
        let _ = (k, x, v, key);
        Err(Error::Unsupported("the adjoint of this forecaster's lead step is not known".into()))
    }

    /// The mean m(x) = E[x_{k+1} | x_k = x] of the law of lead step `k` and m'(x) dx, member by member
    /// (`[member, component]` each). Known where the lead step is deterministic or its law has a
    /// [`GaussianKernel`](super::GaussianKernel), whose mean it then is.
    ///
    /// # Errors
    /// When the derivative of the mean is not known, or the forecaster itself cannot run.
    fn mean_tangent(&self, k: usize, x: ArrayView2<f64>, dx: ArrayView2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        let _ = (k, x, dx);
        Err(mean_unknown())
    }

    /// m'(x)^T v of the same mean, member by member: `x` is the state before the lead step and `v` a covector after it
    /// (`[member, component]` each, like the result).
    ///
    /// # Errors
    /// When the derivative of the mean is not known, or the forecaster itself cannot run.
    fn mean_adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        let _ = (k, x, v);
        Err(mean_unknown())
    }
}

fn mean_unknown() -> Error {
    Error::Unsupported("the derivative of the mean of this forecaster's lead step is not known".into())
}
