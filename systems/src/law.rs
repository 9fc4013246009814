//! Laws of one lead step, and what a forecaster may offer beyond drawing from its law.
//!
//! Axis order everywhere: `[case, time, member, component]`; an ensemble is `[member, component]`.

use ndarray::{Array1, Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::key::Key;
use crate::noising::DifferentiableDenoiser;

/// A Markov kernel p(x_{k+1} | x_k) over one lead step of fixed length.
pub trait Forecaster: Send + Sync {
    /// The number of components of a state.
    fn dim(&self) -> usize;

    /// Takes `x` (`[member, component]`) in place through lead step `k`, which draws from `key.at(k)` with the member as
    /// stream. A state that diverges is left non-finite; the caller decides what that means.
    ///
    /// # Errors
    /// When the forecaster itself cannot run (a network or an external model failed).
    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()>;

    /// Takes `x` in place from lead step `k` through `steps` lead steps, one after the other: advancing by 2 is
    /// advancing by 1 twice. Overridden where several steps at once cost less.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        (k..k + steps).try_for_each(|k| self.step(k, x, key))
    }

    /// Whether the law of a lead step does not depend on k, so that k names the draws alone; so unless said. Members that are
    /// at different lead steps may then be advanced together.
    fn autonomous(&self) -> bool {
        true
    }

    /// The exact one-step density, where there is one.
    fn density(&self) -> Option<&dyn Density> {
        None
    }

    /// The denoiser of the one-step law, where there is one: what guided sampling needs.
    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        None
    }

    /// The one-step law as a Gaussian whose moments depend on x_k in any way, where it is one.
    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        None
    }

    /// A, b, Q where the one-step law is N(A x + b, Q): what the Kalman filter needs.
    fn linear_gaussian(&self) -> Option<LinearGaussian> {
        None
    }

    /// The derivative of a lead step, where it is known: what Lyapunov exponents and variational methods need.
    fn differentiable(&self) -> Option<&dyn Differentiable> {
        None
    }
}

/// The derivative of a lead step x_{k+1} = M(x_k, noise) in x_k.
pub trait Differentiable: Send + Sync {
    /// The state after lead step `k` and the tangent vector M'(x) dx, member by member (`[member, component]` each);
    /// the noise is that which [`Forecaster::step`] draws from `key`.
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
    /// (`[member, component]` each, like the result); the noise is that which [`Forecaster::step`] draws from `key`.
    ///
    /// # Errors
    /// When the adjoint is not known, or the forecaster itself cannot run.
    fn adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>, key: Key) -> Result<Array2<f64>> {
        let _ = (k, x, v, key);
        Err(Error::Unsupported("the adjoint of this forecaster's lead step is not known".into()))
    }

    /// The mean m(x) = E[x_{k+1} | x_k = x] of the law of lead step `k` and m'(x) dx, member by member
    /// (`[member, component]` each). Known where the lead step is deterministic or its law has a
    /// [`GaussianKernel`], whose mean it then is.
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

/// An exact one-step density.
pub trait Density {
    /// log p(next_i | x_i) for each member i. `x` and `next` are `[member, component]`; the result is `[member]`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn log_prob(&self, k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> Result<Array1<f64>>;
}

/// The covariance of a Gaussian one-step law.
#[derive(Clone, Debug)]
pub enum Covariance {
    /// A variance for each member and component, `[member, component]`; no correlations.
    Diagonal(Array2<f64>),
    /// One covariance for all members, `[component, component]`.
    Shared(Array2<f64>),
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

/// x = offset + scale * z, element by element: from the space of a denoiser to states.
#[derive(Clone, Debug)]
pub struct Affine {
    /// `[member, component]`.
    pub offset: Array2<f64>,
    /// `[member, component]`, positive.
    pub scale: Array2<f64>,
}

impl Affine {
    /// Maps `z` (`[member, component]`) to states.
    pub fn apply(&self, z: &Array2<f64>) -> Array2<f64> {
        &self.offset + &(&self.scale * z)
    }
}

/// A denoiser whose condition x_k has been bound, with the map from its space to states x_{k+1}.
pub struct BoundDenoiser<'a> {
    /// Denoises z, member i given its own x_k. Data in this space have about unit variance.
    pub denoiser: Box<dyn DifferentiableDenoiser + 'a>,
    /// From z to x_{k+1}.
    pub to_state: Affine,
}

/// The denoiser of p(x_{k+1} | x_k), for any x_k.
pub trait ConditionalDenoiser: Send + Sync {
    /// Binds the condition: `x` is `[member, component]` at lead step `k`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn bind<'a>(&'a self, k: usize, x: ArrayView2<'a, f64>) -> Result<BoundDenoiser<'a>>;
}
