//! Joint estimation of state and parameters by augmentation (Jazwinski 1970; Anderson 2001).
//!
//! Of a family of forecasters p(x_{k+1} | x_k, theta) the state becomes [x, u], u = g(theta) on a scale on which u is
//! about Gaussian: theta itself, or ln theta where theta is positive. Each member is advanced with its own parameters,
//! x_{k+1} ~ p(. | x_k, g^-1(u_k)), u_{k+1} = u_k + walk xi: with walk 0 they persist. [`Augmented`] is that forecaster,
//! [`Conditioned`] the same of one that is given theta itself, [`OfState`] an operator that observes x alone, [`augmented_prior`] the prior of both. Any method then estimates u
//! through its covariance with x, and [`split`] takes its posterior apart.
//!
//! Parameters have no place on a grid. Filters that localize observations (`letkf`, `lestkf`, `eakf`, `ensrf`,
//! `local_particle_filter` with a `radius`) move them by all observations in full, those that localize covariances (`hybrid`,
//! `four_d_envar`) refuse [`OfState`]. With few members the sampling error of many far values reaches a parameter: on
//! Lorenz-96 with 40 values each .05, an unknown forcing had an error of .047 and a posterior sd of .053 with `letkf` of 20
//! members, of .085 and .032 with 10. A small `walk` keeps the spread of u from shrinking for ever. A constant inflation
//! multiplies it too, in each analysis: where the observations say little of u it grows without bound.

mod conditioned;
mod forecaster;
mod operator;
mod parameter;
mod posterior;

pub use conditioned::Conditioned;
pub use forecaster::{Augmented, Family};
pub use operator::OfState;
pub use parameter::{Parameter, Scale, augmented_prior};
pub use posterior::{Estimate, split, split_smoothed};
