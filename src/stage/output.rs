//! Where stages write, and what stands at the head of every file of arrays.

use std::path::Path;

use crate::failure::{Failure, FailureKind, Result};
use crate::spec::Plan;
use crate::stage::options::Options;
use crate::store::netcdf::{Origin, Values, Variable};

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
    let value: serde_json::Value = toml::from_str(&plan.resolved)
        .map_err(|error| Failure::new(FailureKind::Bug, format!("the resolved experiment is not TOML: {error}")))?;
    Ok(Origin { title: title.to_owned(), seed: plan.seed, config_json: value.to_string() })
}

/// The model times of so many lead steps from 0 on.
pub fn times(plan: &Plan, count: usize) -> Vec<f64> {
    (0..count).map(|k| k as f64 * plan.data.stepping.dt).collect()
}

/// A coordinate of model times.
pub fn model_time(name: &str, values: Vec<f64>, standard_name: &str) -> Variable {
    Variable::coordinate(name, Values::F64(values))
        .with("standard_name", standard_name)
        .with("units", "1")
        .with("time_unit", "model time unit")
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
