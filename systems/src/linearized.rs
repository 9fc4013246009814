//! The derivatives of a drift.

use crate::lanes::LANES;

/// The derivatives of a drift, as products with a vector; never the matrix. All arrays are `[component][lane]`.
pub trait Linearized: Send + Sync {
    /// The tangent-linear model: f'(x, t) dx into `out`.
    fn tangent_block(&self, t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// Its adjoint: f'(x, t)^T v into `out`.
    fn adjoint_block(&self, t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]);
}
