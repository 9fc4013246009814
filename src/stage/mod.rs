//! The stages: simulate, train, forecast, assimilate, evaluate, report; and `compare`, which runs them all.
//! Beside them `diagnose` and `gallery` look at systems alone.
//!
//! A stage reads a [`Plan`](crate::spec::Plan) and its inputs, and writes files. What it computes is in the files named
//! after the matter (`twin`, `cycle`, `board`, ...); the files named after commands only join them.

mod alarm;
mod analysis_columns;
mod apart;
pub mod assimilate;
mod assimilation_pictures;
mod assimilation_scores;
mod board;
pub mod compare;
mod cycle;
mod data;
pub mod diagnose;
mod diagnoses;
pub mod evaluate;
mod export;
mod files;
mod findings;
mod fit;
pub mod forecast;
mod forecast_scores;
pub mod gallery;
mod health;
mod parameters;
mod queue;
pub mod report;
pub mod reproduce;
mod set_times;
pub mod simulate;
mod tables;
pub mod train;
pub mod tune;
mod twin;
pub mod validate;

use std::path::PathBuf;

use serde_json::Value;

/// What every stage is told beside the experiment.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run folder or file to write; none means the default place.
    pub out: Option<PathBuf>,
    /// Replace an output that exists.
    pub force: bool,
    /// Go on from the checkpoints of an unfinished run.
    pub resume: bool,
    /// The most bytes that arrays may take.
    pub max_memory: u64,
}

impl Options {
    /// What a reader of files may take.
    fn limits(&self) -> crate::store::Limits {
        crate::store::Limits::bytes(self.max_memory)
    }
}

/// What a stage has to say when it is done.
#[derive(Clone, Debug)]
pub struct Finished {
    /// `result` of the JSON form.
    pub result: Value,
    /// The same for a person, as lines of text.
    pub text: String,
}
