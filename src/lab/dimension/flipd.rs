//! The rate at which log p_sigma(z) falls with ln sigma: n + d ln p_sigma / d ln sigma (Tempczyk et al. 2022) is the dimension of
//! the law around z. By the Fokker-Planck equation that is n + sigma^2 (div s + ‖s‖^2), with the score s = (D - z) / sigma^2 at z
//! itself tr(dD/dx_t) + ‖D(z) - z‖^2 / sigma^2.

use super::estimate::{Dimension, Estimator, Of};
use super::law::Law;
use super::sweep::swept;
use crate::systems::{Entry, Result};

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "flipd",
    about: "the trace of the denoiser's Jacobian and the squared score at a point, along a sweep of noise levels",
    reference: "Kamkari, Ross, Hosseinzadeh, Cresswell and Loaiza-Ganem (2024), arXiv:2406.03537",
    params: &[],
    build: Estimator {
        caveat: "the denoiser must be right at points without noise; below the law's own floor it is n",
        of: Of::Law(estimate),
    },
};

fn estimate(law: &Law) -> Result<Option<Dimension>> {
    let n = law.components() as f64;
    swept((0.0, n, n), |sigma| at(law, sigma))
}

/// The figure of each point at a level.
///
/// # Errors
/// When the denoiser cannot run.
pub fn at(law: &Law, sigma: f64) -> Result<Vec<f64>> {
    let (denoised, jacobians) = law.jacobians(law.points(), sigma)?;
    let shift = denoised - law.points();
    let of = |(jacobian, shift): (&ndarray::Array2<f64>, ndarray::ArrayView1<f64>)| {
        jacobian.diag().sum() + shift.dot(&shift) / (sigma * sigma)
    };
    Ok(jacobians.iter().zip(shift.outer_iter()).map(of).collect())
}
