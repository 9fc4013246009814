//! One step of backward simulation: log p(x_{k+1} | x_k^j) of one state for all members j, and the draw of a member.
//!
//! Where the lead step is N(m, C) its moments are taken once for all states: with C = L L^T the density is
//! exp(-|L^-1 x_{k+1} - L^-1 m(x_k^j)|^2 / 2) up to a constant.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use scorecast_systems::{Covariance, Forecaster};

use crate::error::{Error, Result};
use crate::linalg::Cholesky;

/// log p(x_{k+1} | x_k^j) for all members j of a lead step, up to a constant.
pub(crate) enum Transition<'a> {
    /// L^-1 m(x^j), one member after the other, C = L L^T.
    Shared(Cholesky, Vec<f64>),
    /// m(x^j) and the variances, and half the logarithm of their product.
    Diagonal(Array2<f64>, Array2<f64>, Array1<f64>),
    /// Whatever density the forecaster has.
    Other(&'a dyn Forecaster, usize, ArrayView2<'a, f64>),
}

impl<'a> Transition<'a> {
    /// From the members `x` (`[member, component]`) at lead step `k`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run, or its kernel has no variance in some direction.
    pub(crate) fn new(model: &'a dyn Forecaster, k: usize, x: ArrayView2<'a, f64>) -> Result<Self> {
        let Some(kernel) = model.gaussian() else { return Ok(Self::Other(model, k, x)) };
        let (means, covariance) = kernel.moments(k, x)?;
        Ok(match covariance {
            Covariance::Shared(c) => {
                let factor = Cholesky::new(c.view())?;
                let white = whiten(&factor, means.view());
                Self::Shared(factor, white.into_raw_vec_and_offset().0)
            }
            Covariance::Diagonal(c) => {
                let half_log = c.map_axis(Axis(1), |row| 0.5 * row.iter().map(|v| v.ln()).sum::<f64>());
                Self::Diagonal(means, c, half_log)
            }
            // a factor for each member: the density of such a law has them
            Covariance::Factored(_) => Self::Other(model, k, x),
        })
    }

    /// Adds it to `log_weights`, `[member]`, for one `next`, `[component]`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run or has no density.
    pub(crate) fn add(&self, next: ArrayView1<f64>, log_weights: &mut Array1<f64>) -> Result<()> {
        match self {
            Self::Shared(factor, white) => {
                let next = whiten(factor, next.insert_axis(Axis(0))).remove_axis(Axis(0));
                for (log_weight, mean) in log_weights.iter_mut().zip(white.chunks_exact(next.len())) {
                    *log_weight -= 0.5 * next.iter().zip(mean).map(|(x, m)| (x - m) * (x - m)).sum::<f64>();
                }
            }
            Self::Diagonal(means, variances, half_log) => {
                for (j, log_weight) in log_weights.iter_mut().enumerate() {
                    let terms = next.iter().zip(means.row(j)).zip(variances.row(j));
                    *log_weight -= half_log[j] + 0.5 * terms.map(|((x, m), v)| (x - m) * (x - m) / v).sum::<f64>();
                }
            }
            Self::Other(model, k, x) => {
                let density = model.density().ok_or_else(no_density)?;
                let mut repeated = Array2::zeros(x.raw_dim());
                repeated.assign(&next);
                *log_weights += &density.log_prob(*k, *x, repeated.view())?;
            }
        }
        Ok(())
    }
}

/// The remedy where a forecaster has no density.
pub(crate) fn no_density() -> Error {
    Error::Unsupported(
        "method `ffbsi` needs the density of a lead step, which this forecaster does not have (a system has it with noise \
         in every component, integrator `euler_maruyama` and one substep); use `enrts` with this one"
            .to_owned(),
    )
}

/// L^-1 of each row.
fn whiten(factor: &Cholesky, rows: ArrayView2<f64>) -> Array2<f64> {
    let mut columns = rows.t().as_standard_layout().into_owned();
    factor.half_solve_in_place(&mut columns);
    columns.reversed_axes().as_standard_layout().into_owned()
}

/// The member that a uniform number picks by weights given as logarithms, which need not be normalised and are used up; a
/// NaN counts as the weight 0, and where no weight is left all are equal.
pub(crate) fn pick(log_weights: &mut Array1<f64>, uniform: f64) -> usize {
    let largest = log_weights.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let mut total = 0.0;
    for weight in log_weights.iter_mut() {
        *weight = if weight.is_nan() { 0.0 } else { (*weight - largest).exp() };
        total += *weight;
    }
    if !(total.is_finite() && total > 0.0) {
        return ((uniform * log_weights.len() as f64) as usize).min(log_weights.len() - 1);
    }
    let mut rest = uniform * total;
    let picks = |weight: &f64| {
        rest -= weight;
        rest < 0.0
    };
    // round-off in the sum may leave the last place open
    log_weights.iter().position(picks).unwrap_or(log_weights.len() - 1)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_uniform_number_picks_by_the_cumulative_weights() {
        let log_weights = array![0.2f64, 0.0, 0.5, 0.3].mapv(|w| w.ln() - 900.0);
        for (uniform, expected) in [(0.0, 0), (0.199, 0), (0.201, 2), (0.699, 2), (0.701, 3), (0.999_999_999, 3)] {
            assert_eq!(pick(&mut log_weights.clone(), uniform), expected, "{uniform}");
        }
        // a density that is not a number counts as 0
        let mut partly = array![f64::NAN, 0.5f64.ln(), f64::NAN, 0.5f64.ln()];
        assert_eq!(pick(&mut partly.clone(), 0.3), 1);
        assert_eq!(pick(&mut partly, 0.7), 3);
        let mut lost = Array1::from_elem(4, f64::NEG_INFINITY);
        assert_eq!(pick(&mut lost, 0.6), 2);
    }
}
