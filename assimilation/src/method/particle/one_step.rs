//! What observations say of x_k, one lead step before them, in closed form: p(y | x_k) = sum_c pi_c N(y; H m_c, H C_c H^T + R)
//! for a one-step law that is a Gaussian or a mixture of Gaussians, whose weights pi, means m and covariances C depend on x_k,
//! and a linear operator.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use scorecast_systems::{Covariance, Forecaster, GaussianMixture};

use crate::error::{Error, Result};
use crate::linalg::Cholesky;
use crate::method::particle::weights::normalise;
use crate::observations::{ObservationSet, Present};

/// The law of lead step `k` for each row of `x` (`[member, component]`); none where it is no mixture of Gaussians.
///
/// # Errors
/// When the forecaster cannot run.
pub(crate) fn mixture(model: &dyn Forecaster, k: usize, x: ArrayView2<f64>) -> Result<Option<GaussianMixture>> {
    if let Some(kernel) = model.gaussian() {
        let (means, covariance) = kernel.moments(k, x)?;
        return Ok(Some(GaussianMixture::single(means, covariance)));
    }
    Ok(model.mixture().map(|kernel| kernel.mixture(k, x)).transpose()?)
}

/// The law of the last lead step before the observations, and H.
fn law_and_matrix(
    model: &dyn Forecaster,
    x: &Array2<f64>,
    observed: &ObservationSet,
) -> Result<(GaussianMixture, Array2<f64>)> {
    let closed = || Error::Unsupported("p(y | x_k) has no closed form here; set weights to \"path\"".to_owned());
    let law = mixture(model, observed.step - 1, x.view())?.ok_or_else(closed)?;
    Ok((law, observed.matrix().ok_or_else(closed)?))
}

/// E[x_{k+1} | x_k], `[member, component]`, and of the values that are present their means given x_k and their variances, errors
/// included, `[member, present]` each.
///
/// # Errors
/// When the law is no mixture of Gaussians, or the operator is not linear.
pub(crate) fn predictive(
    model: &dyn Forecaster,
    x: &Array2<f64>,
    observed: &ObservationSet,
) -> Result<(Array2<f64>, Array2<f64>, Array2<f64>)> {
    let (law, h) = law_and_matrix(model, x, observed)?;
    let chances = || law.log_weights.axis_iter(Axis(1)).map(|logs| logs.mapv(f64::exp).insert_axis(Axis(1)));
    let zero = Array2::zeros(x.raw_dim());
    let state = law.parts.iter().zip(chances()).fold(zero, |sum, ((means, _), chance)| sum + means * &chance);
    let present = observed.restrict(state.view())?;
    let mut variance = Array2::zeros(present.predicted.raw_dim());
    for ((means, covariance), chance) in law.parts.iter().zip(chances()) {
        let shift = means.dot(&h.t()) - state.dot(&h.t());
        variance += &((of_values(covariance, &h, shift.dim()) + &shift * &shift) * &chance);
    }
    variance += &present.variance;
    Ok((state, present.predicted, variance))
}

/// The diagonal of H C H^T, `[member, present]`.
fn of_values(covariance: &Covariance, h: &Array2<f64>, shape: (usize, usize)) -> Array2<f64> {
    let diagonal = |hc: Array2<f64>| (hc * h).sum_axis(Axis(1));
    let mut variance = Array2::zeros(shape);
    match covariance {
        Covariance::Shared(c) => variance += &diagonal(h.dot(c)),
        Covariance::Diagonal(c) => variance += &c.dot(&(h * h).t()),
        Covariance::Factored(c) => {
            let rows = variance.outer_iter_mut().enumerate();
            rows.for_each(|(member, mut row)| row.assign(&diagonal(c.times(h.view(), member))));
        }
    }
    variance
}

/// log p(y | x_k) for each row of `x` (`[member, component]`), x_k one lead step before the observations.
///
/// # Errors
/// When the law is no mixture of Gaussians, the operator is not linear, or a covariance is not positive definite.
pub(crate) fn log_predictive(
    model: &dyn Forecaster,
    x: &Array2<f64>,
    observed: &ObservationSet,
) -> Result<Array1<f64>> {
    let (law, h) = law_and_matrix(model, x, observed)?;
    Ok(log_chances(&law, &h, observed)?.0)
}

/// log p(y | x_k), `[member]`, and the logarithms of the chances that y gives the parts, log pi_c + log N(y; H m_c, H C_c H^T + R)
/// less that, `[member, part]`.
///
/// # Errors
/// When a covariance is not positive definite.
pub(crate) fn log_chances(
    law: &GaussianMixture,
    h: &Array2<f64>,
    observed: &ObservationSet,
) -> Result<(Array1<f64>, Array2<f64>)> {
    let mut out = law.log_weights.clone();
    for ((means, covariance), mut column) in law.parts.iter().zip(out.columns_mut()) {
        let present = observed.restrict(means.view())?;
        let residuals = &present.values - &present.predicted;
        for gain in Gain::all(h, covariance, &present)? {
            let rows = s![gain.rows.clone(), ..];
            let mut some = column.slice_mut(s![gain.rows.clone()]);
            some += &log_normals(&gain.s, residuals.slice(rows).to_owned());
        }
    }
    let sums = out.outer_iter_mut().map(|mut row| {
        let mut logs = row.to_owned();
        let sum = normalise(&mut logs);
        row.assign(&logs);
        sum
    });
    Ok((sums.collect(), out))
}

/// S = H C H^T + R and H C of the members `rows`, which share them.
pub(crate) struct Gain {
    pub rows: Range<usize>,
    s: Cholesky,
    hc: Array2<f64>,
}

impl Gain {
    fn new(rows: Range<usize>, h: &Array2<f64>, hc: Array2<f64>, present: &Present) -> Result<Self> {
        let mut s = hc.dot(&h.t());
        present.add_covariance(&mut s);
        Ok(Self { rows, s: Cholesky::new(s.view())?, hc })
    }

    /// One gain for all members, or one for each.
    pub fn all(h: &Array2<f64>, covariance: &Covariance, present: &Present) -> Result<Vec<Self>> {
        let members = present.predicted.nrows();
        match covariance {
            Covariance::Shared(c) => Ok(vec![Self::new(0..members, h, h.dot(c), present)?]),
            Covariance::Diagonal(c) if c.outer_iter().all(|row| row == c.row(0)) => {
                Ok(vec![Self::new(0..members, h, h * &c.row(0), present)?])
            }
            Covariance::Diagonal(c) => {
                c.outer_iter().enumerate().map(|(i, c)| Self::new(i..i + 1, h, h * &c, present)).collect()
            }
            Covariance::Factored(c) => {
                (0..members).map(|i| Self::new(i..i + 1, h, c.times(h.view(), i), present)).collect()
            }
        }
    }

    /// C H^T S^-1 d for each row d.
    pub fn pull(&self, innovations: ArrayView2<f64>) -> Array2<f64> {
        let mut columns = innovations.t().as_standard_layout().into_owned();
        self.s.solve_in_place(&mut columns);
        columns.t().dot(&self.hc)
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
