//! `scorecast simulate`: trajectories of the experiment's system.

use clap::ValueEnum;

use super::session::Session;
use scorecast::failure::Result;
use scorecast::stage::{self, Finished};

/// Simulate the experiment's trajectories and write them: training, validation and test parts
///
/// The states stream to disk, so the file may be far larger than the memory. A run that is stopped or killed goes on
/// with --resume, to the same bytes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// A preset's name, a TOML file, or a system's name for its usual settings
    #[arg(default_value = "lorenz96")]
    experiment: String,
    /// What is written: one NetCDF file, or into the folder --out the layout of The Well (fields on grids alone)
    #[arg(long, value_enum, default_value_t = Format::Netcdf)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Netcdf,
    #[value(name = "the_well")]
    TheWell,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let format = match args.format {
        Format::Netcdf => stage::simulate::Format::NetCdf,
        Format::TheWell => stage::simulate::Format::TheWell,
    };
    session.run_unscored(&args.experiment, "simulate", stage::simulate::needs, |plan| {
        stage::simulate::run(plan, format, &session.options, &session.progress)
    })
}
