//! Tuning: the rows of an experiment over a grid of settings, on truths of its own.
//!
//! Each row of the experiment (a method with its forecaster on its network) is a cell that is tuned by itself, so that no
//! forecaster is judged at another's inflation. The truths and observations are drawn from a seed that the experiment does
//! not use, so that what is tuned is not scored on what it was tuned on. The best point of the grid is that of the least
//! mean; points that a paired Diebold-Mariano test does not tell from it (Holm-corrected) are its uncertainty.

mod grid;
mod shown;
mod surface;

pub use grid::Axis;

use std::path::Path;

use serde_json::json;

use self::grid::{Variant, check, variants};
use self::shown::shown;
use self::surface::surface;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::needs::needs;
use crate::spec::{self, Plan, size};
use crate::stage::assimilation::{Assimilation, Extras};
use crate::stage::experiment::Experiment;
use crate::stage::options::{Finished, Options};
use crate::stage::output::{begin, inputs};
use crate::store::{self, Claim, Record};
use crate::systems::registry::nearest;

/// Keeps the truths of the tuning apart from those of the experiment: its seed is the experiment's with these bits turned.
const TUNING_SEED: u64 = 0x7475_6e65_0000_0000;

/// The numbers of the rows with these labels, in the order of the experiment; of all rows if there are no labels.
///
/// # Errors
/// When there is no such row.
pub fn rows(plan: &Plan, labels: &[String]) -> Result<Vec<usize>> {
    let known = || plan.assimilate.iter().map(|row| row.label.as_str());
    if let Some(label) = labels.iter().find(|label| known().all(|known| known != label.as_str())) {
        let hint = nearest(label, known())
            .map_or_else(|| "name one of them".to_owned(), |near| format!("did you mean `{near}`?"));
        let all = known().collect::<Vec<_>>().join(", ");
        let message = format!("`{label}` is no row of `{}`, which has {all}", plan.name);
        return Err(Failure::new(FailureKind::Usage, message).hint(hint));
    }
    let all = known().enumerate();
    Ok(all
        .filter(|(_, row)| labels.is_empty() || labels.iter().any(|label| label == row))
        .map(|(row, _)| row)
        .collect())
}

/// Tunes those of `rows` that have one of the settings; with `options.out` the tuned experiment is written there, with all
/// its rows.
///
/// # Errors
/// When no row has a setting, a value is out of its range, the metric is not scored, or a run fails.
pub fn run(
    plan: &Plan,
    rows: &[usize],
    axes: &[Axis],
    metric: &str,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished> {
    check(plan, axes, metric)?;
    let claim = options.out.as_ref().map(|out| taken(out, plan, axes, metric, options)).transpose()?;
    let rows = || rows.iter().filter_map(|&index| Some((index, plan.assimilate.get(index)?)));
    let grids: Vec<Vec<Variant>> = rows().map(|(_, row)| variants(row, axes)).collect::<Result<_>>()?;
    if grids.iter().all(|grid| grid.len() < 2) {
        let keys: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        let message = format!("no row of `{}` has a grid of more than one point in {}", plan.name, keys.join(", "));
        return Err(
            Failure::new(FailureKind::Usage, message).hint("`scorecast list methods` shows the settings of each")
        );
    }
    for grid in &grids {
        let points = Plan { assimilate: grid.iter().map(|variant| variant.row.clone()).collect(), ..plan.clone() };
        size::check(&needs(&points, "tune"), options.max_memory)?;
    }
    let experiment = Experiment::prepare(plan, options, None, progress)?;
    let mut tuned = Vec::new();
    let mut best = plan.clone();
    for ((index, row), variants) in rows().zip(&grids).filter(|(_, grid)| grid.len() > 1) {
        let other = Plan {
            seed: plan.seed ^ TUNING_SEED,
            assimilate: variants.iter().map(|variant| variant.row.clone()).collect(),
            ..plan.clone()
        };
        let scores = Assimilation::new(&other, &experiment, progress)?.score(Extras::Scores, progress)?.report;
        let found = surface(row, variants, metric, &scores)?;
        if let Some(at) = found.points.iter().position(|point| point.best) {
            best.assimilate[index].settings = variants[at].row.settings.clone();
        }
        tuned.push(found);
    }
    let mut text: String = tuned.iter().map(shown).collect();
    if let Some(out) = &options.out {
        let experiment = spec::resolve(&best);
        store::write_atomic(out, experiment.as_bytes())?;
        claim.into_iter().for_each(Claim::finish);
        text.push_str(&format!("tuned experiment: {}\n", out.display()));
    }
    let out = options.out.as_ref().map(|out| out.display().to_string());
    let warnings = experiment.notes();
    let text = warnings.iter().map(|note| format!("warning: {note}\n")).collect::<String>() + &text;
    let result = json!({ "tuned": tuned, "seed": plan.seed ^ TUNING_SEED, "experiment": out, "warnings": warnings });
    Ok(Finished { result, text })
}

/// Takes the place of the tuned experiment; a tuning that is gone on with is of the same grid too.
fn taken(out: &Path, plan: &Plan, axes: &[Axis], metric: &str, options: &Options) -> Result<Claim> {
    let grid: String = axes.iter().map(|axis| format!("{} = {:?}\n", axis.key, axis.values)).collect();
    let asked = format!("{}\n[tune]\nmetric = {metric}\n{grid}", plan.resolved);
    let record = Record::new(&asked, inputs(plan, None, true, options)?);
    begin(Claim::file(out)?, &[out.to_path_buf()], record, options)
}
