//! The denoiser of a law given A x = b: D_c = D + C A^T (A C A^T)^-1 (b - A D) with C = (sigma^2 / alpha) J the covariance of z given
//! z_t, which is the projection of D in the metric of C. Its Jacobian is J_c = P J P^T, P = I - C A^T (A C A^T)^-1 A, the derivative
//! of P left out, so that what guides it stays within the constraint. For a Gaussian law both are exact.
//!
//! A row of A costs a vector-Jacobian product an evaluation. Where the denoiser leaves a row no freedom, or its Jacobian is not
//! symmetric, what is left of A z - b goes by the shortest way.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Denoiser, DifferentiableDenoiser, Level, Pullback, Result};

use super::{Plain, along, combined, products, solved};
use crate::linalg::Cholesky;

/// A denoiser of z given a z = b for each row a.
pub(super) struct Projected<'a> {
    pub inner: Box<dyn DifferentiableDenoiser + 'a>,
    /// a, `[member, component]` each.
    pub rows: Vec<Array2<f64>>,
    /// b, `[member, row]`.
    pub values: Array2<f64>,
    pub plain: Plain,
}

/// What the metric of a denoiser makes of the rows at one point.
pub(super) struct Metric {
    /// g = J^T a, `[member, component]` each.
    gradients: Vec<Array2<f64>>,
    /// Factors of a g, of each member; none where it is singular.
    factors: Vec<Option<Cholesky>>,
}

impl Metric {
    pub fn new(rows: &[Array2<f64>], pullback: &Pullback) -> Result<Self> {
        let gradients = rows.iter().map(|row| pullback.pull(row.view())).collect::<Result<Vec<_>>>()?;
        let symmetric = |m: &Array2<f64>| (m + &m.t()) * 0.5;
        let factor = |m: &Array2<f64>| Cholesky::new(symmetric(m).view()).ok();
        let factors = products(rows, &gradients).iter().map(factor).collect();
        Ok(Self { gradients, factors })
    }

    /// Of each member A J A^T, `[row, row]`.
    pub fn matrices(&self, rows: &[Array2<f64>]) -> Vec<Array2<f64>> {
        products(rows, &self.gradients)
    }
}

impl Projected<'_> {
    /// D_c from D.
    fn reach(&self, metric: &Metric, mut denoised: Array2<f64>) -> Array2<f64> {
        let gap = &self.values - &along(&self.rows, &denoised);
        denoised += &combined(&metric.gradients, &solved(&metric.factors, &gap));
        let left = &self.values - &along(&self.rows, &denoised);
        denoised + self.plain.reach(&self.rows, &left)
    }

    /// P J^T P^T v.
    fn pull(&self, metric: &Metric, pullback: &Pullback, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        let v = v.to_owned();
        let within = &v - &combined(&self.rows, &solved(&metric.factors, &along(&metric.gradients, &v)));
        let mut pulled = pullback.pull(within.view())?;
        let outside = solved(&metric.factors, &along(&self.rows, &pulled));
        pulled -= &combined(&metric.gradients, &outside);
        let left = along(&self.rows, &pulled);
        Ok(pulled - self.plain.reach(&self.rows, &left))
    }
}

impl Denoiser for Projected<'_> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        let (denoised, pullback) = self.inner.denoise_vjp(x_t, level)?;
        Ok(self.reach(&Metric::new(&self.rows, &pullback)?, denoised))
    }
}

impl DifferentiableDenoiser for Projected<'_> {
    fn denoise_vjp<'a>(&'a self, x_t: ArrayView2<'a, f64>, level: Level) -> Result<(Array2<f64>, Pullback<'a>)> {
        let (denoised, pullback) = self.inner.denoise_vjp(x_t, level)?;
        let metric = Metric::new(&self.rows, &pullback)?;
        let denoised = self.reach(&metric, denoised);
        Ok((denoised, Pullback::new(move |v| self.pull(&metric, &pullback, v))))
    }
}
