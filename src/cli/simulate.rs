//! `scorecast simulate`: trajectories of the experiment's system.

use super::session::Session;
use crate::failure::Result;
use crate::stage::{self, Finished};

/// Simulate the experiment's trajectories and write them as NetCDF
#[derive(clap::Args)]
pub(super) struct Args {
    /// A preset's name or a TOML file
    #[arg(default_value = "lorenz96")]
    experiment: String,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    session.run(&args.experiment, "simulate", |plan| stage::simulate::run(plan, &session.options, &session.progress))
}
