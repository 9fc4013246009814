//! Independent Gaussian errors: e ~ N(0, R), R = diag(r^2).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Entry, Key, Param, Settings};

use super::each::{draws, log_likelihood, per_value};
use super::{BuildLaw, NoiseLaw};
use crate::error::Result;

const SD: Param = Param::floats("sd", &[1.0], "standard deviation, one for all values or one for each");

pub(super) const ENTRY: Entry<BuildLaw> = Entry {
    name: "gaussian",
    about: "independent Gaussian errors: y = h(x) + sd xi",
    reference: "",
    params: &[SD],
    build: |settings: &Settings, dim| Ok(Box::new(GaussianError::new(settings.floats(SD.key), dim)?)),
};

/// N(0, diag(variance)).
#[derive(Clone, Debug)]
pub struct GaussianError {
    variance: Array1<f64>,
}

impl GaussianError {
    /// Standard deviations for `dim` values, in the unit of the values: one for all, or one for each.
    ///
    /// # Errors
    /// When the list has another length, or one of them is not a finite number above zero.
    pub fn new(sd: &[f64], dim: usize) -> Result<Self> {
        let variance = per_value(sd, dim, "standard deviation")?.mapv_into(|sd| sd * sd);
        Ok(Self { variance })
    }
}

impl NoiseLaw for GaussianError {
    fn variance(&self) -> ArrayView1<'_, f64> {
        self.variance.view()
    }

    fn observe(&self, predicted: ArrayView2<f64>, key: Key) -> Array2<f64> {
        let sd = self.variance.mapv(f64::sqrt);
        draws(predicted, key, |stream, i, h| h + stream.normal() * sd[i])
    }

    fn log_likelihood(&self, values: ArrayView1<f64>, predicted: ArrayView2<f64>, present: &[usize]) -> Array1<f64> {
        let log_2_pi = (2.0 * std::f64::consts::PI).ln();
        let constants = self.variance.mapv(f64::ln);
        log_likelihood(values, predicted, present, |i, y, h| {
            let residual = y - h;
            -0.5 * (residual * residual / self.variance[i] + constants[i] + log_2_pi)
        })
    }

    fn log_likelihood_of(&self, value: usize, y: f64, predicted: f64) -> f64 {
        let (residual, variance) = (y - predicted, self.variance[value]);
        -0.5 * (residual * residual / variance + variance.ln() + (2.0 * std::f64::consts::PI).ln())
    }

    fn is_gaussian(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::Domain;

    use super::*;

    #[test]
    fn the_density_is_that_of_the_present_values_and_the_draws_have_its_variance() {
        let law = GaussianError::new(&[0.5, 2.0, 1.0], 3).unwrap();
        let residual = ndarray::array![0.3, -1.0, f64::NAN];
        // (.3/.5)^2 = .36 and (1/2)^2 = .25; the two standard deviations multiply to 1
        let exact = -0.5 * (0.36 + 0.25) - (2.0 * std::f64::consts::PI).ln();
        assert!((law.log_density(residual.view(), &[0, 1]) - exact).abs() < 1e-14);
        let rows = 20_000;
        let draws = law.sample(rows, Key::new(1, Domain::Truth));
        for (column, variance) in draws.columns().into_iter().zip(law.variance()) {
            let measured = column.dot(&column) / rows as f64;
            // five standard errors of a sample variance
            assert!((measured / variance - 1.0).abs() < 5.0 * (2.0 / rows as f64).sqrt());
        }
    }

    #[test]
    fn one_standard_deviation_serves_all_values_and_wrong_ones_are_refused() {
        assert_eq!(GaussianError::new(&[2.0], 3).unwrap().variance(), ndarray::array![4.0, 4.0, 4.0]);
        let message = GaussianError::new(&[1.0, 2.0], 3).unwrap_err().to_string();
        assert!(message.contains("2 standard deviations") && message.contains("3 values"), "{message}");
        assert!(GaussianError::new(&[0.0], 3).is_err() && GaussianError::new(&[f64::NAN], 3).is_err());
    }
}
