//! `scorecast reproduce`: experiments with known figures, held against them.

use std::path::{Path, PathBuf};

use super::dry_run;
use super::session::Session;
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::spec::{Plan, needs, size};
use scorecast::stage::inspect::{self, Inspected};
use scorecast::stage::{self, Finished};

/// Run experiments whose figures are known ([[expected]]) and hold every row against them
#[derive(clap::Args)]
pub(super) struct Args {
    /// TOML files, or folders of them
    #[arg(required = true, value_name = "EXPERIMENT")]
    experiments: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let mut files = Vec::new();
    for path in &args.experiments {
        files.extend(if path.is_dir() { inside(path)? } else { vec![path.clone()] });
    }
    let plans: Vec<Plan> = files.iter().map(|file| session.plan(&file.to_string_lossy())).collect::<Result<_>>()?;
    if let Some(plan) = plans.iter().find(|plan| plan.expected.is_empty()) {
        let message = format!("experiment `{}` has no [[expected]] figures to be held against", plan.name);
        return Err(Failure::new(FailureKind::Usage, message).hint("add some, or run it with `scorecast compare`"));
    }
    let mut all = Vec::new();
    for plan in &plans {
        let needs = needs::needs(plan, "reproduce");
        size::check(&needs, session.options.max_memory)?;
        all.extend(needs);
    }
    match plans.first() {
        Some(first) if session.global.dry_run => {
            let mut opened = Inspected::default();
            for plan in &plans {
                let found = inspect::inputs(plan, "reproduce", &[], None, &session.options)?;
                opened.inputs.extend(found.inputs);
                opened.warnings.extend(found.warnings);
            }
            Ok(dry_run::describe(first, "reproduce", &all, session.options.max_memory, Some(&opened)))
        }
        _ => stage::reproduce::run(&plans, &session.options, &session.progress),
    }
}

/// The TOML files of a folder, in the order of their names.
fn inside(folder: &Path) -> Result<Vec<PathBuf>> {
    let at = folder.display().to_string();
    let io =
        |error: std::io::Error| Failure::new(FailureKind::Io, format!("`{at}` could not be read: {error}")).at(&at);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        files.push(entry.map_err(io)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(FailureKind::Usage, format!("`{at}` holds no TOML file"))
            .at(&at)
            .hint("name another folder"));
    }
    Ok(files)
}
