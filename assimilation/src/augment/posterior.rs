//! A posterior of [x, u] taken apart: that of x, and what is thought of theta = g^-1(u).

use ndarray::{Array1, Array2, s};

use super::Parameter;
use crate::ensemble::{weighted_mean, weighted_variance};
use crate::outcome::{Outcome, Smoothed};

/// What a posterior says of the parameters, on their own scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// theta of each member, `[member, parameter]`; weighted as the members are.
    pub members: Array2<f64>,
    /// Mean of theta, `[parameter]`.
    pub mean: Array1<f64>,
    /// Standard deviation of theta, `[parameter]`.
    pub sd: Array1<f64>,
}

/// The posterior of x alone, and the estimate of the parameters, of a posterior of [x, u] whose u these are; without
/// parameters the posterior as it is, and none. What a smoother says of earlier times is of x alone afterwards too.
pub fn split(outcome: Outcome, parameters: &[Parameter]) -> (Outcome, Option<Estimate>) {
    if parameters.is_empty() {
        return (outcome, None);
    }
    let dim = outcome.ensemble.ncols() - parameters.len();
    let estimate = estimate(&outcome, parameters, dim);
    (outcome.of_first(dim), Some(estimate))
}

/// What a smoother says of x alone, where the state is [x, u] with `parameters` components u.
pub fn split_smoothed(smoothed: Smoothed, parameters: usize) -> Smoothed {
    if parameters == 0 {
        return smoothed;
    }
    let dim = smoothed.ensemble.ncols() - parameters;
    smoothed.of_first(dim)
}

fn estimate(outcome: &Outcome, parameters: &[Parameter], dim: usize) -> Estimate {
    let of = |ensemble: &Array2<f64>| {
        let mut members = ensemble.slice(s![.., dim..]).to_owned();
        for (mut column, parameter) in members.columns_mut().into_iter().zip(parameters) {
            column.mapv_inplace(|u| parameter.value(u));
        }
        members
    };
    let (mean, sd) = match &outcome.gaussian {
        // draws of exact moments would add their own error
        Some((mean, covariance)) => {
            let variance = covariance.diag();
            (0..parameters.len()).map(|at| parameters[at].moments(mean[dim + at], variance[dim + at])).unzip()
        }
        None => {
            let (ensemble, weights) = outcome.posterior();
            let members = of(ensemble);
            (
                weighted_mean(members.view(), weights).to_vec(),
                weighted_variance(members.view(), weights).mapv(f64::sqrt).to_vec(),
            )
        }
    };
    Estimate { members: of(outcome.kept().0), mean: Array1::from(mean), sd: Array1::from(sd) }
}
