//! The stages: simulate, train, forecast, assimilate, evaluate, report; and `compare`, which runs them all.

pub mod assimilate;
pub mod compare;
pub mod evaluate;
pub mod forecast;
pub mod report;
pub mod simulate;
pub mod train;

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

/// What a stage has to say when it is done.
#[derive(Clone, Debug)]
pub struct Finished {
    /// `result` of the JSON form.
    pub result: Value,
    /// The same for a person, as lines of text.
    pub text: String,
}
