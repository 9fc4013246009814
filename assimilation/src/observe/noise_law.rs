//! What a law of observation errors is.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use scorecast_systems::{Key, Settings};

use crate::error::Result;
use crate::linalg::Cholesky;

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

    /// log p(y | h(x)) of observed value `value` alone, where y is `y` and h(x) is `predicted`: [`NoiseLaw::log_likelihood`] of
    /// one value. Laws of independent values have it without an array.
    fn log_likelihood_of(&self, value: usize, y: f64, predicted: f64) -> f64 {
        let count = self.variance().len();
        let (values, predicted) = (Array1::from_elem(count, y), Array2::from_elem((1, count), predicted));
        self.log_likelihood(values.view(), predicted.view(), &[value])[0]
    }

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

/// How a noise law is built: its settings and the number of observed values.
pub type BuildLaw = fn(&Settings, usize) -> Result<Box<dyn NoiseLaw>>;
