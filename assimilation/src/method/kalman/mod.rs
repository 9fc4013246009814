//! Filters that carry a mean and a covariance, the smoother of theirs, and what is between: one state with a fixed
//! covariance. A filter is two rules, forecast and analysis ([`gaussian_cycle`]); one cycle runs them all.

pub(crate) mod climatology;
pub(crate) mod extended;
pub(crate) mod gaussian_cycle;
#[allow(clippy::module_inception)]
pub(crate) mod kalman;
pub(crate) mod optimal_interpolation;
pub(crate) mod rts;
pub(crate) mod unscented;
