//! Random subspaces: orthonormal bases drawn from the uniform (Haar) law.

use nalgebra::DMatrix;
use ndarray::Array2;

use crate::key::{Domain, Key, Purpose};

/// Where the structure of a system is drawn from: the seed is the system's own, so that the structure stays the same
/// from experiment to experiment.
pub fn structure_key(seed: u64) -> Key {
    Key::new(seed, Domain::Data).purpose(Purpose::Structure)
}

/// An orthonormal basis of a uniformly drawn subspace of dimension `d` of R^`n`, `[component, direction]`: the Q of a QR
/// decomposition of independent normals, its columns signed so that the diagonal of R is positive (Mezzadri 2007).
pub fn orthonormal(n: usize, d: usize, key: Key) -> Array2<f64> {
    assert!(d <= n, "a subspace of dimension {d} in R^{n}");
    let normals = key.normals(d, n);
    let qr = DMatrix::from_fn(n, d, |i, j| normals[[j, i]]).qr();
    let (q, r) = (qr.q(), qr.r());
    Array2::from_shape_fn((n, d), |(i, j)| q[(i, j)] * r[(j, j)].signum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_orthonormal_and_uniform() {
        let u = orthonormal(20, 6, structure_key(3));
        let gap = u.t().dot(&u) - Array2::<f64>::eye(6);
        assert!(gap.iter().all(|value| value.abs() < 1e-14));
        // E[u_1] = 0 and E[u_1^2] = 1/n, with the standard deviations of the uniform law on the sphere of R^4
        let first: Vec<f64> = (0..4000).map(|seed| orthonormal(4, 2, structure_key(seed))[[0, 1]]).collect();
        let mean = first.iter().sum::<f64>() / 4000.0;
        let square = first.iter().map(|u| u * u).sum::<f64>() / 4000.0;
        assert!(mean.abs() < 4.0 * (0.25f64 / 4000.0).sqrt(), "{mean}");
        assert!((square - 0.25).abs() < 4.0 * (0.0625f64 / 4000.0).sqrt(), "{square}");
    }
}
