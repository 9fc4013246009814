//! `scorecast diagnose`: what a system, or a file of trajectories, is like.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::session::Session;
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::spec::{Plan, needs};
use scorecast::stage::{self, Finished};
use scorecast::systems::catalogue::{DefaultStepping, SYSTEMS};
use scorecast::systems::diagnose::Effort;
use scorecast::systems::registry::find;
use scorecast::systems::{Entry, Stepping};

/// Lyapunov exponents, dimension, climate, autocorrelation, spectra and histogram of a system or of stored trajectories
#[derive(clap::Args)]
pub(super) struct Args {
    /// A system's name (see `scorecast list systems`), set up by --set system.KEY=VALUE and --set data.KEY=VALUE; or a
    /// file of trajectories (HDF5/NetCDF)
    #[arg(value_name = "SYSTEM|FILE", required_unless_present = "gallery")]
    subject: Option<String>,
    /// Leading Lyapunov exponents to find; as many as are affordable if unset
    #[arg(long, value_name = "NUMBER")]
    exponents: Option<usize>,
    /// Draw a small picture of every system into this SVG file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "exponents"])]
    gallery: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let subject = match (&args.gallery, &args.subject) {
        (Some(out), _) if session.global.dry_run => {
            let text = format!("diagnose would draw every system into {}\n", out.display());
            return Ok(Finished { result: json!({"would": [text.trim_end()]}), text });
        }
        (Some(out), _) => return stage::gallery::run(out, &session.options, &session.progress),
        (None, subject) => subject.as_deref().unwrap_or_default(),
    };
    let (plan, exponents) = match find(SYSTEMS, "system", subject) {
        Ok(entry) => of_system(entry, session)?,
        Err(_) if is_file(subject) => (session.plan_of_file(subject)?, 0),
        Err(error) => {
            let hint = "see `scorecast list systems`, or name a file of trajectories";
            return Err(Failure::new(FailureKind::Usage, error.to_string()).hint(hint));
        }
    };
    let exponents = args.exponents.unwrap_or(exponents);
    session.run_plan(&plan, "diagnose", &needs::needs(&plan, "diagnose"), || {
        stage::diagnose::run(&plan, exponents, &session.options, &session.progress)
    })
}

/// Whether a word means a file rather than a system.
fn is_file(subject: &str) -> bool {
    Path::new(subject).exists() || subject.contains(['.', '/', '\\'])
}

/// A system with its usual stepping, and as much simulation as it affords.
fn of_system(entry: &Entry<DefaultStepping>, session: &Session) -> Result<(Plan, usize)> {
    let defaults = &entry.build;
    let with = |effort: &Effort| {
        let Stepping { dt, substeps, integrator } = defaults.stepping();
        let Effort { trajectories, steps, .. } = effort;
        let text = format!(
            "[system]\nname = {:?}\n[data]\ndt = {dt:?}\nsubsteps = {substeps}\nintegrator = {integrator:?}\n\
             spin_up = {}\ntrajectories = {trajectories}\nsteps = {steps}\n",
            entry.name, defaults.spin_up
        );
        session.plan_of_text(&text, entry.name)
    };
    // how much is affordable depends on settings that overrides change
    let first = with(&Effort { trajectories: 16, steps: 200, exponents: 0 })?;
    let dim = first.system.as_ref().map_or(1, |system| system.system.dim());
    let effort = Effort::affordable(dim, &first.data.stepping);
    Ok((with(&effort)?, effort.exponents))
}
