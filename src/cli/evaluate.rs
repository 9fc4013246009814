//! `scorecast evaluate`: scores stored forecasts and analyses.

use std::path::PathBuf;

use serde_json::json;

use super::session::Session;
use scorecast::failure::Result;
use scorecast::stage::{self, Finished};

/// Score forecasts and analyses that were written before
#[derive(clap::Args)]
pub(super) struct Args {
    /// NetCDF files that `forecast` or `assimilate` wrote
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A preset's name or a TOML file; the experiment that the files carry if unset
    #[arg(long, value_name = "EXPERIMENT")]
    experiment: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let plan = args.experiment.as_deref().map(|name| session.plan(name)).transpose()?;
    if session.global.dry_run {
        let files: Vec<String> = args.files.iter().map(|file| file.display().to_string()).collect();
        let would = format!("evaluate would score {}", files.join(", "));
        let opened = stage::inspect::scored(&args.files, &session.options)?;
        let text = opened.iter().fold(format!("{would}\n"), |text, file| format!("{text}opened {file}\n"));
        return Ok(Finished { result: json!({"would": [would], "inputs": opened}), text });
    }
    stage::evaluate::run(&args.files, plan.as_ref(), &session.options, &session.progress)
}
