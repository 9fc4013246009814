//! What noise makes of a covariance C = diag(v) + W W^T of few columns.
//!
//! With D = alpha^2 v + sigma^2 and F = alpha W, alpha^2 C + sigma^2 I = diag(D) + F F^T. Its inverse (Woodbury 1950) and
//! determinant need the Cholesky factor L of I + F^T D^-1 F alone, which is r x r: a = (L L^T)^-1 F^T D^-1 u gives
//! y = D^-1 (u - F a), log det = sum ln D + 2 sum ln L_jj, and u^T y = |D^-1/2 (u - F a)|^2 + |a|^2, a sum of squares, in
//! which nothing cancels.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use crate::systems::{FactoredCovariance, Level};

/// The row of a member among covariances of which there is one for each member, or one for all.
pub fn row(covariance: &FactoredCovariance, member: usize) -> usize {
    if is_shared(covariance) { 0 } else { member }
}

/// Whether there is one covariance for all members.
pub fn is_shared(covariance: &FactoredCovariance) -> bool {
    covariance.diagonal().nrows() == 1
}

/// u and (alpha^2 C + sigma^2 I)^-1 u.
pub struct Solved {
    /// (alpha^2 C + sigma^2 I)^-1 u, `[component]`.
    pub y: Array1<f64>,
    /// u^T y.
    pub quadratic: f64,
}

/// The covariance alpha^2 C + sigma^2 I of one member, factored.
pub struct Noised<'a> {
    alpha: f64,
    variance: ArrayView1<'a, f64>,
    factor: ArrayView2<'a, f64>,
    /// 1 / D, `[component]`.
    precision: Array1<f64>,
    /// L, `[column, column]`.
    root: Array2<f64>,
    log_det: f64,
}

/// Each alpha^2 C + sigma^2 I, factored.
pub fn noised(covariance: &FactoredCovariance, level: Level) -> Vec<Noised<'_>> {
    let (variance, factor) = (covariance.diagonal(), covariance.factor());
    let of = |row| Noised::new(variance.index_axis(Axis(0), row), factor.index_axis(Axis(0), row), level);
    (0..variance.nrows()).into_par_iter().with_min_len(16).map(of).collect()
}

impl<'a> Noised<'a> {
    fn new(variance: ArrayView1<'a, f64>, factor: ArrayView2<'a, f64>, Level { alpha, sigma }: Level) -> Self {
        let diagonal = variance.mapv(|v| alpha * alpha * v + sigma * sigma);
        let precision = diagonal.mapv(|d| 1.0 / d);
        let weighted = &factor * &precision.view().insert_axis(Axis(1));
        let root = cholesky(weighted.t().dot(&factor) * (alpha * alpha) + Array2::<f64>::eye(factor.ncols()));
        let log_det = diagonal.mapv(f64::ln).sum() + 2.0 * root.diag().mapv(f64::ln).sum();
        Self { alpha, variance, factor, precision, root, log_det }
    }

    /// log det (alpha^2 C + sigma^2 I).
    pub fn log_det(&self) -> f64 {
        self.log_det
    }

    /// (alpha^2 C + sigma^2 I)^-1 u, `[component]`.
    pub fn solve(&self, u: ArrayView1<f64>) -> Solved {
        let mut a = self.factor.t().dot(&(&u * &self.precision)) * self.alpha;
        solve_in_place(&self.root, &mut a);
        let rest = &u - &(self.factor.dot(&a) * self.alpha);
        let y = &rest * &self.precision;
        Solved { quadratic: rest.dot(&y) + a.dot(&a), y }
    }

    /// alpha C y, `[component]`.
    pub fn gain(&self, y: ArrayView1<f64>) -> Array1<f64> {
        (&y * &self.variance + self.factor.dot(&self.factor.t().dot(&y))) * self.alpha
    }
}

/// The lower triangular L with L L^T = `a`.
fn cholesky(mut a: Array2<f64>) -> Array2<f64> {
    for j in 0..a.ncols() {
        for i in 0..a.nrows() {
            let inner = (0..j).map(|k| a[[i, k]] * a[[j, k]]).sum::<f64>();
            a[[i, j]] = match i {
                i if i < j => 0.0,
                i if i == j => (a[[i, i]] - inner).sqrt(),
                _ => (a[[i, j]] - inner) / a[[j, j]],
            };
        }
    }
    a
}

/// (L L^T)^-1 b in place of b.
fn solve_in_place(root: &Array2<f64>, b: &mut Array1<f64>) {
    for i in 0..b.len() {
        let inner = (0..i).map(|k| root[[i, k]] * b[k]).sum::<f64>();
        b[i] = (b[i] - inner) / root[[i, i]];
    }
    for i in (0..b.len()).rev() {
        let inner = (i + 1..b.len()).map(|k| root[[k, i]] * b[k]).sum::<f64>();
        b[i] = (b[i] - inner) / root[[i, i]];
    }
}
