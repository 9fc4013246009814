//! Tuning: methods or forecasters over a grid of settings, on truths of their own.
//!
//! Truths, observations and trajectories are drawn from a seed that the experiment does not use, so that what is tuned is not
//! scored on what it was tuned on. The best point of a grid is that of the least mean; points that a paired Diebold-Mariano
//! test does not tell from it (Holm-corrected) are its uncertainty.

mod forecasters;
mod grid;
mod methods;
mod shown;
mod surface;

pub use forecasters::{ForecasterGrids, LoadPlan, forecaster_grids, forecasters, run as run_forecasters};
pub use grid::{Asked, Axis};
pub use methods::{RowGrids, row_grids, rows, run as run_rows};

use serde_json::json;

use self::shown::shown;
use self::surface::Tuned;
use crate::failure::{Failure, FailureKind, Result};
use crate::spec::Plan;
use crate::stage::options::{Finished, Options};
use crate::stage::output::{begin, inputs};
use crate::store::{self, Claim, Record};

/// Keeps the truths of the tuning apart from those of the experiment: its seed is the experiment's with these bits turned.
const TUNING_SEED: u64 = 0x7475_6e65_0000_0000;

/// Takes the place of the tuned experiment; a tuning that is gone on with is of the same grid too.
fn taken(plan: &Plan, Asked { axes, metric }: Asked, options: &Options) -> Result<Option<Claim>> {
    let Some(out) = &options.out else { return Ok(None) };
    let grid: String = axes.iter().map(|axis| format!("{} = {:?}\n", axis.key, axis.values)).collect();
    let asked = format!("{}\n[tune]\nmetric = {metric}\n{grid}", plan.resolved);
    let record = Record::new(&asked, inputs(plan, None, true, options)?);
    begin(Claim::file(out)?, &[out.to_path_buf()], record, options).map(Some)
}

/// What a tuning found: with `options.out` the tuned experiment, `resolved` as TOML, is written there.
///
/// # Errors
/// When every point of every grid diverged: then nothing is written.
fn finished(
    plan: &Plan,
    tuned: &[Tuned],
    mut warnings: Vec<String>,
    resolved: &str,
    (claim, options): (Option<Claim>, &Options),
) -> Result<Finished> {
    let lost: Vec<&str> = tuned.iter().filter(|one| !one.has_best()).map(|one| one.row.as_str()).collect();
    let all_lost = lost.len() == tuned.len();
    if !all_lost {
        let left = |label: &&str| format!("every point of `{label}` diverged; its settings are left as they were");
        warnings.extend(lost.iter().map(left));
    }
    let mut text: String = warnings.iter().map(|note| format!("warning: {note}\n")).collect();
    text.extend(tuned.iter().map(shown));
    if all_lost {
        let result =
            json!({ "tuned": tuned, "seed": plan.seed ^ TUNING_SEED, "experiment": null, "warnings": warnings });
        let message = format!("every point of the grid diverged, of {}, so there is no best one", lost.join(", "));
        let failure =
            Failure::new(FailureKind::Numerical, message).hint("take values further away, or another setting");
        return Err(failure.report(result).text(text));
    }
    if let Some(out) = &options.out {
        store::write_atomic(out, resolved.as_bytes())?;
        claim.into_iter().for_each(Claim::finish);
        text.push_str(&format!("tuned experiment: {}\n", out.display()));
    }
    let out = options.out.as_ref().map(|out| out.display().to_string());
    let result = json!({ "tuned": tuned, "seed": plan.seed ^ TUNING_SEED, "experiment": out, "warnings": warnings });
    Ok(Finished { result, text })
}
