//! Where stages write, and what stands at the head of every file of arrays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, FailureKind, Result};
use crate::spec::{DataSource, ForecasterPlan, Plan};
use crate::stage::options::Options;
use crate::store::digest::input_digest;
use crate::store::netcdf::{Origin, Values, Variable};
use crate::store::well::is_well;
use crate::store::{Claim, Record};

/// Takes a place for these files, for this process alone: none of them may be there, unless `--force` is given, or
/// `--resume` goes on with an unfinished run of the same experiment on the same files.
///
/// # Errors
/// [`FailureKind::Exists`] as said, or where another process writes there.
pub fn begin(mut claim: Claim, files: &[PathBuf], record: Record, options: &Options) -> Result<Claim> {
    let unfinished = claim.before().cloned();
    match unfinished.as_ref().filter(|_| options.resume) {
        Some(before) => {
            if let Some(difference) = before.difference(&record) {
                let message = format!("what was begun here is of another experiment: {difference}");
                let at = files.first().map_or_else(String::new, |file| file.display().to_string());
                return Err(Failure::new(FailureKind::Exists, message)
                    .at(at)
                    .hint("use --force to start afresh, or another --out"));
            }
            claim.begin(Record { done: before.done.clone(), ..record })?;
        }
        None => {
            files.iter().try_for_each(|file| claim_new(file, unfinished.is_some(), options))?;
            claim.begin(record)?;
        }
    }
    Ok(claim)
}

fn claim_new(path: &Path, unfinished: bool, options: &Options) -> Result<()> {
    claim(path, options).map_err(|failure| match unfinished {
        true => failure.hint("use --resume to go on with the unfinished run, or --force to start afresh"),
        false => failure,
    })
}

/// The digest of every file that a plan reads, by its path: models, trajectories (`data`, where they are given apart), and
/// with `observations` those.
///
/// # Errors
/// [`FailureKind::Io`] where one cannot be read.
pub fn inputs(
    plan: &Plan,
    data: Option<&Path>,
    observations: bool,
    options: &Options,
) -> Result<BTreeMap<String, String>> {
    let own = match &plan.data.source {
        DataSource::File(path) => Some(path.as_path()),
        DataSource::Simulated { .. } => None,
    };
    let observed = plan.observe.iter().filter_map(|network| network.file.as_deref()).filter(|_| observations);
    let models = plan.forecasters.iter().filter_map(|forecaster| forecaster.model.as_deref());
    let starts = plan.forecasters.iter().filter_map(ForecasterPlan::start_from);
    let read = data.or(own).into_iter().chain(observed).chain(models).chain(starts);
    // what is neither a file nor a dataset is refused by who reads it
    let readable = |path: &&Path| !path.exists() || path.is_file() || is_well(path, &options.limits()).unwrap_or(false);
    read.filter(readable).map(|path| Ok((path.display().to_string(), input_digest(path)?))).collect()
}

/// The resolved experiment as JSON.
///
/// # Errors
/// Never in practice: it is our own TOML.
pub fn resolved_json(plan: &Plan) -> Result<serde_json::Value> {
    toml::from_str(&plan.resolved)
        .map_err(|error| Failure::new(FailureKind::Bug, format!("the resolved experiment is not TOML: {error}")))
}

/// Refuses an output that exists, unless `--force` is given.
///
/// # Errors
/// [`FailureKind::Exists`].
pub fn claim(path: &Path, options: &Options) -> Result<()> {
    if path.exists() && !options.force {
        return Err(Failure::new(FailureKind::Exists, "the output exists already")
            .at(path.display().to_string())
            .hint("give another --out, or --force to replace it"));
    }
    Ok(())
}

/// Takes the place of the folder that `--out` names, if it does.
///
/// # Errors
/// When it exists and is not to be replaced, or another run holds it.
pub fn claim_folder(options: &Options) -> Result<Option<Claim>> {
    let taken = |out: &PathBuf| claim(out, options).and_then(|()| Ok(Claim::folder(out)?));
    options.out.as_ref().map(taken).transpose()
}

/// Makes a folder and its parents.
///
/// # Errors
/// [`FailureKind::Io`].
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| {
        Failure::new(FailureKind::Io, format!("cannot make the folder: {error}")).at(path.display().to_string())
    })
}

/// Where a file comes from: the experiment, as JSON.
///
/// # Errors
/// Never in practice: the resolved experiment is our own TOML.
pub fn origin(plan: &Plan, title: &str) -> Result<Origin> {
    Ok(Origin { title: title.to_owned(), seed: plan.seed, config_json: resolved_json(plan)?.to_string() })
}

/// The model times of so many lead steps from 0 on.
pub fn times(plan: &Plan, count: usize) -> Vec<f64> {
    (0..count).map(|k| k as f64 * plan.data.stepping.dt).collect()
}

/// The coordinate of the members.
pub fn numbers(members: usize) -> Variable {
    let numbers = (0..members).map(|member| i32::try_from(member).unwrap_or(i32::MAX)).collect();
    Variable::coordinate("number", Values::I32(numbers)).with("standard_name", "realization").with("units", "1")
}

/// The variable of what happened.
pub fn truth(dimensions: &[&str], values: Vec<f64>) -> Variable {
    Variable::new("truth", dimensions, Values::F64(values)).with("long_name", "what happened").with("units", "1")
}
