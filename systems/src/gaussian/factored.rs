//! Laws N(0, C) with C = diag(d) + W W^T, one for each member: density and denoiser by the identities of Woodbury (1950) and
//! Sylvester, with r x r systems in place of n x n.
//!
//! With D = alpha^2 d + sigma^2 and F = alpha W, alpha^2 C + sigma^2 I = diag(D) + F F^T. Its inverse and determinant need the
//! Cholesky factor L of M = I + F^T D^-1 F alone, which is r x r: a = M^-1 F^T D^-1 u gives y = D^-1 (u - F a),
//! log det = sum ln D + 2 sum ln L_jj, and u^T y = |D^-1/2 (u - F a)|^2 + |a|^2, a sum of squares, in which nothing cancels.
//! What x_t = alpha x + sigma eps is denoised to is alpha C y = alpha d y + W a, with u = x_t; its Jacobian is symmetric.
//!
//! A component without d has no D at sigma = 0; the law is then taken from the eigenvalues of C, on its support.

use std::f64::consts::TAU;

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::SymmetricEigen;
use super::law::log_normal;
use crate::error::Result;
use crate::law::FactoredCovariance;
use crate::noising::{Denoiser, DifferentiableDenoiser, Level, Pullback};

/// The covariance alpha^2 C + sigma^2 I of one member, decomposed.
pub struct NoisedCovariance<'a> {
    alpha: f64,
    diagonal: ArrayView1<'a, f64>,
    factor: ArrayView2<'a, f64>,
    /// 1 / D, `[component]`.
    precision: Array1<f64>,
    /// M; none where the member is not finite.
    inner: Option<Cholesky<f64, Dyn>>,
    log_det: f64,
}

/// u, solved.
pub struct Solved {
    /// (alpha^2 C + sigma^2 I)^-1 u, `[component]`.
    pub y: Array1<f64>,
    /// u^T y.
    pub quadratic: f64,
    /// alpha C y, `[component]`.
    pub gained: Array1<f64>,
}

impl<'a> NoisedCovariance<'a> {
    /// Of one row of factored covariances.
    pub fn new(covariance: &'a FactoredCovariance, row: usize, Level { alpha, sigma }: Level) -> Self {
        let (diagonal, factor) = (covariance.diagonal().row(row), covariance.factor().index_axis(Axis(0), row));
        let all = diagonal.mapv(|d| alpha * alpha * d + sigma * sigma);
        let precision = all.mapv(|d| 1.0 / d);
        let weighted = &factor * &precision.view().insert_axis(Axis(1));
        let product = factor.t().dot(&weighted) * (alpha * alpha);
        let r = product.nrows();
        let inner = DMatrix::from_fn(r, r, |i, j| product[[i, j]] + f64::from(u8::from(i == j))).cholesky();
        let of_inner = inner.as_ref().map_or(f64::NAN, |inner| inner.l_dirty().diagonal().map(f64::ln).sum());
        let log_det = all.mapv(f64::ln).sum() + 2.0 * of_inner;
        Self { alpha, diagonal, factor, precision, inner, log_det }
    }

    /// log det (alpha^2 C + sigma^2 I).
    pub fn log_det(&self) -> f64 {
        self.log_det
    }

    /// (alpha^2 C + sigma^2 I)^-1 u and what follows from it, for u `[component]`; NaN where the member is not finite.
    pub fn solve(&self, u: ArrayView1<f64>) -> Solved {
        let a = self.inward(self.factor.t().dot(&(&u * &self.precision)) * self.alpha);
        let across = self.factor.dot(&a);
        let rest = &u - &(&across * self.alpha);
        let y = &rest * &self.precision;
        let gained = &y * &self.diagonal * self.alpha + across;
        Solved { quadratic: rest.dot(&y) + a.dot(&a), y, gained }
    }

    /// M^-1 b, `[direction]`.
    fn inward(&self, b: Array1<f64>) -> Array1<f64> {
        let Some(inner) = &self.inner else { return Array1::from_elem(b.len(), f64::NAN) };
        let mut solution = DVector::from_vec(b.to_vec());
        inner.solve_mut(&mut solution);
        Array1::from(solution.as_slice().to_vec())
    }
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
    if d.iter().all(|value| *value > 0.0) {
        let whole = NoisedCovariance::new(covariance, member, Level::exploding(0.0));
        if whole.inner.is_some() {
            let squares = whole.solve(residual).quadratic;
            return Ok(-0.5 * (squares + whole.log_det() + residual.len() as f64 * TAU.ln()));
        }
    }
    let eigen = SymmetricEigen::new(covariance.of(member).view())?;
    Ok(log_normal(residual.dot(&eigen.vectors).view(), eigen.values.view(), tolerance))
}

/// The denoisers of N(0, C_i), one for each member i.
#[derive(Clone, Debug)]
pub(super) struct FactoredDenoiser(pub FactoredCovariance);

impl FactoredDenoiser {
    fn noised(&self, members: usize, level: Level) -> Vec<NoisedCovariance<'_>> {
        assert_eq!(members, self.0.diagonal().nrows(), "one member for each covariance");
        (0..members).into_par_iter().map(|member| NoisedCovariance::new(&self.0, member, level)).collect()
    }
}

/// alpha C y of each row of `x`.
fn gained(noised: &[NoisedCovariance], x: ArrayView2<f64>) -> Array2<f64> {
    let row = |(member, noised): (usize, &NoisedCovariance)| noised.solve(x.row(member)).gained;
    let rows: Vec<_> = noised.par_iter().enumerate().map(row).collect();
    let mut out = Array2::zeros(x.dim());
    out.outer_iter_mut().zip(rows).for_each(|(mut out, row)| out.assign(&row));
    out
}

impl Denoiser for FactoredDenoiser {
    fn dim(&self) -> usize {
        self.0.diagonal().ncols()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        if level.sigma == 0.0 {
            return Ok(&x_t / level.alpha);
        }
        Ok(gained(&self.noised(x_t.nrows(), level), x_t))
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
        let noised = self.noised(x_t.nrows(), level);
        let denoised = gained(&noised, x_t);
        Ok((denoised, Pullback::new(move |v| Ok(gained(&noised, v)))))
    }
}
