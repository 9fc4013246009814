//! The kernels that a forecast is a mixture of.

use ndarray::{Array2, ArrayView2};

use crate::ensemble::anomalies;
use crate::error::Result;
use crate::linalg::Eigen;
use crate::localize::Stencil;
use crate::method::variational::schur::cross_covariance;

/// The least eigenvalue of K, relative to the mean of its diagonal: members may agree in a direction.
const FLOOR: f64 = 1e-9;

/// N kernels N(c_i, K).
pub(super) struct Kernels {
    /// c_i, `[member, component]`.
    pub centres: Array2<f64>,
    /// b.
    pub bandwidth: f64,
    /// K, `[component, component]`.
    pub covariance: Array2<f64>,
    /// Its eigenvalues, above 0, and eigenvectors.
    pub eigen: Eigen,
    /// K^-1, `[component, component]`.
    pub precision: Array2<f64>,
}

impl Kernels {
    /// Of the members `x`, `[member, component]`, with the share `bandwidth` of their variance, under a taper.
    ///
    /// # Errors
    /// When an eigenproblem fails.
    pub fn new(x: ArrayView2<f64>, bandwidth: f64, taper: Option<&Stencil>) -> Result<Self> {
        let (mean, centred) = anomalies(x, None);
        let covariance = cross_covariance(&centred, &centred, taper) * bandwidth;
        let centres = centred * (1.0 - bandwidth).sqrt() + &mean;
        // of a covariance without a spread the smallest number still has an inverse
        let floor = (FLOOR * covariance.diag().sum() / mean.len() as f64).max(1e-200);
        let mut eigen = Eigen::new(covariance.view())?;
        eigen.values.mapv_inplace(|value| value.max(floor));
        let precision = eigen.apply(f64::recip);
        Ok(Self { centres, bandwidth, covariance, eigen, precision })
    }
}
