//! Experiments with known figures, run and held against them.
//!
//! A row is judged by its analysis rmse: it agrees where |ours - theirs| <= 2.5 combined standard errors. Where a run
//! of either side diverged, also by the rate of divergence: it agrees where Fisher's exact test of equal rates has a p-value
//! of at least .0124, which is the level of that bound; so few runs that none could have differed at that level are not
//! compared. The rmse is then that of the runs that did not diverge, and is only held against a figure of runs of which none
//! did. What can be held against nothing is left undecided. All other figures are shown beside.

mod comparison;
mod table;

use self::comparison::{BOUND, Comparison, LEVEL, ReproducedRow, Verdict};
use self::table::table;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::AssimilationRow;
use crate::spec::Plan;
use crate::stage::assimilation::{Assimilation, Extras};
use crate::stage::experiment::Experiment;
use crate::stage::options::{Finished, Options};

/// Runs the plans and holds every row with figures against them.
///
/// # Errors
/// [`FailureKind::Numerical`], with all rows, when a row differs; and what [`compare`](super::compare) fails with.
pub fn run(plans: &[Plan], options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let (mut compared, mut diagnoses, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for plan in plans {
        let (rows, why, notes) = one(plan, options, progress).map_err(|failure| Failure {
            message: format!("experiment `{}`: {}", plan.name, failure.message),
            ..failure
        })?;
        compared.extend(rows);
        diagnoses.extend(why);
        warnings.extend(notes);
    }
    let result = serde_json::json!({ "rows": compared, "bound": BOUND, "level": LEVEL, "diverged": diagnoses, "warnings": warnings });
    let count = |verdict| compared.iter().filter(|row: &&Comparison| row.verdict == verdict).count();
    let (agree, differ) = (count(Verdict::Agrees), count(Verdict::Differs));
    let undecided = match count(Verdict::Undecided) {
        0 => String::new(),
        count => format!("; {count} could not be decided"),
    };
    let summary = format!("{agree} of {} judged rows agree with their reference{undecided}", agree + differ);
    let why: String = diagnoses.iter().chain(&warnings).map(|sentence| format!("{sentence}\n")).collect();
    let text = format!("{}{why}\n{summary}\n", table(&compared));
    if differ == 0 {
        return Ok(Finished { result, text });
    }
    let names: Vec<&str> =
        compared.iter().filter(|row| row.verdict == Verdict::Differs).map(|row| row.row.as_str()).collect();
    let message =
        format!("{differ} of {} judged rows differ from their reference: {}", agree + differ, names.join(", "));
    let hint = "more replicates make ours surer; a known reason goes into `explained`";
    Err(Failure::new(FailureKind::Numerical, message).hint(hint).report(result).text(text))
}

/// The rows of one experiment, why some of their runs diverged, and what to know of its models.
fn one(plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<(Vec<Comparison>, Vec<String>, Vec<String>)> {
    let experiment = Experiment::prepare(plan, options, progress)?;
    let assimilation = Assimilation::new(plan, &experiment, progress)?;
    let scored = assimilation.score(Extras::Diagnoses, progress)?;
    let mut compared = Vec::new();
    for ((row, cost), survivors) in
        plan.assimilate.iter().filter(|row| row.is_first_seed()).zip(&scored.report.cost).zip(&scored.survivors)
    {
        let own: Vec<&AssimilationRow> =
            scored.report.assimilation.iter().filter(|other| other.label == row.reported()).collect();
        let seconds = cost.seconds / (cost.units.max(1) as f64);
        let expected: Vec<_> = plan.expected.iter().filter(|expected| expected.row == row.reported()).collect();
        let row = ReproducedRow {
            experiment: &plan.name,
            label: row.reported(),
            columns: &own,
            seconds,
            survivors: *survivors,
        };
        match expected.is_empty() {
            true => compared.push(row.compare(None)),
            false => compared.extend(expected.into_iter().map(|expected| row.compare(Some(expected)))),
        }
    }
    Ok((compared, scored.diagnoses, experiment.notes()))
}
