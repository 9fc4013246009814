//! Learned forecasters, scores and experiments of scorecast. The command line is the binary's own: `src/main.rs` and `src/cli`.
//!
//! Arrows point down only: `stage` names `spec`, `store`, `forecast`, `score`, `report` and the
//! two crates below; `forecast -> nn -> systems`. Only `stage` names assimilation; `store`, `score`, `report` and `nn`
//! never name each other: what they share is plain data ([`model`], [`results`], [`progress`]).

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
