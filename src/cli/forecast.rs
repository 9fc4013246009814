//! `scorecast forecast`: forecasts of the experiment's test trajectories.

use std::path::PathBuf;

use super::session::{Given, ModelFile, Session, parse_model};
use scorecast::failure::Result;
use scorecast::stage::{self, Finished};

/// Forecast the experiment's test trajectories with trained forecasters and write the ensembles as NetCDF
#[derive(clap::Args)]
pub(super) struct Args {
    /// A preset's name or a TOML file
    #[arg(default_value = "lorenz96")]
    experiment: String,
    /// A trained model for the forecaster with this label (repeatable)
    #[arg(long = "model", value_name = "LABEL=FILE", value_parser = parse_model)]
    models: Vec<ModelFile>,
    /// Trajectories (HDF5/NetCDF) instead of those that the experiment names or simulates
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let given = Given { models: &args.models, data: args.data.as_deref(), label: None };
    session.run(&args.experiment, "forecast", &given, |plan, models| {
        stage::forecast::run(plan, models, args.data.as_deref(), &session.options, &session.progress)
    })
}
