//! How the forecast of an ensemble gets the noise of its forecaster: x_{k+1} ~ N(m(x_k), Q).
//!
//! With A the anomalies of m(x) over the members (one row each), P = A^T A / (N - 1):
//! `stochastic`: each member draws its own noise, so that the covariance is P + Q up to an error of sampling;
//! `square_root` (Sqrt-Core; Raanes, Carrassi and Bertino 2015): A <- T A, T = (I + (N - 1) A^+T Q A^+)^1/2 with the
//! symmetric root, whose covariance is P + Pi Q Pi exactly, Pi the projector on the span of the anomalies: noise outside
//! that span is left out; with A = U S V^T, T = I + U ((I + (N - 1) S^-1 V^T Q V S^-1)^1/2 - I) U^T;
//! `deterministic`: each component's anomalies are multiplied so that its variance is P_ii + Q_ii, without new directions.
//! Both leave the mean that of m(x). Where Q depends on x its mean over the members is taken.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Covariance, Forecaster, GaussianKernel, Key, Param, Settings};

use crate::ensemble::{all_finite, anomalies};
use crate::error::{Error, Result};
use crate::linalg::Eigen;
use crate::need::Need;
use crate::step_law::is_deterministic;

/// The setting `noise_treatment`.
pub(crate) const NOISE_TREATMENT: Param = Param::choice(
    "noise_treatment",
    "stochastic",
    &["stochastic", "square_root", "deterministic"],
    "how the forecast gets the model's noise: drawn, by a square root in the span of the members, or by inflation",
);

/// How the forecast of an ensemble gets the noise of its forecaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseTreatment {
    /// Each member draws its own.
    Stochastic,
    /// The anomalies are transformed; exact within their span.
    SquareRoot,
    /// The anomalies of each component are multiplied.
    Deterministic,
}

/// Q, shared by the members.
enum Q {
    Diagonal(Array1<f64>),
    Full(Array2<f64>),
}

impl NoiseTreatment {
    pub(crate) fn from_settings(settings: &Settings) -> Self {
        match settings.text(NOISE_TREATMENT.key) {
            "square_root" => Self::SquareRoot,
            "deterministic" => Self::Deterministic,
            _ => Self::Stochastic,
        }
    }

    /// What it needs of the forecaster.
    pub(crate) fn needs(self) -> &'static [Need] {
        if self == Self::Stochastic { &[] } else { &[Need::Noise] }
    }

    /// Refuses all but `stochastic`, for a smoother: the others change what the present says of the past.
    pub(crate) fn require_stochastic(self, settings: &Settings) -> Result<()> {
        if self == Self::Stochastic {
            return Ok(());
        }
        Err(settings
            .mistake(NOISE_TREATMENT.key, "must be `stochastic` where `lag` is above 0; set one of them so")
            .into())
    }

    /// Advances `x` (`[member, component]`) from lead step `k` by `steps`, as [`Forecaster::advance`] does.
    ///
    /// # Errors
    /// When the forecaster fails, or its one-step law is not Gaussian and the noise is not to be drawn.
    pub fn advance(self, model: &dyn Forecaster, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        if self == Self::Stochastic {
            return Ok(model.advance(k, steps, x, key)?);
        }
        let Some(kernel) = model.gaussian() else {
            // without noise there is nothing to treat
            if is_deterministic(model, k, x.row(0), key)? {
                return Ok(model.advance(k, steps, x, key)?);
            }
            return Err(Error::Unsupported(
                "a `noise_treatment` other than `stochastic` needs a forecaster whose one-step law is Gaussian (the \
                 forecaster `linear`, or a system with noise of which one substep is one lead step) or that draws nothing; set \
                 it to `stochastic` with this one"
                    .to_owned(),
            ));
        };
        (k..k + steps).try_for_each(|k| self.step(kernel, k, x))
    }

    fn step(self, kernel: &dyn GaussianKernel, k: usize, x: &mut Array2<f64>) -> Result<()> {
        let (means, covariance) = kernel.moments(k, x.view())?;
        let (mean, mut a) = anomalies(means.view(), None);
        if !all_finite(a.view()) {
            *x = means;
            return Ok(());
        }
        let q = match covariance {
            Covariance::Shared(q) => Q::Full(q),
            Covariance::Diagonal(variances) => Q::Diagonal(variances.mean_axis(Axis(0)).unwrap_or_default()),
            Covariance::Factored(q) => {
                let members = means.nrows();
                Q::Full(q.average(Array1::from_elem(members, 1.0 / members as f64).view()))
            }
        };
        if self == Self::SquareRoot {
            square_root(&mut a, &q)?
        } else {
            multiply(&mut a, &q)
        }
        a += &mean;
        *x = a;
        Ok(())
    }
}

/// A_i <- A_i sqrt(1 + Q_ii / P_ii).
fn multiply(a: &mut Array2<f64>, q: &Q) {
    let per = a.nrows() as f64 - 1.0;
    let q = match q {
        Q::Diagonal(q) => q.view(),
        Q::Full(q) => q.diag(),
    };
    for (mut column, q) in a.axis_iter_mut(Axis(1)).zip(q) {
        let p = column.dot(&column) / per;
        if p > 0.0 {
            column *= (1.0 + q / p).sqrt();
        }
    }
}

/// A <- T A.
fn square_root(a: &mut Array2<f64>, q: &Q) -> Result<()> {
    let per = a.nrows() as f64 - 1.0;
    let Some(basis) = Basis::new(a)? else { return Ok(()) };
    // rows of V^T / s
    let scaled = &basis.right / &basis.s.view().insert_axis(Axis(1));
    let of_q = match q {
        Q::Diagonal(q) => (&scaled * q).dot(&scaled.t()),
        Q::Full(q) => scaled.dot(q).dot(&scaled.t()),
    };
    let root = Eigen::new((of_q * per).view())?.apply(|l| (1.0 + l.max(0.0)).sqrt() - 1.0);
    // U^T A = S V^T
    let moved = root.dot(&(&basis.right * &basis.s.view().insert_axis(Axis(1))));
    *a += &basis.left.t().dot(&moved);
    Ok(())
}

/// A = U S V^T over the singular values above rounding.
struct Basis {
    /// U^T, `[rank, member]`.
    left: Array2<f64>,
    /// `[rank]`.
    s: Array1<f64>,
    /// V^T, `[rank, component]`.
    right: Array2<f64>,
}

impl Basis {
    /// From the eigenproblem of the smaller order; none where there is no spread.
    fn new(a: &Array2<f64>) -> Result<Option<Self>> {
        let wide = a.nrows() <= a.ncols();
        let eigen = Eigen::new(if wide { a.dot(&a.t()) } else { a.t().dot(a) }.view())?;
        let largest = eigen.values.iter().fold(0.0f64, |a, b| a.max(*b));
        let least = 10.0 * eigen.values.len() as f64 * f64::EPSILON * largest;
        let kept: Vec<usize> = (0..eigen.values.len()).filter(|&i| eigen.values[i] > least).collect();
        if kept.is_empty() {
            return Ok(None);
        }
        let s = eigen.values.select(Axis(0), &kept).mapv(f64::sqrt);
        let known = eigen.vectors.select(Axis(0), &kept);
        let mut other = if wide { known.dot(a) } else { known.dot(&a.t()) };
        other /= &s.view().insert_axis(Axis(1));
        let (left, right) = if wide { (known, other) } else { (other, known) };
        Ok(Some(Self { left, s, right }))
    }
}
