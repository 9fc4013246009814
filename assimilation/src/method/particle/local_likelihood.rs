//! What the observations near a component say of each member: the local weights of a particle filter.
//!
//! With rho_j the taper's weight of observation j, log w_n = sum_j rho_j log p(y_j | x_n). Where Gaussian errors are
//! correlated, with e_n the near residuals, log w_n = -|L^-1 e_n|^2 / 2 up to a constant ([`LocalErrors`]): the same
//! sum where R is diagonal, and the likelihood itself where all weights are 1.

use ndarray::{Array1, Array2};

use crate::method::ensemble::local_errors::{LocalErrors, half_solve};
use crate::observations::ObservationSet;

/// The likelihood of the present values of a set.
pub(crate) enum LocalLikelihood<'a> {
    /// log p(y_j | x_n) of each value alone, `[present, member]`.
    Independent(Array2<f64>),
    /// y - h(x), `[present, member]`, and the law of the errors.
    Correlated(Array2<f64>, LocalErrors<'a>),
}

/// The room that it takes to weigh members.
#[derive(Default)]
pub(crate) struct LikelihoodWorkspace {
    factor: Vec<f64>,
    residuals: Vec<f64>,
}

impl<'a> LocalLikelihood<'a> {
    /// Of the values of `observed` listed in `present`, given h(x), `[member, observed]`.
    pub fn new(observed: &ObservationSet<'a>, predicted: &Array2<f64>, present: &[usize]) -> Self {
        let mut out = Array2::zeros((present.len(), predicted.nrows()));
        let rows = out.outer_iter_mut().zip(present);
        if let Some(errors) = LocalErrors::of(observed, present) {
            rows.for_each(|(mut row, &value)| row.assign(&(observed.values[value] - &predicted.column(value))));
            return Self::Correlated(out, errors);
        }
        let law = observed.operator.error();
        rows.for_each(|(mut row, &value)| row.assign(&law.log_likelihood(observed.values, predicted.view(), &[value])));
        Self::Independent(out)
    }

    /// log w of the members, `[member]`, up to a constant, by the observations `near` and their weights.
    pub fn log_weights(
        &self,
        near: &[(usize, f64)],
        LikelihoodWorkspace { factor, residuals }: &mut LikelihoodWorkspace,
    ) -> Array1<f64> {
        match self {
            Self::Independent(each) => {
                let mut log_weights = Array1::zeros(each.ncols());
                near.iter().for_each(|&(value, weight)| log_weights.scaled_add(weight, &each.row(value)));
                log_weights
            }
            Self::Correlated(each, errors) => {
                let mut log_weights = Array1::zeros(each.ncols());
                errors.factorize(near, factor);
                residuals.clear();
                near.iter().for_each(|&(value, _)| residuals.extend(each.row(value)));
                half_solve(factor, residuals, each.ncols());
                for row in residuals.chunks_exact(each.ncols()) {
                    log_weights.iter_mut().zip(row).for_each(|(sum, e)| *sum -= 0.5 * e * e);
                }
                log_weights
            }
        }
    }
}
