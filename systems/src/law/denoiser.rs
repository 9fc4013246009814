//! Denoisers of the law of a lead step.

use ndarray::{Array2, ArrayView2};

use crate::error::Result;
use crate::noising::DifferentiableDenoiser;

/// x = offset + scale * z, element by element: from the space of a denoiser to states.
#[derive(Clone, Debug)]
pub struct Affine {
    /// `[member, component]`.
    pub offset: Array2<f64>,
    /// `[member, component]`, positive.
    pub scale: Array2<f64>,
}

impl Affine {
    /// Maps `z` (`[member, component]`) to states.
    pub fn apply(&self, z: &Array2<f64>) -> Array2<f64> {
        &self.offset + &(&self.scale * z)
    }
}

/// A denoiser whose condition x_k has been bound, with the map from its space to states x_{k+1}.
pub struct BoundDenoiser<'a> {
    /// Denoises z, member i given its own x_k. Data in this space have about unit variance.
    pub denoiser: Box<dyn DifferentiableDenoiser + 'a>,
    /// From z to x_{k+1}.
    pub to_state: Affine,
}

/// The denoiser of p(x_{k+1} | x_k), for any x_k.
pub trait ConditionalDenoiser: Send + Sync {
    /// Binds the condition: `x` is `[member, component]` at lead step `k`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    fn bind<'a>(&'a self, k: usize, x: ArrayView2<'a, f64>) -> Result<BoundDenoiser<'a>>;
}
