//! Learned forecasters, scores, experiments and the command line of scorecast.
//!
//! Arrows point down only: `main -> cli -> stage`; `stage` names `spec`, `store`, `forecast`, `score`, `report` and the
//! two crates below; `forecast -> nn -> systems`. Only `stage` names assimilation; `store`, `score`, `report` and `nn`
//! never name each other: what they share is plain data ([`model`], [`results`], [`progress`]).

pub mod cli;
pub mod failure;
pub mod forecast;
pub mod model;
pub mod nn;
pub mod progress;
pub mod report;
pub mod results;
pub mod score;
pub mod spec;
pub mod stage;
pub mod store;

pub use scorecast_assimilation as assimilation;
pub use scorecast_systems as systems;
