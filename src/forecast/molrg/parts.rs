//! Gaussians around subspaces: N(m, U diag(l) U^T + f I), of the points of a cluster.
//!
//! m is their mean (0 where means are to be 0), U and l + f the first d eigenvectors and eigenvalues of their covariance, and
//! the floor f the discarded squares over their (N_k - 1 - d) (n - d) degrees of freedom, of each part by itself where it has
//! any (Tipping and Bishop 1999, with the divisors of unbiased variances).

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::super::Result;
use crate::systems;
use crate::systems::gaussian::{LowRankGaussian, LowRankMixture, SymmetricEigen};

/// The least floor, as a share of the mean variance: below it a law of points without noise would have no density.
const LEAST: f64 = 1e-12;

/// One Gaussian around a subspace.
#[derive(Clone, Debug)]
pub struct SubspacePart {
    /// Weight, mean, basis and variances above the floor.
    pub gaussian: LowRankGaussian,
    /// f, above 0.
    pub floor: f64,
}

impl SubspacePart {
    /// Its law, without its weight.
    ///
    /// # Errors
    /// When it is none: a weight or variance out of range, or a basis that is not orthonormal.
    pub fn law(&self) -> systems::Result<LowRankMixture> {
        LowRankMixture::new(vec![self.gaussian.clone()], self.floor.sqrt())
    }
}

/// Mean, eigenvalues (descending) and eigenvectors of the covariance of some points.
pub struct Principal {
    count: usize,
    mean: Array1<f64>,
    eigen: SymmetricEigen,
    /// 1 where the mean is fitted.
    lost: f64,
}

impl Principal {
    /// Of points `[pair, component]`, of which there is at least one; around 0 with `zero_mean`.
    ///
    /// # Errors
    /// When their covariance is not finite.
    pub fn new(points: ArrayView2<f64>, zero_mean: bool) -> Result<Self> {
        let count = points.nrows();
        let mean = match zero_mean {
            true => Array1::zeros(points.ncols()),
            false => points.sum_axis(Axis(0)) / count as f64,
        };
        let centred = &points - &mean;
        let eigen = SymmetricEigen::new((centred.t().dot(&centred) / count as f64).view())?.descending();
        Ok(Self { count, mean, eigen, lost: f64::from(u8::from(!zero_mean)) })
    }

    /// The first d directions, `[component, direction]`.
    pub fn basis(&self, dimension: usize) -> Array2<f64> {
        let directions: Vec<usize> = (0..dimension).collect();
        self.eigen.vectors.select(Axis(1), &directions)
    }

    /// The sum of discarded squares, and their degrees of freedom.
    pub fn discarded(&self, dimension: usize) -> (f64, f64) {
        let squares = self.eigen.values.iter().skip(dimension).sum::<f64>() * self.count as f64;
        let points = (self.count as f64 - self.lost - dimension as f64).max(0.0);
        (squares, points * (self.eigen.values.len() - dimension) as f64)
    }
}

/// The parts of clusters in the first `dimension` directions of each; a cluster without degrees of freedom has the floor of
/// all others together.
pub fn parts(clusters: &[Principal], dimension: usize) -> Vec<SubspacePart> {
    let total: usize = clusters.iter().map(|cluster| cluster.count).sum();
    let discarded: Vec<(f64, f64)> = clusters.iter().map(|cluster| cluster.discarded(dimension)).collect();
    let pooled = discarded.iter().filter(|(_, freedom)| *freedom > 0.0).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    let spread = |cluster: &Principal| cluster.eigen.values.sum() * cluster.count as f64 / total as f64;
    let least = LEAST * clusters.iter().map(spread).sum::<f64>() / clusters[0].eigen.values.len() as f64;
    let part = |(cluster, own): (&Principal, &(f64, f64))| {
        let (squares, freedom) = if own.1 > 0.0 { *own } else { pooled };
        let floor = if freedom > 0.0 { (squares / freedom).max(least) } else { least };
        let unbiased = cluster.count as f64 / (cluster.count as f64 - cluster.lost).max(1.0);
        let along = cluster.eigen.values.iter().take(dimension).map(|value| (value * unbiased - floor).max(0.0));
        let gaussian = LowRankGaussian {
            weight: cluster.count as f64 / total as f64,
            mean: cluster.mean.clone(),
            basis: cluster.basis(dimension),
            variances: along.collect(),
        };
        SubspacePart { gaussian, floor }
    };
    clusters.iter().zip(&discarded).map(part).collect()
}
