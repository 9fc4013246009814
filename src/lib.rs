//! Learned forecasters, scores and experiments of scorecast. The command line is the binary's own: `src/main.rs` and `src/cli`.
//!
//! Arrows point down only, in this order of the rooms from low to high: plain data ([`failure`], [`progress`], [`model`],
//! [`results`]); [`nn`], networks and their training; [`forecast`], one file a forecaster; [`score`], one file a metric;
//! [`spec`], what an experiment says; [`store`], files; [`report`], what a reader gets; [`stage`], which joins them all; [`lab`],
//! questions to data and trained models. The two crates below name none of them; of the rooms only [`spec`] and [`stage`] name
//! assimilation, and [`failure`] its errors.
//! [`store`] and [`score`] never name networks or each other.

pub mod failure;
#[cfg(feature = "learned")]
pub mod forecast;
#[cfg(feature = "experiments")]
pub mod lab;
pub mod model;
#[cfg(feature = "learned")]
pub mod nn;
pub mod progress;
#[cfg(feature = "experiments")]
pub mod report;
#[cfg(feature = "experiments")]
pub mod results;
pub mod score;
#[cfg(feature = "experiments")]
pub mod spec;
#[cfg(feature = "experiments")]
pub mod stage;
#[cfg(feature = "files")]
pub mod store;

pub use scorecast_assimilation as assimilation;
pub use scorecast_systems as systems;
