//! Counts: y ~ Poisson(h(x)), with mean and variance h(x) (Poisson 1837).
//!
//! log p(y | h) = y log h - h - log y!. Where h = 0 the count is 0; where h < 0 there is no law: draws are NaN, which is
//! a missing value, and the density is -inf, as for a y that is not a whole number of at least 0. Use it after an operator
//! that is never negative (`exp`, `square`, `threshold`).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Entry, Key, Settings};
use statrs::function::gamma::ln_gamma;

use super::each::{draws, log_likelihood};
use super::{BuildLaw, NoiseLaw};

pub(super) const ENTRY: Entry<BuildLaw> = Entry {
    name: "poisson",
    about: "counts with mean h(x), which must not be negative",
    reference: "Poisson 1837",
    params: &[],
    build: |_: &Settings, dim| Ok(Box::new(Poisson::new(dim))),
};

/// y ~ Poisson(h(x)).
#[derive(Clone, Debug)]
pub struct Poisson {
    /// NaN: the variance depends on h(x).
    unknown: Array1<f64>,
}

impl Poisson {
    /// For `dim` values.
    pub fn new(dim: usize) -> Self {
        Self { unknown: Array1::from_elem(dim, f64::NAN) }
    }
}

/// log p(y | h).
fn log_mass(y: f64, h: f64) -> f64 {
    if !(h >= 0.0 && h.is_finite() && y >= 0.0 && y.fract() == 0.0) {
        return f64::NEG_INFINITY;
    }
    // 0 log 0 is 0
    let power = if y == 0.0 { 0.0 } else { y * h.ln() };
    power - h - ln_gamma(y + 1.0)
}

impl NoiseLaw for Poisson {
    fn variance(&self) -> ArrayView1<'_, f64> {
        self.unknown.view()
    }

    fn observe(&self, predicted: ArrayView2<f64>, key: Key) -> Array2<f64> {
        draws(predicted, key, |stream, _, h| stream.poisson(h))
    }

    fn log_likelihood(&self, values: ArrayView1<f64>, predicted: ArrayView2<f64>, present: &[usize]) -> Array1<f64> {
        log_likelihood(values, predicted, present, |_, y, h| log_mass(y, h))
    }

    fn log_likelihood_of(&self, _value: usize, y: f64, predicted: f64) -> f64 {
        log_mass(y, predicted)
    }

    fn moments(&self, predicted: ArrayView2<f64>) -> Option<(Array2<f64>, Array2<f64>)> {
        Some((predicted.to_owned(), predicted.to_owned()))
    }
}
