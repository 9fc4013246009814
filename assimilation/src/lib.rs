//! Data assimilation: (forecaster, observations) -> posterior ensemble.
//!
//! Any [`Forecaster`](scorecast_systems::Forecaster) serves any method: the true system, a learned network, a user's
//! own model. An [`Analysis`] turns a forecast ensemble into an analysis ensemble and is what a real model's pipeline
//! calls; a [`Cycle`] must also see x_k. [`AnalysisCycle`] makes the first into the second, so one loop runs them all.
//!
//! Axis order: `[case, time, member, component]`; an ensemble is `[member, component]`.
//!
//! What is deliberately absent: the truth (no method can peek), files, networks.

pub mod augment;
pub mod diagnostics;
pub mod innovation;
pub mod linalg;
pub mod localize;
pub mod method;
pub mod observe;
pub mod outcome;
pub mod problem;
pub mod quality;
pub mod state;

pub use innovation::{Innovation, innovation};
pub use method::METHODS;
pub use observe::{NOISE_LAWS, NoiseLaw, OPERATORS, Observation};
pub use outcome::{Diagnostics, Outcome, Smoothed};
pub use problem::{Analysis, AnalysisCycle, Cycle, Error, Prior, Result, Seen};
pub use quality::Quality;
