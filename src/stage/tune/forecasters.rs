//! Tuning of forecasters: each is trained at every point of its grid and judged by forecasts of one lead step, on states that
//! no training saw: of trajectories of their own where a system makes them, of the validation part of a user's file.

use super::grid::{Axis, Point, Settings, Tunable, as_json, points};
use super::surface::{Worth, surface};
use super::{Asked, TUNING_SEED, finished, taken};
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::FORECASTERS;
use crate::progress::Progress;
use crate::results::{Lead, PairedRow, Report};
use crate::score::measured;
use crate::spec::needs::needs;
use crate::spec::{DataSource, ForecasterPlan, Plan, ScorePlan, path_step, size};
use crate::stage::data::SplitTrajectories;
use crate::stage::experiment::Experiment;
use crate::stage::forecast;
use crate::stage::options::{Finished, Options};
use crate::systems::registry::{find, nearest};

/// The fewest pairs that judge a point, as far as there are so many.
const PAIRS: usize = 512;

/// The metric of forecasts of many lead steps.
const OF_WHOLE_FORECASTS: &str = "valid_time";

/// What stands for every forecaster.
const EVERY: &str = "*";

/// Reads the experiment again with these texts `a.b=c` set, so that a budget gives each point of a grid its own steps.
pub type LoadPlan<'a> = &'a dyn Fn(&[String]) -> Result<Plan>;

/// The labels of the forecasters that are meant: those that are named, or all that are fitted here for `*`.
///
/// # Errors
/// When there is no such forecaster, or it is loaded from a file.
pub fn forecasters(plan: &Plan, labels: &[String]) -> Result<Vec<String>> {
    let mut known: Vec<&str> = Vec::new();
    for one in plan.forecasters.iter().filter(|one| one.model.is_none()) {
        if !known.contains(&one.reported()) {
            known.push(one.reported());
        }
    }
    if let Some(label) = labels.iter().find(|label| *label != EVERY && !known.contains(&label.as_str())) {
        let message = format!("`{label}` is no forecaster that `{}` fits, which are {}", plan.name, known.join(", "));
        let hint = nearest(label, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let hint = hint.unwrap_or_else(|| "name one of them, or all by `*`".to_owned());
        return Err(Failure::new(FailureKind::Usage, message).hint(hint));
    }
    let meant = |known: &&str| labels.iter().any(|label| label == EVERY || label == known);
    Ok(known.into_iter().filter(meant).map(str::to_owned).collect())
}

/// The forecasters that are tuned, each with its grid.
pub struct ForecasterGrids<'a> {
    asked: Asked<'a>,
    load: LoadPlan<'a>,
    grids: Vec<(ForecasterPlan, Vec<Point<ForecasterPlan>>)>,
}

/// The grids of those of the forecasters with these labels that have one of the settings.
///
/// # Errors
/// When no forecaster has a setting, a value is out of its range, or the metric does not judge forecasts of one lead step.
pub fn forecaster_grids<'a>(
    plan: &Plan,
    labels: &[String],
    asked: Asked<'a>,
    load: LoadPlan<'a>,
) -> Result<ForecasterGrids<'a>> {
    let metric = asked.metric;
    let rows: Vec<&ForecasterPlan> = labels.iter().filter_map(|label| named(plan, label)).collect();
    let tunable = tunable(plan, &rows)?;
    tunable.check(asked)?;
    refuse_seconds(plan)?;
    if measured(metric) == OF_WHOLE_FORECASTS {
        let message = format!("forecasters are tuned by forecasts of one lead step, which `{metric}` says nothing of");
        return Err(Failure::new(FailureKind::Usage, message).hint("take energy_score_fair, crps_fair or log_score"));
    }
    let grids =
        rows.into_iter().map(|row| Ok((row.clone(), grid(row, asked.axes, load)?))).collect::<Result<Vec<_>>>()?;
    tunable.check_points(asked.axes, grids.iter().map(|(_, grid)| grid.len()))?;
    Ok(ForecasterGrids { asked, load, grids: grids.into_iter().filter(|(_, grid)| grid.len() > 1).collect() })
}

/// Tunes forecasters over their grids; with `options.out` the tuned experiment is written there.
///
/// # Errors
/// When a training fails, or all points diverge.
pub fn run(plan: &Plan, forecasters: &ForecasterGrids, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let ForecasterGrids { asked, load, grids } = forecasters;
    let metric = asked.metric;
    let claim = taken(plan, *asked, options)?;
    let plans: Vec<Plan> = grids.iter().map(|(_, grid)| of_grid(plan, grid, metric)).collect();
    plans.iter().try_for_each(|plan| size::check(&needs(plan, "compare"), options.max_memory))?;
    let mut data = None;
    let (mut tuned, mut best) = (Vec::new(), Vec::new());
    for ((row, grid), plan) in grids.iter().zip(&plans) {
        let mut experiment = Experiment::without_data(plan, options);
        experiment.data = match data.take() {
            None => Some(judged(Experiment::load(plan, None, options, progress)?)?),
            kept => kept,
        };
        let diverged = fit(&mut experiment, progress)?;
        let scores = forecast::score(&experiment, progress)?;
        let first = |pair: &&PairedRow| pair.metric == metric && Lead::is_first(pair.lead_step);
        let paired: Vec<&PairedRow> = scores.paired.iter().filter(first).collect();
        let worth = |label: &str| match diverged.iter().any(|lost| lost == label) {
            true => Some(Worth { value: None, se: None, n: 0, diverged: 1, replicates: 1 }),
            false => worth(&scores, label, metric),
        };
        let found = surface(row.reported(), grid, metric, worth, &paired)?;
        best.extend(found.points.iter().position(|point| point.best).map(|at| set(row, &grid[at].settings)));
        tuned.push(found);
        data = experiment.data;
    }
    finished(plan, &tuned, Vec::new(), &load(&best.concat())?.resolved, (claim, options))
}

