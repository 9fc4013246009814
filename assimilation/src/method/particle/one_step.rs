//! What observations say of x_k, one lead step before them, in closed form: p(y | x_k) = sum_c pi_c N(y; H m_c, H C_c H^T + R)
//! for a one-step law that is a Gaussian or a mixture of Gaussians, whose weights pi, means m and covariances C depend on x_k,
//! and a linear operator.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use scorecast_systems::{Covariance, Forecaster, GaussianMixture};

use crate::error::{Error, Result};
use crate::linalg::Cholesky;
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

/// log p(y | x_k) for each row of `x` (`[member, component]`), x_k one lead step before the observations.
///
/// # Errors
/// When the law is no mixture of Gaussians, the operator is not linear, or a covariance is not positive definite.
pub(crate) fn log_predictive(
    model: &dyn Forecaster,
    x: &Array2<f64>,
    observed: &ObservationSet,
) -> Result<Array1<f64>> {
    let closed = || Error::Unsupported("p(y | x_k) has no closed form here; set weights to \"path\"".to_owned());
    let law = mixture(model, observed.step - 1, x.view())?.ok_or_else(closed)?;
    let h = observed.matrix().ok_or_else(closed)?;
    Ok(log_sums(&log_joint(&law, &h, observed)?))
}

/// log pi_c + log N(y; H m_c, H C_c H^T + R), `[member, part]`.
///
/// # Errors
/// When a covariance is not positive definite.
pub(crate) fn log_joint(law: &GaussianMixture, h: &Array2<f64>, observed: &ObservationSet) -> Result<Array2<f64>> {
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
    Ok(out)
}

/// log sum exp of each row, without loss where there is one column.
pub(crate) fn log_sums(logs: &Array2<f64>) -> Array1<f64> {
    logs.map_axis(Axis(1), |row| {
        let most = row.fold(f64::NEG_INFINITY, |most: f64, log| most.max(*log));
        if row.len() == 1 || !most.is_finite() {
            return if row.iter().any(|log| log.is_nan()) { f64::NAN } else { most };
        }
        most + row.iter().map(|log| (log - most).exp()).sum::<f64>().ln()
    })
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
