//! Several experiments as one job: each in a run folder of its own, and one table over all of them.
//!
//! A run that is finished is kept: with `--resume` it is taken as it is, where it is of the same experiment and none of its
//! files has changed since. One that fails leaves the others as they are, and is told of in the end.

mod column;
mod table;

pub use column::{Cell, Column, SuiteResult};
pub use table::{Table, tables};

use std::path::{Path, PathBuf};

use serde_json::json;

use super::compare;
use super::file_name::folder_name;
use super::options::{Finished, Options, go_on};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::Report;
use crate::spec::Plan;
use crate::store::{self, RunFolder, manifest};

/// Runs the plans below `--out` (`runs/NAME` unless said).
///
/// # Errors
/// When a finished run is in the way or has been changed, the user stops, or a run fails: then after all others.
pub fn run(name: &str, plans: &[Plan], options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(folder_name(name)));
    let mut runs: Vec<(PathBuf, SuiteResult)> = Vec::new();
    let mut failed: Vec<(String, Failure)> = Vec::new();
    for plan in plans {
        go_on(progress, "running experiments")?;
        let folder = out.join(folder_name(&plan.name));
        if !is_kept(plan, &folder, options)? {
            let own = Options { out: Some(folder.clone()), ..options.clone() };
            match compare::run(plan, &own, progress) {
                Ok(_) => {}
                Err(failure) if stops_all(failure.kind) => return Err(failure),
                Err(failure) => {
                    failed.push((plan.name.clone(), failure));
                    continue;
                }
            }
        }
        runs.push((folder.clone(), SuiteResult::of(&read(&folder)?)));
    }
    let results: Vec<&SuiteResult> = runs.iter().map(|(_, result)| result).collect();
    let tables = tables(&results);
    let text = text(&tables, &runs, &failed);
    let result = json!({
        "schema": "scorecast/suite/v1",
        "suite": name,
        "runs": runs.iter().map(|(folder, run)| json!({ "experiment": run.experiment, "folder": folder.display().to_string() })).collect::<Vec<_>>(),
        "failed": failed.iter().map(|(name, failure)| json!({ "experiment": name, "message": failure.message })).collect::<Vec<_>>(),
        "tables": tables,
    });
    let written =
        serde_json::to_string_pretty(&result).map_err(|error| Failure::new(FailureKind::Bug, error.to_string()))?;
    store::write_atomic(&out.join("suite.json"), (written + "\n").as_bytes())?;
    store::write_atomic(&out.join("suite.md"), text.as_bytes())?;
    match failed.into_iter().next() {
        None => Ok(Finished { result, text }),
        Some((name, failure)) => {
            let message = format!("experiment `{name}`: {}", failure.message);
            Err(Failure { message, ..failure }.report(result).text(text))
        }
    }
}

/// What no other experiment would fare better with.
fn stops_all(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Interrupted | FailureKind::Exists | FailureKind::Io)
}

/// Whether the run of a plan is there, and taken as it is.
fn is_kept(plan: &Plan, folder: &Path, options: &Options) -> Result<bool> {
    if !RunFolder::is_finished(folder) || options.force {
        return Ok(false);
    }
    let at = |message: &str, hint: &str| {
        Err(Failure::new(FailureKind::Exists, message).hint(hint).at(folder.display().to_string()))
    };
    if !options.resume {
        return at(
            "holds a finished run",
            "use --resume to keep it, --force to replace it, or another folder with --out",
        );
    }
    let experiment = std::fs::read_to_string(folder.join(store::run::EXPERIMENT)).unwrap_or_default();
    if experiment != plan.resolved {
        return at(
            "is a finished run of another experiment",
            "use --force to replace it, or another folder with --out",
        );
    }
    match manifest::verify(folder)?.as_slice() {
        [] => Ok(true),
        changed => at(
            &format!("has files that have changed since the run was finished: {}", changed.join(", ")),
            "use --force to run it again, or put the files back",
        ),
    }
}

/// The report of a finished run.
fn read(folder: &Path) -> Result<Report> {
    let path = folder.join("report.json");
    let at = |what: String| Failure::new(FailureKind::Data, what).at(path.display().to_string());
    let text = std::fs::read_to_string(&path).map_err(|error| at(format!("cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| at(format!("has other tables: {error}")))
}

fn text(tables: &[Table], runs: &[(PathBuf, SuiteResult)], failed: &[(String, Failure)]) -> String {
    let mut text = format!("{}\n", table::NOTE);
    tables.iter().for_each(|table| text.push_str(&format!("\n{}", table.markdown())));
    text.push('\n');
    for (folder, run) in runs {
        text.push_str(&format!("{}: {}\n", run.experiment, folder.join("report.html").display()));
    }
    failed.iter().for_each(|(name, failure)| text.push_str(&format!("{name} failed: {}\n", failure.message)));
    text
}
