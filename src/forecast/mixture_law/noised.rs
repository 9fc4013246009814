//! A mixture under x_t = alpha z + sigma eps: part k is N(alpha m_k, alpha^2 C_k + sigma^2 I).
//!
//! With w_k the share of part k in the density at x_t and y_k = (alpha^2 C_k + sigma^2 I)^-1 (x_t - alpha m_k), it denoises
//! to D_k = m_k + alpha C_k y_k. Then D = sum_k w_k D_k, the score is -sum_k w_k y_k = (alpha D - x_t) / sigma^2, and
//! J = dD/dx_t = sum_k w_k (alpha C_k (alpha^2 C_k + sigma^2 I)^-1 - (D_k - D) y_k^T), which is symmetric, being
//! (alpha / sigma^2) Cov[z | x_t].

use std::f64::consts::TAU;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Zip};
use rayon::prelude::*;

use super::{GaussianPart, log_sum_exp, row};
use crate::systems::gaussian::{NoisedCovariance, Solved};
use crate::systems::{FactoredCovariance, Level};

/// The law of x_t, factored.
pub struct NoisedLaw<'a> {
    log_weights: &'a Array2<f64>,
    parts: &'a [GaussianPart],
    alpha: f64,
    /// The covariances of each part: of each member, or one.
    covariances: Vec<Vec<NoisedCovariance<'a>>>,
}

/// What the law says of one member's x_t: of each part its log (pi_k N_k) and y_k.
struct AtPoint {
    log_shares: Vec<f64>,
    solved: Vec<Solved>,
}

impl<'a> NoisedLaw<'a> {
    /// Of log pi `[member, part]` and the parts.
    pub fn new(log_weights: &'a Array2<f64>, parts: &'a [GaussianPart], level: Level) -> Self {
        let covariances = parts.iter().map(|part| noised(&part.covariance, level)).collect();
        Self { log_weights, parts, alpha: level.alpha, covariances }
    }

    /// log p(x_t), `[member]`.
    pub fn log_density(&self, x_t: ArrayView2<f64>) -> Array1<f64> {
        let shares = self.log_shares(x_t);
        shares.outer_iter().map(|row| log_sum_exp(row.iter().copied())).collect()
    }

    /// log (pi_k N_k) at x_t, `[member, part]`.
    fn log_shares(&self, x_t: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros(self.log_weights.dim());
        let rows = Zip::indexed(out.rows_mut()).and(x_t.rows());
        rows.par_for_each(|member, mut row, x_t| row.assign(&Array1::from(self.at(member, x_t).log_shares)));
        out
    }

    /// D, `[member, component]`.
    pub fn denoise(&self, x_t: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros(x_t.dim());
        Zip::indexed(out.rows_mut()).and(x_t.rows()).par_for_each(|member, mut row, x_t| {
            let point = self.at(member, x_t);
            for (k, weight) in point.weights().into_iter().enumerate() {
                row.scaled_add(weight, &self.denoised_by(k, member, &point));
            }
        });
        out
    }

    /// J^T v, `[member, component]`.
    pub fn pulled_back(&self, x_t: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros(x_t.dim());
        let rows = Zip::indexed(out.rows_mut()).and(x_t.rows()).and(v.rows());
        rows.par_for_each(|member, mut row, x_t, v| {
            let point = self.at(member, x_t);
            let weights = point.weights();
            // of (D_k - D) . v only differences count, so that D_k . v may stand for D_k
            let along: Vec<f64> = (0..weights.len()).map(|k| self.denoised_by(k, member, &point).dot(&v)).collect();
            let mean: f64 = weights.iter().zip(&along).map(|(weight, along)| weight * along).sum();
            for (k, weight) in weights.into_iter().enumerate() {
                row.scaled_add(weight, &self.covariance(k, member).solve(v).gained);
                row.scaled_add(-weight * (along[k] - mean), &point.solved[k].y);
            }
        });
        out
    }

    fn covariance(&self, k: usize, member: usize) -> &NoisedCovariance<'a> {
        &self.covariances[k][row(&self.parts[k].covariance, member)]
    }

    fn at(&self, member: usize, x_t: ArrayView1<f64>) -> AtPoint {
        let of = |k: usize| {
            let residual = &x_t - &(&self.parts[k].mean.row(member) * self.alpha);
            let covariance = self.covariance(k, member);
            let solved = covariance.solve(residual.view());
            let log_density = -0.5 * (solved.quadratic + covariance.log_det() + x_t.len() as f64 * TAU.ln());
            (self.log_weights[[member, k]] + log_density, solved)
        };
        let (log_shares, solved) = (0..self.parts.len()).map(of).unzip();
        AtPoint { log_shares, solved }
    }

    /// D_k of a member, `[component]`.
    fn denoised_by(&self, k: usize, member: usize, point: &AtPoint) -> Array1<f64> {
        &point.solved[k].gained + &self.parts[k].mean.row(member)
    }
}

/// Each alpha^2 C + sigma^2 I, decomposed.
fn noised(covariance: &FactoredCovariance, level: Level) -> Vec<NoisedCovariance<'_>> {
    let of = |row| NoisedCovariance::new(covariance, row, level);
    (0..covariance.diagonal().nrows()).into_par_iter().with_min_len(16).map(of).collect()
}

impl AtPoint {
    /// w, `[part]`.
    fn weights(&self) -> Vec<f64> {
        let total = log_sum_exp(self.log_shares.iter().copied());
        self.log_shares.iter().map(|log| (log - total).exp()).collect()
    }
}