/// The forecaster of a label, the first of its seeds.
fn named<'p>(plan: &'p Plan, label: &str) -> Option<&'p ForecasterPlan> {
    plan.forecasters.iter().find(|one| one.reported() == label && !one.pool)
}

fn tunable<'p>(plan: &'p Plan, rows: &[&ForecasterPlan]) -> Result<Tunable<'p>> {
    let mut known: Vec<&str> = Vec::new();
    for row in rows {
        known.extend(find(FORECASTERS, "forecaster", &row.kind)?.params.iter().map(|param| param.key));
    }
    Ok(Tunable { experiment: &plan.name, entry: "forecaster", listed: "scorecast list forecasters", known })
}

/// A machine measures other steps each time, so that points would differ by chance.
fn refuse_seconds(plan: &Plan) -> Result<()> {
    match plan.seconds {
        None => Ok(()),
        Some(_) => {
            Err(Failure::new(FailureKind::Usage, "forecasters are not tuned on a budget of seconds, which is measured")
                .hint("set budget.by to `training_flops`, which is counted"))
        }
    }
}

/// What sets a forecaster's settings to those of a point, as overrides.
fn set(row: &ForecasterPlan, point: &Settings) -> Vec<String> {
    let label = path_step(row.reported());
    point.iter().map(|(key, value)| format!("forecaster.{label}.{key}={}", as_json(value))).collect()
}

/// The points of a forecaster's grid, each a forecaster of its own, of one seed.
fn grid(row: &ForecasterPlan, axes: &[Axis], load: LoadPlan) -> Result<Vec<Point<ForecasterPlan>>> {
    let entry = find(FORECASTERS, "forecaster", &row.kind)?;
    points(row.reported(), entry.params, axes, |label, point| {
        if point.is_empty() {
            return Ok(ForecasterPlan { label: label.to_owned(), seed_of: None, ..row.clone() });
        }
        let plan = load(&set(row, point))?;
        let found = named(&plan, row.reported())
            .ok_or_else(|| Failure::new(FailureKind::Bug, format!("`{}` is no forecaster any more", row.reported())))?;
        Ok(ForecasterPlan { label: label.to_owned(), seed_of: None, ..found.clone() })
    })
}

/// The experiment that trains and scores the points of one grid.
fn of_grid(plan: &Plan, grid: &[Point<ForecasterPlan>], metric: &str) -> Plan {
    let exact = plan.forecasters.iter().filter(|one| one.kind == "perfect").cloned();
    let seed = match plan.data.source {
        DataSource::Simulated { .. } => plan.seed ^ TUNING_SEED,
        // a file is cut as the experiment cuts it, so that its test part stays unseen
        DataSource::File(_) => plan.seed,
    };
    let judging = match plan.data.source {
        DataSource::Simulated { trajectories, .. } => plan.data.split_counts(trajectories)[2].max(1),
        DataSource::File(_) => 1,
    };
    let starts = plan.score.starts.max(PAIRS.div_ceil(judging));
    Plan {
        seed,
        forecasters: exact.chain(grid.iter().map(|point| point.tried.clone())).collect(),
        forecast: grid.iter().map(|point| point.label.clone()).collect(),
        observe: Vec::new(),
        assimilate: Vec::new(),
        expected: Vec::new(),
        score: ScorePlan { metrics: vec![metric.to_owned()], lead_steps: 1, starts, ..plan.score.clone() },
        ..plan.clone()
    }
}

/// Trains all points of a grid; the labels of those whose training diverged, which is what a tuning is to find out.
fn fit(experiment: &mut Experiment, progress: &dyn Progress) -> Result<Vec<String>> {
    let mut diverged = Vec::new();
    for one in &experiment.plan.forecasters {
        match experiment.fit(&[one], None, false, progress) {
            Err(failure) if failure.kind == FailureKind::Numerical => diverged.push(one.label.clone()),
            other => other?,
        }
    }
    Ok(diverged)
}

/// The trajectories that are trained on, and in the place of the test part what judges.
fn judged(experiment: Experiment) -> Result<SplitTrajectories> {
    let of_file = matches!(experiment.plan.data.source, DataSource::File(_));
    let bug = || Failure::new(FailureKind::Bug, "the trajectories were not loaded");
    let mut data = experiment.data.ok_or_else(bug)?;
    if of_file {
        data.test = data.valid.clone();
    }
    Ok(data)
}

fn worth(scores: &Report, label: &str, metric: &str) -> Option<Worth> {
    let mut rows = scores.forecast.iter();
    let row = rows.find(|row| row.forecaster == label && row.metric == metric && Lead::is_first(row.lead_step))?;
    Some(Worth { value: row.value, se: row.se, n: row.n, diverged: row.n_diverged, replicates: row.n })
}
