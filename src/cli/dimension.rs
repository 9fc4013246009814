//! `scorecast dimension`: how many dimensions data have, and the law that a model has learned.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::session::Session;
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::lab::dimension::{self, Asked, Sampling, Scale};
use scorecast::spec::{Plan, needs};
use scorecast::stage::{Finished, made_from};

/// Intrinsic dimension of data or of a trained model by several estimators, noise floor, low-rank pieces, and what they mean
#[derive(clap::Args)]
pub(super) struct Args {
    /// A file of trajectories (HDF5/NetCDF, The Well), a preset's or a system's name, an experiment file, or a trained model
    /// (.safetensors) with a denoiser
    #[arg(value_name = "DATA|MODEL")]
    subject: String,
    /// Data whose states a model is asked at: a file, preset, system or experiment; those of the system that it was made from if
    /// unset
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// The most points that are drawn from the states
    #[arg(long, value_name = "NUMBER", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(50..))]
    points: u32,
    /// Lead steps within which states of one trajectory are no neighbours; from the autocorrelation if unset
    #[arg(long, value_name = "STEPS")]
    window: Option<usize>,
    /// How components are measured: all as they come, or each in its standard deviation
    #[arg(long, value_enum, default_value_t = Units::Common)]
    scale: Units,
    /// Do not look for low-rank pieces
    #[arg(long)]
    no_pieces: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Units {
    Common,
    Components,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let model = is_model(&args.subject).then(|| PathBuf::from(&args.subject));
    let plan = match (&model, &args.data) {
        (Some(_), Some(data)) => of_data(data, session)?,
        (Some(model), None) => session.plan_of_text(&made_from(model)?, &model.display().to_string())?,
        (None, Some(_)) => {
            let message = format!("--data goes with a model, but `{}` is none", args.subject);
            return Err(Failure::new(FailureKind::Usage, message).hint("leave out --data, or name a .safetensors file"));
        }
        (None, None) => of_data(&args.subject, session)?,
    };
    let scale = match args.scale {
        Units::Common => Scale::Common,
        Units::Components => Scale::Components,
    };
    let sampling = Sampling { points: args.points as usize, window: args.window, scale };
    let asked = Asked { sampling, pieces: !args.no_pieces };
    session.run_plan(&plan, "dimension", &needs::needs(&plan, "dimension"), || {
        dimension::run(&plan, model.as_deref(), &asked, &session.options, &session.progress)
    })
}

fn is_model(subject: &str) -> bool {
    Path::new(subject).extension().is_some_and(|end| end == "safetensors")
}

/// The plan of an experiment, or of a file of trajectories alone.
fn of_data(name: &str, session: &Session) -> Result<Plan> {
    let path = Path::new(name);
    let is_experiment = path.extension().is_some_and(|end| end == "toml");
    if path.exists() && !is_experiment {
        return session.plan_of_file(name);
    }
    session.plan_unscored(name)
}
