//! Trajectories of the experiment's system, in a file.
//!
//! The states go to a log on disk as they are made ([`StateLog`]), and the file is made from the log when all are there.
//! So memory is bounded by the states of a few times, whatever the length, and a run that is stopped or killed goes on
//! with `--resume` to the same bytes.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::Plan;
pub use crate::stage::data::needs;
use crate::stage::data::{LoggedSimulation, export};
use crate::stage::file_name::folder_name;
use crate::stage::options::{Finished, Options};
use crate::stage::output::{claim, make_folder};
use crate::store::netcdf::SplitPart;
use crate::store::state_log::{LogPlan, StateLog};
use crate::systems::system::complete;
use crate::systems::{Domain, Key, Simulation};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One NetCDF-4 file in double precision, with the variable `split`.
    NetCdf,
    /// A folder in the layout of The Well, in single precision.
    TheWell,
}

/// Simulates the experiment's trajectories and writes them to `--out` (`data.nc` or the folder `the_well` unless said).
///
/// # Errors
/// When the output exists, the system diverges, a state is larger than the limit, or the user stops; then what is
/// simulated so far is kept for `--resume`.
pub fn run(plan: &Plan, format: Format, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let job = LoggedSimulation::of(plan, options)?;
    let out = match format {
        Format::NetCdf => {
            let out = options.out.clone().unwrap_or_else(|| PathBuf::from("data.nc"));
            if out.is_dir() {
                return Err(Failure::new(FailureKind::Io, "is a folder, so no file can be written there")
                    .at(out.display().to_string())
                    .hint("name a file inside it"));
            }
            out
        }
        Format::TheWell => {
            let base = options.out.clone().unwrap_or_else(|| PathBuf::from("the_well"));
            export::check_grid(&job)?;
            make_folder(&base)?;
            base.join(folder_name(&plan.name))
        }
    };
    claim(&out, options)?;
    if format == Format::TheWell {
        export::check_replaceable(&out)?;
    }
    let (cases, components) = (job.cases(), complete(&job.system.system).dim());
    let log_plan = LogPlan { experiment: plan.resolved.clone(), cases, components, spin_up: job.spin_up };
    let (mut log, checkpoint) = StateLog::open(&out, log_plan, options.force, options.resume)?;
    let (system, stepping) = (Arc::clone(&job.system.system), &plan.data.stepping);
    let key = Key::new(plan.seed, Domain::Data);
    let logged = checkpoint.as_ref().map(|(step, _)| *step);
    let running = match checkpoint {
        Some((step, states)) => Simulation::resume(system, stepping, step, states, key)?,
        None => Simulation::new(system, stepping, cases, key)?,
    };
    if let Some(failure) = job.to_the_end(running, logged, &mut log, progress)? {
        log.discard()?;
        return Err(failure);
    }
    match format {
        Format::NetCdf => export::netcdf(&out, &job, &mut log, progress)?,
        Format::TheWell => export::the_well(&out, &job, &mut log, progress)?,
    }
    log.discard()?;
    Ok(finished(&out.display().to_string(), &job))
}

fn finished(out: &str, job: &LoggedSimulation) -> Finished {
    let [cases, times, components] = job.shape();
    let parts: Vec<String> =
        SplitPart::ALL.iter().zip(job.counts).map(|(part, count)| format!("{} {count}", part.name())).collect();
    let parts = parts.join(", ");
    let text =
        format!("{cases} trajectories ({parts}) of {} lead steps and {components} components in {out}\n", times - 1);
    let result = json!({
        "file": out, "trajectories": cases, "steps": times - 1, "components": components, "split": job.counts,
    });
    Finished { result, text }
}
