//! Samplers, one a file: each is one step of the way from noise through a denoiser to data, or back; [`super::drive`] owns
//! the loop, the start, the noise and the memory.
//!
//! Data are of about unit variance. A deterministic sampler forgets its start slowly: started from N(0, sigma_max^2) its
//! mean falls short by m / sigma_max for data N(m, 1). So the first evaluation also moves the start by D, to
//! N(m, sigma_max^2 + 1) up to terms of order 1 / sigma_max^2; it costs nothing.
//!
//! The usual grids are the result of a scan over (sigma_min, sigma_max, rho) with the exact denoiser of Gaussian
//! data of sd v, through which all samplers are linear, so that the sd of what they make is a product of numbers:
//!
//! | sampler | evaluations | levels | v = 0.1 | 0.2 | 0.5 | 1 | 2 |
//! |---|---|---|---|---|---|---|---|
//! | `dpm_solver_2m` | 16 | 0.034 to 12, rho 100 | 0.944 | 0.989 | 1.004 | 1.008 | 1.018 |
//! | `heun` | 11 | 0.28 to 6, rho 2 | 0.348 | 0.638 | 0.959 | 1.019 | 1.047 |
//! | `reverse_sde` | 32 | 0.02 to 20, rho 7 | 0.995 | 1.015 | 1.017 | 1.015 | 1.012 |
//! | `euler` | 64 | 0.02 to 20, rho 7 | 0.945 | 0.961 | 0.969 | 0.973 | 0.980 |
//!
//! (sd made over sd of the data). Heun's rule cannot do narrow laws with 11 evaluations: take `dpm_solver_2m`, or more
//! steps. Data on a lower-dimensional set come out exactly on it where the denoiser says so, since all end with D.

mod dpm_solver_2m;
mod euler;
mod foellmer;
mod heun;
mod multistep;
mod reverse_sde;
mod rule;

pub use dpm_solver_2m::DpmSolver2M;
pub use euler::Euler;
pub use foellmer::Foellmer;
pub use heun::Heun;
pub use reverse_sde::ReverseSde;
pub use rule::{Kernel, Past, RegisteredSampler, Sampler, Step};

use crate::error::Result;
use crate::registry::{Entry, find, names};

/// Every sampler, in the order in which they are listed.
pub const SAMPLERS: &[Entry<RegisteredSampler>] =
    &[dpm_solver_2m::ENTRY, heun::ENTRY, reverse_sde::ENTRY, euler::ENTRY];

/// Their names, for settings.
pub const SAMPLER_NAMES: &[&str] = &names::<_, { SAMPLERS.len() }>(SAMPLERS);

/// The sampler of that name in [`SAMPLERS`].
///
/// # Errors
/// [`crate::Error::UnknownName`] with the nearest name.
pub fn named(name: &str) -> Result<RegisteredSampler> {
    Ok(find(SAMPLERS, "sampler", name)?.build)
}

#[cfg(test)]
mod tests;
