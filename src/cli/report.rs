//! `scorecast report`: the report of a run folder.

use std::path::PathBuf;

use serde_json::json;

use super::session::Session;
use scorecast::failure::Result;
use scorecast::stage::{self, Finished};

/// Write the report of a run folder again, as one HTML file that opens offline
#[derive(clap::Args)]
pub(super) struct Args {
    /// The run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    if session.global.dry_run {
        let text = format!("report would read {}\n", args.run.display());
        return Ok(Finished { result: json!({"would": [text.trim_end()]}), text });
    }
    stage::report::run(&args.run, &session.options, &session.progress)
}
