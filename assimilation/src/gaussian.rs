//! A Gaussian N(m, P) and its update by a linear observation.
//!
//! y = H x + e, e ~ N(0, R): S = H P H^T + R, K = P H^T S^-1, m <- m + K d with d the innovation, and
//! P <- (I - K H) P (I - K H)^T + K R K^T (Joseph's form, which stays symmetric and positive semi-definite under
//! round-off).

use ndarray::{Array1, Array2};
use scorecast_systems::Key;
use serde::{Deserialize, Serialize};

use crate::ensemble::{all_finite, covariance, weighted_mean};
use crate::error::Result;
use crate::linalg::{Cholesky, Eigen, symmetric_sqrt};
use crate::problem::Prior;

/// N(mean, covariance).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gaussian {
    /// `[component]`.
    pub mean: Array1<f64>,
    /// `[component, component]`.
    pub covariance: Array2<f64>,
}

impl Gaussian {
    /// The Gaussian of a prior: itself, or that of the mean and covariance of its draws.
    ///
    /// # Errors
    /// When an ensemble prior has fewer than 2 draws, sizes do not fit, a standard deviation is below 0, or a covariance is not
    /// positive semi-definite.
    pub fn of(prior: &Prior) -> Result<Self> {
        prior.check()?;
        match prior {
            Prior::Gaussian { mean, covariance } => {
                if all_finite(covariance.view()) {
                    symmetric_sqrt(covariance.view())?;
                }
                Ok(Self { mean: mean.clone(), covariance: covariance.clone() })
            }
            Prior::Independent { mean, sd } => {
                Ok(Self { mean: mean.clone(), covariance: Array2::from_diag(&(sd * sd)) })
            }
            Prior::Ensemble(draws) => {
                crate::problem::require_members(draws.nrows())?;
                Ok(Self { mean: weighted_mean(draws.view(), None), covariance: covariance(draws.view(), None) })
            }
        }
    }

    /// Whether the covariance has a row and a column for each component of the mean.
    ///
    /// # Errors
    /// What does not fit, as a main clause.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (count, dim) = (self.mean.len(), self.covariance.dim());
        if dim == (count, count) {
            return Ok(());
        }
        Err(format!("it holds a mean of {count} components beside a matrix of {} x {}", dim.0, dim.1))
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        all_finite(self.covariance.view()) && self.mean.iter().all(|value| value.is_finite())
    }

    /// Conditions on present values whose operator is `h` (`[present, component]`), given their innovation and R
    /// (`[present, present]`); gives log N(innovation; 0, S).
    ///
    /// # Errors
    /// When S is not positive definite.
    pub fn condition(&mut self, h: &Array2<f64>, innovation: &Array1<f64>, r: &Array2<f64>) -> Result<f64> {
        let s = Cholesky::new((h.dot(&self.covariance).dot(&h.t()) + r).view())?;
        let mut gain = h.dot(&self.covariance);
        s.solve_in_place(&mut gain);
        let gain = gain.reversed_axes();
        self.mean += &gain.dot(innovation);
        let left = Array2::eye(self.mean.len()) - gain.dot(h);
        self.covariance = symmetric(left.dot(&self.covariance).dot(&left.t()) + gain.dot(r).dot(&gain.t()));
        Ok(s.log_normal(innovation).0)
    }

    /// `members` draws, `[member, component]`: the same normals each time that the address is the same. A covariance
    /// that approximations have left indefinite counts as its positive part.
    pub(crate) fn draws(&self, members: usize, key: Key) -> Result<Array2<f64>> {
        let dim = self.mean.len();
        if !self.is_finite() {
            return Ok(Array2::from_elem((members, dim), f64::NAN));
        }
        Ok(key.normals(members, dim).dot(&positive_sqrt(&self.covariance)?) + &self.mean)
    }
}

/// The symmetric root of the positive part of a symmetric matrix.
pub(crate) fn positive_sqrt(matrix: &Array2<f64>) -> Result<Array2<f64>> {
    Ok(Eigen::new(matrix.view())?.apply(|value| value.max(0.0).sqrt()))
}

/// (M + M^T) / 2.
pub(crate) fn symmetric(matrix: Array2<f64>) -> Array2<f64> {
    0.5 * (&matrix + &matrix.t())
}
