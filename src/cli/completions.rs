//! `scorecast completions`: completion scripts for shells.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use serde_json::json;

use scorecast::failure::Result;
use scorecast::stage::Finished;

/// Print the completion script of a shell
#[derive(clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<Finished> {
    let mut script = Vec::new();
    generate(args.shell, &mut super::Cli::command(), "scorecast", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    Ok(Finished { result: json!({"shell": args.shell.to_string(), "script": text}), text })
}
