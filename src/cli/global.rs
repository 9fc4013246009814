//! Options that every subcommand takes.

use std::path::PathBuf;

use clap::Args;

use super::log::Format;
use super::memory::parse_size;
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::nn::ops::{Processor, ProcessorError};
use scorecast::stage::Options;

/// Options that every subcommand takes.
#[derive(Args)]
pub(super) struct Global {
    /// Override a key of the experiment, such as observe.steps=500 or forecaster.ar.width=64 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", global = true, help_heading = "Options everywhere")]
    pub(super) set: Vec<String>,
    /// The seed of every random number
    #[arg(long, global = true, help_heading = "Options everywhere", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(0..))]
    pub(super) seed: Option<i64>,
    /// Threads; all cores if unset. Results do not depend on it
    #[arg(long, global = true, help_heading = "Options everywhere", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
    /// What networks are trained on: cpu, cuda or cuda:N for the N-th GPU, which needs a build with CUDA
    #[arg(long, value_name = "DEVICE", default_value = "cpu", global = true, help_heading = "Options everywhere")]
    pub(super) device: String,
    /// The run folder or the file to write
    #[arg(long, value_name = "PATH", global = true, help_heading = "Options everywhere")]
    pub(super) out: Option<PathBuf>,
    /// Replace an output that exists
    #[arg(long, global = true, help_heading = "Options everywhere")]
    pub(super) force: bool,
    /// Go on from the checkpoints of an unfinished run
    #[arg(long, global = true, help_heading = "Options everywhere", conflicts_with = "force")]
    pub(super) resume: bool,
    /// Check everything, say what would run and how large it is, and stop
    #[arg(long, global = true, help_heading = "Options everywhere")]
    pub(super) dry_run: bool,
    /// The most memory that arrays may take, such as 4GiB; 75 % of the machine's if unset
    #[arg(long, value_name = "SIZE", global = true, help_heading = "Options everywhere", value_parser = parse_size)]
    pub(super) max_memory: Option<u64>,
    /// The folder whose disk holds trajectories that are larger than memory; beside the output if unset
    #[arg(long, value_name = "FOLDER", global = true, help_heading = "Options everywhere")]
    pub(super) scratch: Option<PathBuf>,
    /// No progress and no log, only warnings and errors
    #[arg(long, short, global = true, help_heading = "Options everywhere")]
    pub(super) quiet: bool,
    /// Print the result, or the error, as exactly one JSON object
    #[arg(long, global = true, help_heading = "Options everywhere")]
    pub(super) json: bool,
    /// How the log on stderr is written
    #[arg(long, value_enum, default_value_t = Format::Text, global = true, help_heading = "Options everywhere")]
    pub(super) log_format: Format,
}

impl Global {
    /// What stages are told.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] where there can be no such device, [`FailureKind::Resource`] where there is none.
    pub(super) fn options(&self) -> Result<Options> {
        let refused = |error: ProcessorError| {
            let kind = match error {
                ProcessorError::NotThere(..) => FailureKind::Resource,
                _ => FailureKind::Usage,
            };
            Failure::new(kind, error.to_string())
        };
        Ok(Options {
            out: self.out.clone(),
            force: self.force,
            resume: self.resume,
            max_memory: self.max_memory.unwrap_or_else(super::memory::default_limit),
            scratch: self.scratch.clone(),
            launcher: Some(super::read_file::LAUNCHER),
            processor: Processor::named(&self.device).map_err(refused)?,
        })
    }
}
