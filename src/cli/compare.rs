//! `scorecast compare`: the main job.

use super::session::{Given, Session};
use scorecast::failure::Result;
use scorecast::stage::{self, Finished};

/// Simulate, train, forecast, assimilate, score and report: whatever the experiment has
#[derive(clap::Args)]
pub(super) struct Args {
    /// A preset's name (see `scorecast list presets`) or a TOML file
    #[arg(default_value = "lorenz96")]
    experiment: String,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    session.run(&args.experiment, "compare", &Given::default(), |plan, _| {
        stage::compare::run(plan, &session.options, &session.progress)
    })
}
