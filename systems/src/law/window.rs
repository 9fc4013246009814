//! The joint law of several successive states.

use super::Affine;
use crate::noising::DifferentiableDenoiser;

/// The stationary law of a window (x_k, ..., x_{k+L-1}), by its denoiser: a prior of smoothers, and of forecasts with any
/// history.
///
/// A noise level of its own for each frame says what is known of that state: sigma = 0, the state is given; alpha = 0,
/// nothing is known of it, and x_t is not looked at. The frames at levels between are those that are drawn; what D says of a
/// frame of which nothing is known is not to be used.
pub trait WindowLaw: Send + Sync {
    /// L, the number of frames, at least 2.
    fn frames(&self) -> usize;

    /// D(x_t; levels), of windows `[member, frame x component]`: the components of a frame follow those of the frame before
    /// it, and the frames follow in time. Data in its space have about unit variance. It is made for
    /// [`evaluate`](crate::noising::Denoiser::evaluate) and
    /// [`evaluate_vjp`](DifferentiableDenoiser::evaluate_vjp) with L levels; one level alone is that of all frames.
    fn denoiser(&self) -> Box<dyn DifferentiableDenoiser + '_>;

    /// From the space of the denoiser to states: one row, `[1, frame x component]`, for all members.
    fn to_states(&self) -> Affine;
}
