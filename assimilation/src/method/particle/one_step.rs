//! p(y | x_k) in closed form: N(y; H m(x_k), H C(x_k) H^T + R) for a Gaussian one-step law and a linear operator.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use scorecast_systems::{Covariance, Forecaster};

use crate::error::{Error, Result};
use crate::linalg::Cholesky;
use crate::observations::ObservationSet;

/// The means and the covariance of x_{k+1}, and H.
type Predicted = (Array2<f64>, Covariance, Array2<f64>);

fn predicted(model: &dyn Forecaster, x: &Array2<f64>, observed: &ObservationSet) -> Result<Predicted> {
    let Some((kernel, h)) = model.gaussian().and_then(|kernel| Some((kernel, observed.matrix()?))) else {
        return Err(Error::Unsupported("p(y | x_k) has no closed form here; set weights to \"path\"".to_owned()));
    };
    let (means, covariance) = kernel.moments(observed.step - 1, x.view())?;
    Ok((means, covariance, h))
}

/// E[x_{k+1} | x_k], `[member, component]`, and of the values that are present their means given x_k and their variances, errors
/// included, `[member, present]` each.
///
/// # Errors
/// When the forecaster has no moments, or the operator is not linear.
pub(crate) fn predictive(
    model: &dyn Forecaster,
    x: &Array2<f64>,
    observed: &ObservationSet,
) -> Result<(Array2<f64>, Array2<f64>, Array2<f64>)> {
    let (state, covariance, h) = predicted(model, x, observed)?;
    let present = observed.restrict(state.view())?;
    let diagonal = |hc: Array2<f64>| (hc * &h).sum_axis(Axis(1));
    let mut variance = Array2::zeros(present.predicted.raw_dim());
    match covariance {
        Covariance::Shared(c) => variance += &diagonal(h.dot(&c)),
        Covariance::Diagonal(c) => variance += &c.dot(&(&h * &h).t()),
        Covariance::Factored(c) => {
            let rows = variance.outer_iter_mut().enumerate();
            rows.for_each(|(member, mut row)| row.assign(&diagonal(c.times(h.view(), member))));
        }
    }
    variance += &present.variance;
    Ok((state, present.predicted, variance))
}

/// log p(y | x_k) for each row of `x` (`[member, component]`), x_k one lead step before the observations.
///
/// # Errors
/// When the forecaster has no moments, the operator is not linear, or a covariance is not positive definite.
pub(crate) fn log_predictive(
    model: &dyn Forecaster,
    x: &Array2<f64>,
    observed: &ObservationSet,
) -> Result<Array1<f64>> {
    let (means, covariance, h) = predicted(model, x, observed)?;
    let present = observed.restrict(means.view())?;
    let residuals = &present.values - &present.predicted;
    let predictive = |c: Array2<f64>| -> Result<Cholesky> {
        let mut s = c;
        present.add_covariance(&mut s);
        Cholesky::new(s.view())
    };
    let of_diagonal = |c: ArrayView1<f64>| predictive((&h * &c).dot(&h.t()));
    match covariance {
        Covariance::Shared(c) => Ok(log_normals(&predictive(h.dot(&c).dot(&h.t()))?, residuals)),
        Covariance::Diagonal(c) if c.outer_iter().all(|row| row == c.row(0)) => {
            Ok(log_normals(&of_diagonal(c.row(0))?, residuals))
        }
        Covariance::Diagonal(c) => residuals
            .outer_iter()
            .zip(c.outer_iter())
            .map(|(residual, c)| Ok(of_diagonal(c)?.log_normal(&residual.to_owned()).0))
            .collect(),
        Covariance::Factored(c) => {
            let of = |(member, residual): (usize, ArrayView1<f64>)| {
                let factor = predictive(c.times(h.view(), member).dot(&h.t()))?;
                Ok(factor.log_normal(&residual.to_owned()).0)
            };
            residuals.outer_iter().enumerate().map(of).collect()
        }
    }
}

/// log N(residual; 0, S) for each row of `residuals`, with one factor for all.
pub(crate) fn log_normals(s: &Cholesky, residuals: Array2<f64>) -> Array1<f64> {
    let constant = s.log_det() + residuals.ncols() as f64 * (2.0 * std::f64::consts::PI).ln();
    let mut white = residuals.reversed_axes().as_standard_layout().into_owned();
    s.half_solve_in_place(&mut white);
    let squares = white.mapv_into(|value| value * value).sum_axis(Axis(0));
    squares.mapv_into(|square| -0.5 * (square + constant))
}
