//! Laws of one lead step, and what a forecaster may offer beyond drawing from its law.
//!
//! Axis order everywhere: `[case, time, member, component]`; an ensemble is `[member, component]`.

mod denoiser;
mod differentiable;
mod factored;
mod gaussian;
mod mixture;
mod probability_flow;
mod window;

pub use denoiser::{Affine, BoundDenoiser, ConditionalDenoiser};
pub use differentiable::Differentiable;
pub use factored::FactoredCovariance;
pub use gaussian::{Covariance, Density, GaussianKernel, LinearGaussian};
pub use mixture::{GaussianMixture, MixtureKernel};
use ndarray::Array2;
pub use probability_flow::{Trace, flow_log_prob};
pub use window::WindowLaw;

use crate::error::Result;
use crate::key::Key;

/// A Markov kernel p(x_{k+1} | x_k) over one lead step of fixed length.
pub trait Forecaster: Send + Sync {
    /// The number of components of a state.
    fn dim(&self) -> usize;

    /// How many successive states of the system a state holds, side by side, the newest first: x_k, x_{k-1}, ... A lead step
    /// puts the next before them and drops the oldest. Densities are those of the next alone, `[member, component]` of the
    /// newest.
    fn history(&self) -> usize {
        1
    }

    /// The parameters of the system that a state holds behind its components, by the names of
    /// [`DrawnParameters`](crate::DrawnParameters). A lead step leaves them as they are. None unless said.
    fn parameters(&self) -> &[String] {
        &[]
    }

    /// The number of components of x_k alone.
    fn components(&self) -> usize {
        (self.dim() - self.parameters().len()) / self.history()
    }

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

    /// The joint law of several successive states, where there is one: what methods of windows need.
    fn window(&self) -> Option<&dyn WindowLaw> {
        None
    }

    /// The one-step law as a Gaussian whose moments depend on x_k in any way, where it is one.
    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        None
    }

    /// The one-step law as a mixture of several Gaussians, whose weights and moments depend on x_k, where it is one.
    fn mixture(&self) -> Option<&dyn MixtureKernel> {
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
