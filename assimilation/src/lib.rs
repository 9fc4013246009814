//! Data assimilation: (forecaster, observations) -> posterior ensemble.
//!
//! Any [`Forecaster`](scorecast_systems::Forecaster) serves any method: the true system, a learned network, a user's
//! own model. An [`Analysis`] turns a forecast ensemble into an analysis ensemble and is what a real model's pipeline
//! calls; a [`Cycle`] must also see x_k. [`AnalysisCycle`] makes the first into the second, so one loop runs them all.
//!
//! One analysis of a user's own ensemble (`examples/own_model.rs` is a whole run; [`METHODS`] makes each method from its
//! name and settings):
//!
//! ```
//! use ndarray::array;
//! use scorecast_assimilation::method::{EtKf, Inflation};
//! use scorecast_assimilation::observe::{GaussianError, Stride};
//! use scorecast_assimilation::{Analysis, ObservationSet};
//! use scorecast_systems::{Domain, Key};
//!
//! let key = Key::new(1, Domain::Method);
//! let forecast = key.normals(20, 4);
//! // components 0 and 2, with errors of standard deviation .5; NaN is missing
//! let operator = Stride::new(4, 2, 0, &|values| Ok(Box::new(GaussianError::new(&[0.5], values)?)))?;
//! let values = array![0.3, f64::NAN];
//! let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
//!
//! let mut filter = EtKf { inflation: Inflation::factor(1.02), rotate: false };
//! let outcome = filter.update(forecast, &observed, key)?;
//! assert!(outcome.variance()[0] < 0.5f64.powi(2), "of a prior variance of about 1");
//! # Ok::<(), scorecast_assimilation::Error>(())
//! ```
//!
//! Axis order: `[case, time, member, component]`; an ensemble is `[member, component]`.
//!
//! Arrows point down: a module imports those before it alone, in the order `error`, `need`, `linalg`, `state`, `ensemble`, `observe`,
//! `observations`, `quality`, `outcome`, `problem`, `guard`, `gaussian`, `innovation`, `screening`, `noise_treatment`, `step_law`,
//! `cycle`, `localize`, `augment`, `diagnostics`, then `method` with its `shared`, `build`, `around`, `kalman`, `ensemble`,
//! `variational`, `particle`, `diffusion`, and the registry last.
//!
//! What is deliberately absent: the truth (no method can peek), files, networks.

pub mod augment;
pub mod cycle;
pub mod diagnostics;
pub mod ensemble;
pub mod error;
pub mod gaussian;
pub mod guard;
pub mod innovation;
pub mod linalg;
pub mod localize;
pub mod method;
pub mod need;
pub mod noise_treatment;
pub mod observations;
pub mod observe;
pub mod outcome;
pub mod problem;
pub mod quality;
pub mod screening;
pub mod state;
mod step_law;

pub use cycle::AnalysisCycle;
pub use error::{Error, Result};
pub use gaussian::Gaussian;
pub use guard::GaussianAnalysis;
pub use innovation::{Innovation, innovation};
pub use method::METHODS;
pub use need::Need;
pub use noise_treatment::NoiseTreatment;
pub use observations::{ObservationSet, Present};
pub use observe::{LinearizedOperator, NOISE_LAWS, NoiseLaw, OPERATORS, ObservationOperator};
pub use outcome::{Diagnostics, Outcome, Smoothed};
pub use problem::{Analysis, Cycle, Prior};
pub use quality::Quality;
