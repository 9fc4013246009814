//! `scorecast train`: fits the experiment's forecasters.

use std::path::PathBuf;

use super::session::{Given, Session};
use scorecast::failure::Result;
use scorecast::stage::{self, Finished};

/// Fit the experiment's forecasters to trajectories and write them as safetensors
#[derive(clap::Args)]
pub(super) struct Args {
    /// A preset's name or a TOML file
    #[arg(default_value = "lorenz96")]
    experiment: String,
    /// Trajectories (HDF5/NetCDF) instead of those that the experiment names or simulates
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Fit the forecaster with this label alone
    #[arg(long, value_name = "LABEL")]
    forecaster: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let (data, label) = (args.data.as_deref(), args.forecaster.as_deref());
    session.run(&args.experiment, "train", &Given { data, label, ..Given::default() }, |plan, _| {
        stage::train::run(plan, data, label, &session.options, &session.progress)
    })
}
