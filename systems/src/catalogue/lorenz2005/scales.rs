//! The two scales of Model III of Lorenz (2005): X_n = sum'_{|i| <= I} (alpha - beta |i|) Z_{n+i} and Y = Z - X, with
//! alpha = (3 I^2 + 3) / (2 I^3 + 4 I) and beta = (2 I^2 + 1) / (I^4 + 2 I^2), which make X = Z wherever Z is a quadratic
//! polynomial over the window. sum' counts its first and last term half. The filter is symmetric, its own adjoint.
//!
//! The sum is written out: a running sum of these weights is a sum of sums, whose rounding errors grow with n^{3/2}.

use super::bracket::ring;
use crate::integrate::Lanes;
use crate::lanes::LANES;

/// The filter.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// For |i| = 0 ..= I.
    weights: Vec<f64>,
}

impl Filter {
    /// With windows of I points to either side, I at least 1.
    pub(super) fn new(reach: usize) -> Self {
        let i = reach as f64;
        let alpha = (3.0 * i * i + 3.0) / (2.0 * i.powi(3) + 4.0 * i);
        let beta = (2.0 * i * i + 1.0) / (i.powi(4) + 2.0 * i * i);
        let end = |distance: usize| if distance == reach { 0.5 } else { 1.0 };
        Self { weights: (0..=reach).map(|d| end(d) * (alpha - beta * d as f64)).collect() }
    }

    /// X into `x`.
    pub(super) fn large(&self, z: &[Lanes], x: &mut [Lanes]) {
        let n = z.len();
        for (i, x) in x.iter_mut().enumerate() {
            *x = z[i].map(|z| self.weights[0] * z);
            for (distance, weight) in self.weights.iter().enumerate().skip(1) {
                let (left, right) = (ring(z, i + n - distance), ring(z, i + distance));
                for lane in 0..LANES {
                    x[lane] += weight * (left[lane] + right[lane]);
                }
            }
        }
    }

    /// X into `x` and Y into `y`.
    pub(super) fn split(&self, z: &[Lanes], x: &mut [Lanes], y: &mut [Lanes]) {
        self.large(z, x);
        let cells = z.as_flattened().iter().zip(x.as_flattened());
        for (y, (z, x)) in y.as_flattened_mut().iter_mut().zip(cells) {
            *y = z - x;
        }
    }
}
