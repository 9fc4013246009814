//! Forecasts from the test trajectories: advanced from each start's own lead step, scored in memory, or written as files.
//!
//! `compare` and `forecast` advance by the same `StartBlocks`, and `compare` and `evaluate` score into the same
//! `LeadTables`. Beside ensembles there are one-step laws, where the true one is known (their distances, and whether
//! a classifier tells them from it), and one-step densities.

mod conditioned_law;
mod densities;
mod file;
mod laws;
pub(super) mod lead_tables;
mod leaving;
mod lost;
mod rollout;
mod score;
mod start_blocks;
#[cfg(test)]
mod time_dependence;
mod two_sample;
mod write;

pub(super) use rollout::training_rows;
pub(super) use score::score;
pub use write::run;
