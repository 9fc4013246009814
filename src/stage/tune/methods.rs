//! Tuning of methods: each row of the experiment (a method with its forecaster on its network) by itself, so that no
//! forecaster is judged at another's inflation.

use std::collections::BTreeMap;

use super::grid::{Axis, Point, Tunable, points};
use super::surface::{Worth, surface};
use super::{Asked, TUNING_SEED, finished, taken};
use crate::assimilation::METHODS;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::{PairedRow, Report};
use crate::spec::needs::needs;
use crate::spec::{self, AssimilatePlan, Plan, size};
use crate::stage::assimilation::{Assimilation, Extras};
use crate::stage::experiment::Experiment;
use crate::stage::options::{Finished, Options};
use crate::systems::registry::{find, nearest};
use crate::systems::{Settings, Value};

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

/// The rows that are tuned, each with its grid.
pub struct RowGrids<'a> {
    asked: Asked<'a>,
    grids: Vec<(usize, Vec<Point<AssimilatePlan>>)>,
}

/// The grids of those of `rows` that have one of the settings.
///
/// # Errors
/// When no row has a setting, a value is out of its range, or the metric tells no better from worse.
pub fn row_grids<'a>(plan: &Plan, rows: &[usize], asked: Asked<'a>) -> Result<RowGrids<'a>> {
    let tunable = tunable(plan)?;
    tunable.check(asked)?;
    let rows = rows.iter().filter_map(|&index| Some((index, plan.assimilate.get(index)?)));
    let grids = rows.map(|(index, row)| Ok((index, grid(row, asked.axes)?))).collect::<Result<Vec<_>>>()?;
    tunable.check_points(asked.axes, grids.iter().map(|(_, grid)| grid.len()))?;
    Ok(RowGrids { asked, grids: grids.into_iter().filter(|(_, grid)| grid.len() > 1).collect() })
}

/// Tunes rows over their grids; with `options.out` the tuned experiment is written there, with all its rows.
///
/// # Errors
/// When the metric is not scored, or a run fails, or all points diverge.
pub fn run(plan: &Plan, rows: &RowGrids, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let RowGrids { asked, grids } = rows;
    let metric = asked.metric;
    let claim = taken(plan, *asked, options)?;
    for (_, grid) in grids {
        let all = Plan { assimilate: tried(grid), ..plan.clone() };
        size::check(&needs(&all, "tune"), options.max_memory)?;
    }
    let mut experiment = Experiment::load(plan, None, options, progress)?;
    let named =
        |label: &str| grids.iter().any(|(row, _)| plan.assimilate.get(*row).is_some_and(|row| row.forecaster == label));
    experiment.fit_named(named, progress)?;
    let mut tuned = Vec::new();
    let mut best = plan.clone();
    for (index, grid) in grids {
        let Some(row) = plan.assimilate.get(*index) else { continue };
        let other = Plan { seed: plan.seed ^ TUNING_SEED, assimilate: tried(grid), ..plan.clone() };
        let scores = Assimilation::new(&other, &experiment, progress)?.score(Extras::Scores, progress)?.report;
        let paired: Vec<&PairedRow> = scores.paired.iter().filter(|pair| pair.metric == metric).collect();
        let found = surface(&row.label, grid, metric, |label| worth(&scores, label, metric), &paired)?;
        if let Some(at) = found.points.iter().position(|point| point.best) {
            best.assimilate[*index].settings = grid[at].tried.settings.clone();
        }
        tuned.push(found);
    }
    finished(plan, &tuned, experiment.notes(), &spec::resolve(&best), (claim, options))
}

fn tunable(plan: &Plan) -> Result<Tunable<'_>> {
    let mut known: Vec<&str> = Vec::new();
    for row in &plan.assimilate {
        known.extend(find(METHODS, "method", &row.method)?.params.iter().map(|param| param.key));
    }
    Ok(Tunable { experiment: &plan.name, entry: "row", listed: "scorecast list methods", known })
}

fn tried(grid: &[Point<AssimilatePlan>]) -> Vec<AssimilatePlan> {
    grid.iter().map(|point| point.tried.clone()).collect()
}

/// The points of a row's grid, each a row of its own.
fn grid(row: &AssimilatePlan, axes: &[Axis]) -> Result<Vec<Point<AssimilatePlan>>> {
    let entry = find(METHODS, "method", &row.method)?;
    points(&row.label, entry.params, axes, |label, point| {
        let mut given: BTreeMap<String, Value> =
            row.settings.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        given.extend(point.iter().cloned());
        let settings = Settings::check(&format!("row `{}`", row.label), entry.params, &given).map_err(|mistakes| {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Failure::new(FailureKind::Usage, all.join("; "))
        })?;
        (entry.build.make)(&settings)?;
        Ok(AssimilatePlan { label: label.to_owned(), settings, ..row.clone() })
    })
}

fn worth(scores: &Report, label: &str, metric: &str) -> Option<Worth> {
    let row = scores.assimilation.iter().find(|row| row.label == label && row.metric == metric)?;
    let (diverged, replicates) = (row.diverged, row.replicates);
    Some(Worth { value: row.value, se: row.se, n: row.n, diverged, replicates })
}
