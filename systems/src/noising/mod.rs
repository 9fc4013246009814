//! The noising process x_t = alpha x_0 + sigma eps and the way back, as values that compose: a [`Schedule`] says the
//! levels (alpha, sigma) of a time t, a [`TimeGrid`] at which times to stop, a [`Denoiser`] is D(x_t) = `E[x_0 | x_t]`, a
//! [`Sampler`] takes one step, and [`drive`] owns the loop.
//!
//! With D comes everything: score = (alpha D - x_t) / sigma^2, Cov[x_0 | x_t] = (sigma^2 / alpha) dD/dx_t. Every
//! process of this family is the variance-exploding one (alpha = 1) in x_t / alpha at noise level sigma / alpha.

pub mod denoiser;
mod differentiable;
mod drive;
mod level;
mod rescaled;
pub mod sampler;
pub mod schedule;
mod shifted;
mod time_grid;

pub use denoiser::{Denoised, Denoiser};
pub use differentiable::{DifferentiableDenoiser, Pullback};
pub use drive::{Drawn, Evaluation, Observer, Run, Start, drive, sample};
pub use level::Level;
pub use rescaled::Rescaled;
pub use sampler::{Kernel, Past, SAMPLERS, Sampler, Step};
pub use schedule::{SCHEDULES, Schedule};
pub use shifted::Shifted;
pub use time_grid::{Karras, Levels, LogSnr, Stretched, TimeGrid, Uniform};
