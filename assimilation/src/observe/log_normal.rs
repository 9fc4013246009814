//! Multiplicative log-normal errors: y = h(x) exp(s xi), xi ~ N(0, 1) (Fletcher and Zupanski 2006).
//!
//! h(x) is the median of y; the mean is h exp(s^2 / 2) and the variance h^2 exp(s^2) (exp(s^2) - 1). y has the sign of
//! h(x): log p(y | h) = log N(log(y / h); 0, s^2) - log |y|, and -inf where the signs differ or one of them is 0.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Entry, Key, Param, Settings};

use super::each::{draws, log_likelihood, per_value};
use super::{BuildLaw, NoiseLaw};
use crate::error::Result;

const SD: Param = Param::floats("sd", &[0.1], "standard deviation of log y, one for all values or one for each");

pub(super) const ENTRY: Entry<BuildLaw> = Entry {
    name: "log_normal",
    about: "multiplicative errors: y = h(x) exp(sd xi), with median h(x)",
    reference: "Fletcher and Zupanski 2006",
    params: &[SD],
    build: |settings: &Settings, dim| Ok(Box::new(LogNormal::new(settings.floats(SD.key), dim)?)),
};

/// y = h(x) exp(s xi).
#[derive(Clone, Debug)]
pub struct LogNormal {
    sd: Array1<f64>,
    /// NaN: the variance depends on h(x).
    unknown: Array1<f64>,
}

impl LogNormal {
    /// Standard deviations s of log y for `dim` values: one for all, or one for each.
    ///
    /// # Errors
    /// When the list has another length, or one of them is not a finite number above zero.
    pub fn new(sd: &[f64], dim: usize) -> Result<Self> {
        let sd = per_value(sd, dim, "standard deviation")?;
        Ok(Self { sd, unknown: Array1::from_elem(dim, f64::NAN) })
    }
}

impl NoiseLaw for LogNormal {
    fn variance(&self) -> ArrayView1<'_, f64> {
        self.unknown.view()
    }

    fn observe(&self, predicted: ArrayView2<f64>, key: Key) -> Array2<f64> {
        draws(predicted, key, |stream, i, h| h * (self.sd[i] * stream.normal()).exp())
    }

    fn log_likelihood(&self, values: ArrayView1<f64>, predicted: ArrayView2<f64>, present: &[usize]) -> Array1<f64> {
        let constants = self.sd.mapv(|s| -0.5 * (2.0 * std::f64::consts::PI).ln() - s.ln());
        log_likelihood(values, predicted, present, |i, y, h| {
            let ratio = y / h;
            if ratio > 0.0 && ratio.is_finite() {
                let z = ratio.ln() / self.sd[i];
                constants[i] - 0.5 * z * z - y.abs().ln()
            } else {
                f64::NEG_INFINITY
            }
        })
    }

    fn log_likelihood_of(&self, value: usize, y: f64, predicted: f64) -> f64 {
        let (ratio, sd) = (y / predicted, self.sd[value]);
        if !(ratio > 0.0 && ratio.is_finite()) {
            return f64::NEG_INFINITY;
        }
        let z = ratio.ln() / sd;
        -0.5 * (2.0 * std::f64::consts::PI).ln() - sd.ln() - 0.5 * z * z - y.abs().ln()
    }

    fn moments(&self, predicted: ArrayView2<f64>) -> Option<(Array2<f64>, Array2<f64>)> {
        let mean = &predicted * &self.sd.mapv(|s| (0.5 * s * s).exp());
        let variance = &mean * &mean * self.sd.mapv(|s| (s * s).exp_m1());
        Some((mean, variance))
    }
}
