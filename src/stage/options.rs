//! What a stage is told, and what it has to say.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, FailureKind, Result};
use crate::nn::ops::Processor;
use crate::progress::Progress;
use crate::store::{Launcher, Limits};
use crate::systems::MemoryUse;

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
    /// The folder whose disk holds large trajectories while a command runs; none means beside the output.
    pub scratch: Option<PathBuf>,
    /// How the process that reads foreign files is started; without one this process reads them.
    pub launcher: Option<Launcher>,
    /// What computes the passes of networks in training.
    pub processor: Processor,
}

impl Options {
    /// Nothing asked for but a limit on memory: the default place, nothing replaced, trainings on the CPU, and files read by
    /// this process.
    pub const fn new(max_memory: u64) -> Self {
        Self {
            out: None,
            force: false,
            resume: false,
            max_memory,
            scratch: None,
            launcher: None,
            processor: Processor::Cpu,
        }
    }

    /// What a reader of files may take.
    pub(crate) fn limits(&self) -> Limits {
        Limits::bytes(self.max_memory).launched(self.launcher)
    }

    /// The folder whose disk holds large trajectories: what is asked for, or the nearest folder of the output that is there.
    pub(super) fn scratch(&self) -> PathBuf {
        let beside = || {
            let out = self.out.as_deref().unwrap_or(Path::new(""));
            let there = out.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new(""));
            if there.as_os_str().is_empty() { PathBuf::from(".") } else { there.to_path_buf() }
        };
        self.scratch.clone().unwrap_or_else(beside)
    }

    /// Refuses numbers, as many as the product of `sizes`, that would not fit under the limit, before anything is allocated;
    /// `what` names them.
    ///
    /// # Errors
    /// [`FailureKind::Resource`] with both sizes.
    pub(crate) fn check_memory(&self, what: &str, sizes: &[usize]) -> Result<()> {
        let bytes = MemoryUse::reals(what, sizes).bytes;
        if bytes <= self.max_memory {
            return Ok(());
        }
        let (asked, allowed) = (gib(bytes), gib(self.max_memory));
        let message = format!("{what} would take {asked:.1} GiB, but --max-memory allows {allowed:.1} GiB");
        Err(Failure::new(FailureKind::Resource, message).hint("make the experiment smaller, or raise --max-memory"))
    }
}

/// Stops work that the user wants to end; `doing` names it, such as "simulating".
///
/// # Errors
/// [`FailureKind::Interrupted`] after a signal.
pub(crate) fn go_on(progress: &dyn Progress, doing: &str) -> Result<()> {
    match progress.interrupted() {
        true => Err(Failure::new(FailureKind::Interrupted, format!("interrupted while {doing}"))),
        false => Ok(()),
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}

impl Finished {
    /// With what a budget has set, before all else.
    #[must_use]
    pub fn noting(mut self, notes: &[String]) -> Self {
        if let (false, Value::Object(result)) = (notes.is_empty(), &mut self.result) {
            result.insert("budget".to_owned(), notes.into());
        }
        let lines: String = notes.iter().map(|note| format!("budget: {note}\n")).collect();
        self.text.insert_str(0, &lines);
        self
    }
}

/// What a stage has to say when it is done.
#[derive(Clone, Debug)]
pub struct Finished {
    /// `result` of the JSON form.
    pub result: Value,
    /// What there is to say to a person, as lines of text.
    pub text: String,
}
