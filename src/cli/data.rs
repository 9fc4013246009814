//! `scorecast data`: looks at files of trajectories.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::session::Session;
use scorecast::failure::Result;
use scorecast::stage::{self, Finished};

/// Check files of trajectories
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Say what a file is and every problem in it; exit code 0 when it is usable, 3 when not
    Validate {
        /// A file (ours, HDF5/NetCDF with named dimensions, The Well), or a folder in the layout of The Well
        #[arg(value_name = "FILE|DIR")]
        path: PathBuf,
        /// The variable or field, where several would do
        #[arg(long, value_name = "NAME")]
        variable: Option<String>,
    },
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let What::Validate { path, variable } = &args.what;
    if session.global.dry_run {
        let text = format!("data validate would read {}\n", path.display());
        return Ok(Finished { result: json!({"would": [text.trim_end()]}), text });
    }
    stage::validate::run(path, variable.as_deref(), &session.options)
}
