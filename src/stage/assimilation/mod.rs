//! Assimilation: the truths of twin experiments and their observations, or the user's own; the loop that hands them to a
//! method; and what the analyses are worth.
//!
//! A `Replicate` is a truth with its observations and its prior, an [`ObservingNetwork`] has several; a [`RowRun`] is one row
//! of the experiment on one of them, and [`Assimilation`] runs and scores all rows. No method is handed a truth.

mod alarm;
mod analysed;
mod beside;
mod columns;
mod cycle;
mod diagnoses;
mod diagnostics;
mod doubts;
pub mod file;
mod lost;
mod network;
mod observation_times;
mod observing;
pub mod parameters;
mod pictures;
mod prior;
mod replicate;
mod row_run;
mod score;
mod truth;
mod withheld;

pub use network::{ObservingNetwork, Recorded, recorded_sets};
pub use row_run::RowRun;
pub use score::{Assimilation, Extras};
