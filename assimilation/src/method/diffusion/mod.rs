//! Methods that draw the analysis by a reverse diffusion: from a score made of the members, or by guiding the denoiser
//! of a forecaster.

mod bracket;
mod by_component;
pub(crate) mod constraint;
pub(crate) mod correctors;
mod counts;
pub(crate) mod enff;
pub(crate) mod ensf;
pub(crate) mod guidance;
pub(crate) mod guided;
mod likelihood;
pub(crate) mod local_weights;
mod transport;
pub(crate) mod weighting;
