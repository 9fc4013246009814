//! Independent Laplace errors: p(e) = exp(-|e| / b) / (2 b), of variance 2 b^2. Their tails are heavier than a
//! Gaussian's, and the mode of the posterior is that of absolute deviations (Laplace 1774).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Entry, Key, Param, Settings};

use super::each::{draws, log_likelihood, per_value};
use super::{BuildLaw, NoiseLaw};
use crate::error::Result;

const SCALE: Param = Param::floats("scale", &[1.0], "mean absolute error, one for all values or one for each");

pub(super) const ENTRY: Entry<BuildLaw> = Entry {
    name: "laplace",
    about: "independent errors with a two-sided exponential density: heavier tails than a Gaussian",
    reference: "Laplace 1774",
    params: &[SCALE],
    build: |settings: &Settings, dim| Ok(Box::new(Laplace::new(settings.floats(SCALE.key), dim)?)),
};

/// p(e) = exp(-|e| / b) / (2 b).
#[derive(Clone, Debug)]
pub struct Laplace {
    scale: Array1<f64>,
    variance: Array1<f64>,
}

impl Laplace {
    /// Scales b for `dim` values, in the unit of the values: one for all, or one for each.
    ///
    /// # Errors
    /// When the list has another length, or one of them is not a finite number above zero.
    pub fn new(scale: &[f64], dim: usize) -> Result<Self> {
        let scale = per_value(scale, dim, "scale")?;
        let variance = scale.mapv(|b| 2.0 * b * b);
        Ok(Self { scale, variance })
    }
}

impl NoiseLaw for Laplace {
    fn variance(&self) -> ArrayView1<'_, f64> {
        self.variance.view()
    }

    fn observe(&self, predicted: ArrayView2<f64>, key: Key) -> Array2<f64> {
        // the difference of two exponential variables of mean b
        draws(predicted, key, |stream, i, h| h + self.scale[i] * (stream.gamma(1.0) - stream.gamma(1.0)))
    }

    fn log_likelihood(&self, values: ArrayView1<f64>, predicted: ArrayView2<f64>, present: &[usize]) -> Array1<f64> {
        let constants = self.scale.mapv(|b| (2.0 * b).ln());
        log_likelihood(values, predicted, present, |i, y, h| -(y - h).abs() / self.scale[i] - constants[i])
    }

    fn log_likelihood_of(&self, value: usize, y: f64, predicted: f64) -> f64 {
        -(y - predicted).abs() / self.scale[value] - (2.0 * self.scale[value]).ln()
    }
}
