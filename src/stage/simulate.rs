//! Trajectories of the experiment's system, in a file.

use std::path::PathBuf;

use serde_json::json;

use super::{Finished, Options, data, files};
use crate::failure::Result;
use crate::progress::Progress;
use crate::spec::Plan;

/// Simulates the experiment's trajectories and writes them to `--out` (`data.nc` unless said).
///
/// # Errors
/// When the output exists, the system diverges, or the arrays are larger than the limit.
pub fn run(plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("data.nc"));
    files::claim(&out, options)?;
    let data = data::trajectories(plan, None, options, progress)?;
    files::write_trajectories(&out, &data, plan)?;
    let (cases, times, components) = data.joined().dim();
    let text =
        format!("{cases} trajectories of {} lead steps and {components} components in {}\n", times - 1, out.display());
    let result = json!({
        "file": out.display().to_string(),
        "trajectories": cases,
        "steps": times - 1,
        "components": components,
        "split": [data.train.dim().0, data.valid.dim().0, data.test.dim().0],
    });
    Ok(Finished { result, text })
}
