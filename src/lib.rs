//! Learned forecasters, scores and experiments of scorecast. The command line is the binary's own: `src/main.rs` and `src/cli`.
//!
//! Arrows point down only: `stage` names `spec`, `store`, `forecast`, `score`, `report` and the
//! two crates below; `forecast -> nn -> systems`. Only `stage` names assimilation; `store`, `score`, `report` and `nn`
//! never name each other: what they share is plain data ([`model`], [`results`], [`progress`]).

pub mod failure;
#[cfg(feature = "learned")]
pub mod forecast;
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
