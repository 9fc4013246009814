//! The stages: simulate, train, forecast, assimilate, evaluate, report; and `compare`, which runs them all.
//! Beside them `diagnose` and `gallery` look at systems alone.
//!
//! A stage reads a [`Plan`](crate::spec::Plan) and its inputs, and writes files. What it computes is in the folders:
//!
//! - `data`: trajectories, their climate, and their files;
//! - `experiment`: trajectories with the forecasters that were fitted to them, which every stage starts from;
//! - `forecast`: forecasts from test states, scored or written;
//! - `assimilation`: truths, observations, methods, and what their analyses are worth.
//!
//! The files named after commands only join them. Arrows point down: commands, then `forecast` and `assimilation`, then
//! `experiment`, then `data`, then the tables and helpers beside this file.

mod advice;
pub mod assimilate;
mod assimilation;
mod budget;
pub mod compare;
mod data;
pub mod diagnose;
pub mod evaluate;
mod experiment;
mod fall;
mod file_name;
mod findings;
pub mod forecast;
pub mod gallery;
pub mod inspect;
mod options;
mod output;
mod pairing;
mod queue;
pub mod report;
pub mod reproduce;
mod rough;
mod rows;
mod score_table;
pub mod simulate;
pub mod suite;
mod tables;
pub mod train;
pub mod tune;
mod untrained;
pub mod validate;

pub use budget::would_measure;
pub(crate) use data::simulated;
pub use data::{Said, said_in};
pub use experiment::{kind_of_model, made_from};
pub(crate) use experiment::{read_model, rebuild};
pub(crate) use options::go_on;
pub use options::{Finished, Options};
pub(crate) use output::claim_folder;
