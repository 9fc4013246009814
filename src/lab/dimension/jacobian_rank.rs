//! The rank of a denoiser's Jacobian dD/dx_t = (alpha / sigma^2) Cov[x_0 | x_t]: the least number of singular values whose norm is
//! 99 % of that of all. It is d of the subspace around a point at little noise, and that of all subspaces together at much.

use rayon::prelude::*;

use super::estimate::{Dimension, Estimator, Of};
use super::law::Law;
use super::pca_variance::holding;
use super::sweep::swept;
use crate::systems::gaussian::SymmetricEigen;
use crate::systems::{Entry, Result};

/// The share of the norm.
const SHARE: f64 = 0.99;

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "jacobian_rank",
    about: "singular values of the denoiser's Jacobian that hold 99 % of its norm, along a sweep of noise levels",
    reference: "Wang, Zhang, Zhang, Chen, Ma and Qu (2024), arXiv:2409.02426",
    params: &[],
    build: Estimator {
        caveat: "d at little noise and all pieces' together at much; below the law's own floor it is n",
        of: Of::Law(estimate),
    },
};

fn estimate(law: &Law) -> Result<Option<Dimension>> {
    let n = law.components() as f64;
    swept((0.0, n, n), |sigma| {
        let (_, jacobians) = law.jacobians(law.noised(sigma, 0).view(), sigma)?;
        let rank = |jacobian: &ndarray::Array2<f64>| {
            let squares = SymmetricEigen::new(jacobian.dot(&jacobian.t()).view())?.descending().values;
            Ok(holding(&squares.to_vec(), SHARE * SHARE).unwrap_or(0) as f64)
        };
        jacobians.par_iter().map(rank).collect()
    })
}
