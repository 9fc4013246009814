//! Observations: operators and noise laws, one a file.

mod absolute;
mod arctan;
mod correlated_error;
mod each;
mod exp;
mod gaussian_error;
mod identity;
mod interpolate;
mod laplace;
mod leading;
mod linear;
mod log;
mod log_normal;
mod norm;
mod other_error;
mod pointwise;
mod poisson;
mod random_subset;
mod square;
mod stride;
mod student_t;
mod threshold;

pub use absolute::Absolute;
pub use arctan::Arctan;
pub use correlated_error::CorrelatedError;
pub use exp::Exp;
pub use gaussian_error::GaussianError;
pub use identity::Identity;
pub use interpolate::Interpolate;
pub use laplace::Laplace;
pub(crate) use leading::Leading;
pub use linear::Linear;
pub use log::Log;
pub use log_normal::LogNormal;
pub use norm::Norm;
pub(crate) use other_error::OtherError;
pub use pointwise::{Function, Pointwise};
pub use poisson::Poisson;
pub use random_subset::RandomSubset;
pub use square::Square;
pub use stride::Stride;
pub use student_t::StudentT;
pub use threshold::Threshold;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use scorecast_systems::{Entry, Key, Settings};

use crate::error::Result;
use crate::linalg::Cholesky;

/// What is observed of a state, and with what error.
pub trait ObservationOperator: Send + Sync {
    /// The operator as the user wrote it, for messages: "stride 3".
    fn name(&self) -> String {
        "operator".to_owned()
    }

    /// The number of observed values.
    fn dim(&self) -> usize;

    /// The number of components of a state.
    fn state_dim(&self) -> usize;

    /// How many of those are of the present, the first ones: all, unless a smoother carries earlier states behind them,
    /// each laid out like the present one.
    fn current_dim(&self) -> usize {
        self.state_dim()
    }

    /// How many of the present components, the last ones, have no place on a grid, such as unknown parameters: none unless
    /// an operator says so. Methods that localize observations update them with all, those that localize covariances refuse
    /// them.
    fn unplaced(&self) -> usize {
        0
    }

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

/// The law p(y | h(x)) of one set of observations. Most laws add an error, y = h(x) + e, with a law that does not depend
/// on x; for `log_normal` and `poisson` it does.
pub trait NoiseLaw: Send + Sync {
    /// The variances of the errors, `[observed]`: NaN where they depend on h(x) (see [`NoiseLaw::moments`]), infinite
    /// where the law has none.
    fn variance(&self) -> ArrayView1<'_, f64>;

    /// Draws y for each row of `predicted` (h(x), `[row, observed]`), of the same shape; row i from stream i.
    fn observe(&self, predicted: ArrayView2<f64>, key: Key) -> Array2<f64>;

    /// log p(y | h(x)) for each row of `predicted` (h(x), `[member, observed]`), summed over the values listed in
    /// `present`; `values` is y, `[observed]`. -inf where y cannot come from h(x).
    fn log_likelihood(&self, values: ArrayView1<f64>, predicted: ArrayView2<f64>, present: &[usize]) -> Array1<f64>;

    /// Whether the law adds a Gaussian error, as Kalman-type updates suppose.
    fn is_gaussian(&self) -> bool {
        false
    }

    /// R, `[observed, observed]`, and its Cholesky factor, where the errors are Gaussian and not independent.
    fn correlated(&self) -> Option<(ArrayView2<'_, f64>, &Cholesky)> {
        None
    }

    /// Mean and variance of y given each row of `predicted` (`[member, observed]`), where the law does not simply add an
    /// error of mean 0 and variance [`NoiseLaw::variance`] to it.
    fn moments(&self, _predicted: ArrayView2<f64>) -> Option<(Array2<f64>, Array2<f64>)> {
        None
    }

    /// Draws of y where h(x) = 0, `[row, observed]`: the errors themselves, where the law adds them; row i from stream i.
    fn sample(&self, rows: usize, key: Key) -> Array2<f64> {
        self.observe(Array2::zeros((rows, self.variance().len())).view(), key)
    }

    /// log p(residual) summed over the values listed in `present`, where the law adds errors: [`NoiseLaw::log_likelihood`]
    /// at h(x) = 0; `residual` is `[observed]`.
    fn log_density(&self, residual: ArrayView1<f64>, present: &[usize]) -> f64 {
        let nothing = Array1::zeros(residual.len());
        self.log_likelihood(residual, nothing.view().insert_axis(Axis(0)), present)[0]
    }
}

/// The error law for a number of values.
pub type ErrorLaw<'a> = dyn Fn(usize) -> Result<Box<dyn NoiseLaw>> + 'a;

/// How an operator is built: settings, the dimension of the state, and the error law for a number of values.
pub type BuildOperator = fn(&Settings, usize, &ErrorLaw) -> Result<Box<dyn ObservationOperator>>;

/// Every operator, in the order in which they are listed.
pub const OPERATORS: &[Entry<BuildOperator>] = &[
    identity::ENTRY,
    stride::ENTRY,
    random_subset::ENTRY,
    interpolate::ENTRY,
    linear::ENTRY,
    arctan::ENTRY,
    absolute::ENTRY,
    square::ENTRY,
    exp::ENTRY,
    log::ENTRY,
    threshold::ENTRY,
    norm::ENTRY,
];

/// How a noise law is built: its settings and the number of observed values.
pub type BuildLaw = fn(&Settings, usize) -> Result<Box<dyn NoiseLaw>>;

/// Every noise law, in the order in which they are listed.
pub const NOISE_LAWS: &[Entry<BuildLaw>] = &[
    gaussian_error::ENTRY,
    correlated_error::ENTRY,
    student_t::ENTRY,
    laplace::ENTRY,
    log_normal::ENTRY,
    poisson::ENTRY,
];
