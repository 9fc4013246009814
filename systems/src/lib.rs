//! Stochastic dynamical systems, and the words that every other room of scorecast speaks.
//!
//! A [`System`] is what the catalogue holds; its [`Forecaster`] is the Markov kernel p(x_{k+1} | x_k) of one lead
//! step. Learned models implement the same trait elsewhere, so that whatever consumes a forecaster (a filter, a score)
//! never knows whether it is the true system. All randomness is addressed by a [`Key`].
//!
//! **Axis order, everywhere**: `[case, time, member, component]`. An ensemble is `Array2<f64>` of shape
//! `[member, component]`. Numbers are `f64`; time is in the system's own model time units.
//!
//! What is deliberately absent: files, observations, filters, neural networks.
//!
//! Rooms, each of which uses only those before it:
//! 1. words: [`error`], [`key`], [`geometry`], [`memory_use`] (memory), [`stepping`], [`registry`] (settings), [`semilinear`], [`subspace`], and
//!    blocks of members: [`lanes`], [`increment`], [`fast`], [`linearized`];
//! 2. [`noising`] (schedule x time grid x denoiser x sampler, one driver), [`law`] (what a forecaster is),
//!    [`sde`] (what an equation is), [`brownian`];
//! 3. [`gaussian`], [`transition`] (exact laws), [`spectral`] (fields);
//! 4. [`integrate`] and [`map`]: from equations and maps to forecasters;
//! 5. [`system`], [`simulate()`](mod@simulate), [`diagnose`];
//! 6. [`catalogue`]: one file a system.

pub mod brownian;
pub mod catalogue;
pub mod diagnose;
pub mod error;
pub mod fast;
pub mod gaussian;
pub mod geometry;
pub mod increment;
pub mod integrate;
pub mod key;
pub mod lanes;
pub mod law;
pub mod linearized;
pub mod map;
pub mod memory_use;
pub mod noising;
pub mod registry;
pub mod sde;
pub mod semilinear;
pub mod simulate;
pub mod spectral;
pub mod stepping;
pub mod subspace;
pub mod system;
pub mod transition;
mod transpose;
mod wide;

pub use brownian::BrownianPath;
pub use diagnose::Estimate;
pub use error::{Error, Result};
pub use fast::{Fast, Reach, Ring, SlopeUse};
pub use gaussian::{GaussianDenoiser, GaussianLaw, LinearForecaster, LowRankGaussian, LowRankMixture};
pub use geometry::Geometry;
pub use increment::Increment;
pub use integrate::SdeForecaster;
pub use key::{BulkNormals, Domain, Key, Purpose, Stream};
pub use lanes::LANES;
pub use law::{
    Affine, BoundDenoiser, ConditionalDenoiser, Covariance, Density, Differentiable, FactoredCovariance, Forecaster,
    GaussianKernel, GaussianMixture, LinearGaussian, MixtureKernel, Trace, WindowLaw, flow_log_prob,
};
pub use linearized::Linearized;
pub use map::{Map, MapForecaster};
pub use memory_use::MemoryUse;
pub use noising::{Denoised, Denoiser, DifferentiableDenoiser, Karras, Level, Levels, Pullback, Sampler, Schedule};
pub use registry::{Entry, Param, ParamKind, Settings, Value};
pub use sde::{Calculus, Noise, Sde};
pub use semilinear::Semilinear;
pub use simulate::{Divergence, SimulatedTrajectories, Simulation, simulate};
pub use stepping::Stepping;
pub use system::drawn::DrawnParameters;
pub use system::{Partial, System};
pub use transition::{ExactForecaster, ExactTransition, LogDensity};
