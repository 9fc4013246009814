//! Learned parts of a method, as facets: a method takes one as a trait object, whoever made it, and knows no network.

use ndarray::{Array1, Array2, ArrayView2};
use scorecast_systems::Key;

use crate::error::Result;
use crate::observations::ObservationSet;

/// A map from a forecast ensemble and observations to an analysis ensemble: alone, or as a correction of a Kalman-type
/// analysis.
pub trait AnalysisMap: Send + Sync {
    /// What to add to each member of `analysis` (`[member, component]`, like the result), made of `forecast`; a map that
    /// works alone is given the forecast as both. It is equivariant: members that are permuted have their corrections permuted.
    ///
    /// # Errors
    /// When the map itself cannot run, or was made for another operator or dimension.
    fn correction(
        &self,
        forecast: ArrayView2<f64>,
        analysis: ArrayView2<f64>,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Array2<f64>>;
}

/// A law q(x_{k+1} | x_k, y) to draw particles from whose density is known, so that they can be weighed by
/// p(y | x_{k+1}) p(x_{k+1} | x_k) / q(x_{k+1} | x_k, y).
pub trait Proposal: Send + Sync {
    /// x_{k+1} for each row of `x` (x_k, `[member, component]`), one lead step before the observations; member i draws from
    /// stream i of `key`.
    ///
    /// # Errors
    /// When the proposal itself cannot run, or was made for another operator or dimension.
    fn draw(&self, x: ArrayView2<f64>, observed: &ObservationSet, key: Key) -> Result<Array2<f64>>;

    /// log q(x_{k+1} | x_k, y) for each row of `next` (x_{k+1}) given that of `x`, `[member]`.
    ///
    /// # Errors
    /// As [`Proposal::draw`].
    fn log_density(&self, x: ArrayView2<f64>, next: ArrayView2<f64>, observed: &ObservationSet) -> Result<Array1<f64>>;
}
