//! The first two moments of one lead step, and its derivative, without the noise of a single draw.
//!
//! Where the forecaster has a Gaussian kernel they are the kernel's. Elsewhere two draws from one state tell whether the
//! forecaster is deterministic. If it is not, each state is advanced R times, replicate r with the same noise for every
//! state (common random numbers, so that differences between states keep no noise where the noise is additive); means
//! and covariances are those of the replicates.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use scorecast_systems::{Covariance, Differentiable, Error as SystemError, Forecaster, Key};

use crate::error::Result;

/// E[x_{k+1} | x_k] for each row of `x` (`[point, component]`), and Q = sum w Cov[x_{k+1} | x_k], with `weights`
/// (`[point]`) that sum to 1. `replicates` draws (at least 2) serve a stochastic forecaster without a kernel.
///
/// # Errors
/// When the forecaster itself cannot run.
pub(crate) fn moments(
    model: &dyn Forecaster,
    k: usize,
    x: ArrayView2<f64>,
    weights: ArrayView1<f64>,
    replicates: usize,
    key: Key,
) -> Result<(Array2<f64>, Array2<f64>)> {
    if let Some(kernel) = model.gaussian() {
        let (means, covariance) = kernel.moments(k, x)?;
        return Ok((
            means,
            match covariance {
                Covariance::Shared(covariance) => covariance,
                Covariance::Factored(covariance) => covariance.average(weights),
                Covariance::Diagonal(variances) => Array2::from_diag(&weights.dot(&variances)),
            },
        ));
    }
    if is_deterministic(model, k, x.row(0), key)? {
        let mut next = x.to_owned();
        model.advance(k, 1, &mut next, key)?;
        let dim = x.ncols();
        return Ok((next, Array2::zeros((dim, dim))));
    }
    sampled(model, k, x, weights, replicates, key)
}

/// Whether two draws of lead step `k` from one state `x` (`[component]`) agree.
///
/// # Errors
/// When the forecaster itself cannot run.
pub(crate) fn is_deterministic(model: &dyn Forecaster, k: usize, x: ArrayView1<f64>, key: Key) -> Result<bool> {
    let mut probe = twice(x);
    model.advance(k, 1, &mut probe, key)?;
    Ok(same(&probe))
}

/// The moments over replicates.
fn sampled(
    model: &dyn Forecaster,
    k: usize,
    x: ArrayView2<f64>,
    weights: ArrayView1<f64>,
    replicates: usize,
    key: Key,
) -> Result<(Array2<f64>, Array2<f64>)> {
    let (points, dim) = x.dim();
    let mut means = Array2::zeros((points, dim));
    let mut q = Array2::zeros((dim, dim));
    let mut draws = Array2::zeros((replicates, dim));
    for (point, weight) in weights.iter().enumerate() {
        // stream r is replicate r, for each point the same
        draws.assign(&x.row(point));
        model.advance(k, 1, &mut draws, key)?;
        let (mean, centred) = crate::ensemble::anomalies(draws.view(), None);
        means.row_mut(point).assign(&mean);
        q.scaled_add(weight / (replicates as f64 - 1.0), &centred.t().dot(&centred));
    }
    Ok((means, q))
}

/// The derivative of E[M(x)], `[component, component]`, of lead step `k` at one state `x` (`[component]`): that of the mean
/// where the forecaster knows it, otherwise E[M'(x)], where noise enters the derivative over `replicates` draws.
///
/// # Errors
/// When the forecaster itself cannot run.
pub(crate) fn jacobian(
    derivative: &dyn Differentiable,
    k: usize,
    x: ArrayView1<f64>,
    replicates: usize,
    key: Key,
) -> Result<Array2<f64>> {
    let dim = x.len();
    let units = Array2::eye(dim);
    let mut repeated = Array2::zeros((dim, dim));
    repeated.assign(&x);
    match derivative.mean_tangent(k, repeated.view(), units.view()) {
        Ok((_, columns)) => return Ok(columns.reversed_axes()),
        Err(SystemError::Unsupported(_)) => {}
        Err(other) => return Err(other.into()),
    }
    let probe = derivative.tangent(k, twice(x).view(), Array2::ones((2, dim)).view(), key)?.1;
    if same(&probe) {
        return Ok(derivative.tangent(k, repeated.view(), units.view(), key)?.1.reversed_axes());
    }
    let mut sum = Array2::zeros((dim, dim));
    let mut repeated = Array2::zeros((replicates, dim));
    repeated.assign(&x);
    for j in 0..dim {
        let mut unit = Array2::zeros((replicates, dim));
        unit.column_mut(j).fill(1.0);
        let (_, columns) = derivative.tangent(k, repeated.view(), unit.view(), key)?;
        sum.column_mut(j).assign(&columns.mean_axis(Axis(0)).unwrap_or_default());
    }
    Ok(sum)
}

fn twice(x: ArrayView1<f64>) -> Array2<f64> {
    let mut out = Array2::zeros((2, x.len()));
    out.assign(&x);
    out
}

/// Whether two draws agree up to rounding; also where both have diverged.
fn same(draws: &Array2<f64>) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (a.abs() + b.abs()) || !(a.is_finite() && b.is_finite());
    draws.row(0).iter().zip(draws.row(1)).all(|(a, b)| near(*a, *b))
}
