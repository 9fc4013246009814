//! Observations: operators and noise laws, one a file.

mod arctan;
mod gaussian_error;
mod identity;
mod linear;
mod present;
mod stride;

pub use arctan::Arctan;
pub use gaussian_error::GaussianError;
pub use identity::Identity;
pub use linear::Linear;
pub use present::Present;
pub use stride::Stride;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Entry, Key, Settings};

use crate::problem::Result;

/// What is observed of a state, and with what error.
pub trait Observation: Send + Sync {
    /// The operator as the user wrote it, for messages: "stride 3".
    fn name(&self) -> String {
        "operator".to_owned()
    }

    /// The number of observed values.
    fn dim(&self) -> usize;

    /// The number of components of a state.
    fn state_dim(&self) -> usize;

    /// h(x) for each row: `[member, component]` -> `[member, observed]`.
    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64>;

    /// The Jacobian of h at each row of `x` times each row of `u`: `[member, component]` -> `[member, observed]`.
    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64>;

    /// The transposed Jacobian of h at each row of `x` times each row of `v`: `[member, observed]` ->
    /// `[member, component]`.
    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64>;

    /// The law of the observation error.
    fn error(&self) -> &dyn NoiseLaw;

    /// For each observed value the index of the component where it sits, where that makes sense.
    fn location(&self) -> Option<Vec<usize>> {
        None
    }

    /// H `[observed, component]` where h is linear.
    fn matrix(&self) -> Option<Array2<f64>> {
        None
    }
}

/// The law of the errors of one set of observations; errors of different values are independent.
pub trait NoiseLaw: Send + Sync {
    /// The variances, `[observed]`.
    fn variance(&self) -> ArrayView1<'_, f64>;

    /// Draws errors for `rows` copies of the observations, `[row, observed]`; row i from stream i.
    fn sample(&self, rows: usize, key: Key) -> Array2<f64>;

    /// log p(residual) summed over the values listed in `present`; `residual` is `[observed]`.
    fn log_density(&self, residual: ArrayView1<f64>, present: &[usize]) -> f64;

    /// Whether the law is Gaussian, as Kalman-type updates suppose.
    fn is_gaussian(&self) -> bool;
}

/// The error law for a number of values.
pub type ErrorLaw<'a> = dyn Fn(usize) -> Result<Box<dyn NoiseLaw>> + 'a;

/// How an operator is built: settings, the dimension of the state, and the error law for a number of values.
pub type Build = fn(&Settings, usize, &ErrorLaw) -> Result<Box<dyn Observation>>;

/// Every operator, in the order in which they are listed.
pub const OPERATORS: &[Entry<Build>] = &[identity::ENTRY, stride::ENTRY, linear::ENTRY, arctan::ENTRY];

/// The errors of a set of observations as an array, where only the variances are needed.
pub fn variances(operator: &dyn Observation) -> Array1<f64> {
    operator.error().variance().to_owned()
}
