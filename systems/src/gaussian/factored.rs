//! Laws N(0, diag(d) + W W^T), one for each member: density and denoiser by the identities of Woodbury (1950) and
//! Sylvester, with r x r systems in place of n x n.
//!
//! Density, with u = d^(-1/2) x, V = d^(-1/2) W and M = I + V^T V: log det C = sum log d + log det M, and
//! x^T C^-1 x = min_b ‖u - V b‖^2 + ‖b‖^2, taken at b = M^-1 V^T u: a sum of squares, where u^T u - u^T V b would
//! cancel. A component without d has no V; the law is then taken from the eigenvalues of C, on its support.
//!
//! Denoiser of x_t = alpha x + sigma eps, with s = alpha^2 d + sigma^2 and M = I + alpha^2 W^T diag(1/s) W:
//! D = alpha (d / s) x_t + alpha (sigma^2 / s) W M^-1 W^T (x_t / s), whose Jacobian is symmetric.

use std::f64::consts::TAU;

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::SymmetricEigen;
use super::law::log_normal;
use crate::error::Result;
use crate::law::FactoredCovariance;
use crate::noising::{Denoiser, DifferentiableDenoiser, Level, Pullback};

/// I + F^T diag(`weights`) F, decomposed; none where it is not finite.
fn capacitance(factor: ArrayView2<f64>, weights: ArrayView1<f64>) -> Option<Cholesky<f64, Dyn>> {
    let weighted = &factor * &weights.insert_axis(Axis(1));
    let inner = factor.t().dot(&weighted);
    let r = inner.nrows();
    DMatrix::from_fn(r, r, |i, j| inner[[i, j]] + f64::from(u8::from(i == j))).cholesky()
}

/// M^-1 b.
fn solve(capacitance: &Cholesky<f64, Dyn>, b: Array1<f64>) -> Array1<f64> {
    let mut solution = DVector::from_vec(b.to_vec());
    capacitance.solve_mut(&mut solution);
    Array1::from(solution.as_slice().to_vec())
}

/// log N(`residual`; 0, C) of one member, on the support of that law to `tolerance`.
pub(super) fn log_density(
    covariance: &FactoredCovariance,
    member: usize,
    residual: ArrayView1<f64>,
    tolerance: f64,
) -> Result<f64> {
    let (d, factor) = (covariance.diagonal().row(member), covariance.factor().index_axis(Axis(0), member));
    if d.iter().chain(&factor).any(|value| !value.is_finite()) {
        return Ok(f64::NAN);
    }
    if d.iter().all(|value| *value > 0.0)
        && let Some(capacitance) = capacitance(factor, d.mapv(|value| 1.0 / value).view())
    {
        let root = d.mapv(f64::sqrt);
        let (u, v) = (&residual / &root, &factor / &root.insert_axis(Axis(1)));
        let b = solve(&capacitance, v.t().dot(&u));
        let outside = u - v.dot(&b);
        let log_det = d.mapv(f64::ln).sum() + 2.0 * capacitance.l_dirty().diagonal().map(f64::ln).sum();
        let squares = outside.dot(&outside) + b.dot(&b);
        return Ok(-0.5 * (squares + log_det + residual.len() as f64 * TAU.ln()));
    }
    let eigen = SymmetricEigen::new(covariance.of(member).view())?;
    Ok(log_normal(residual.dot(&eigen.vectors).view(), eigen.values.view(), tolerance))
}

/// The denoisers of N(0, C_i), one for each member i.
#[derive(Clone, Debug)]
pub(super) struct FactoredDenoiser(pub FactoredCovariance);

/// What one member's D is made of at one level: D = `along` x_t + `across` W M^-1 W^T (x_t / s).
struct Gain {
    along: Array1<f64>,
    across: Array1<f64>,
    inverse: Array1<f64>,
    /// None where a member is not finite.
    capacitance: Option<Cholesky<f64, Dyn>>,
}

impl FactoredDenoiser {
    fn gain(&self, member: usize, Level { alpha, sigma }: Level) -> Gain {
        let (d, factor) = (self.0.diagonal().row(member), self.0.factor().index_axis(Axis(0), member));
        let s = d.mapv(|d| alpha * alpha * d + sigma * sigma);
        let inverse = s.mapv(|s| 1.0 / s);
        Gain {
            along: &d * &inverse * alpha,
            across: &inverse * (alpha * sigma * sigma),
            capacitance: capacitance(factor, (&inverse * (alpha * alpha)).view()),
            inverse,
        }
    }

    fn apply(&self, gain: &Gain, member: usize, x: ArrayView1<f64>) -> Array1<f64> {
        let factor = self.0.factor().index_axis(Axis(0), member);
        match &gain.capacitance {
            Some(capacitance) => {
                let b = solve(capacitance, factor.t().dot(&(&x * &gain.inverse)));
                &x * &gain.along + factor.dot(&b) * &gain.across
            }
            None => Array1::from_elem(x.len(), f64::NAN),
        }
    }

    fn gains(&self, members: usize, level: Level) -> Vec<Gain> {
        assert_eq!(members, self.0.diagonal().nrows(), "one member for each covariance");
        (0..members).into_par_iter().map(|member| self.gain(member, level)).collect()
    }

    fn applied(&self, gains: &[Gain], x: ArrayView2<f64>) -> Array2<f64> {
        let rows: Vec<_> =
            gains.par_iter().enumerate().map(|(member, gain)| self.apply(gain, member, x.row(member))).collect();
        let mut out = Array2::zeros(x.dim());
        out.outer_iter_mut().zip(rows).for_each(|(mut out, row)| out.assign(&row));
        out
    }
}

impl Denoiser for FactoredDenoiser {
    fn dim(&self) -> usize {
        self.0.diagonal().ncols()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        if level.sigma == 0.0 {
            return Ok(&x_t / level.alpha);
        }
        Ok(self.applied(&self.gains(x_t.nrows(), level), x_t))
    }

    fn select<'a>(&'a self, rows: &[usize]) -> Result<Box<dyn Denoiser + 'a>> {
        Ok(Box::new(Self(self.0.select(rows))))
    }
}

impl DifferentiableDenoiser for FactoredDenoiser {
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
        if level.sigma == 0.0 {
            return Ok((&x_t / level.alpha, Pullback::new(move |v| Ok(&v / level.alpha))));
        }
        let gains = self.gains(x_t.nrows(), level);
        let denoised = self.applied(&gains, x_t);
        Ok((denoised, Pullback::new(move |v| Ok(self.applied(&gains, v)))))
    }
}
