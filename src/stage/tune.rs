//! Tuning: the rows of an experiment over a grid of settings, on truths of its own.
//!
//! Each row of the experiment (a method with its forecaster on its network) is a cell that is tuned by itself, so that no
//! forecaster is judged at another's inflation. The truths and observations are drawn from a seed that the experiment does
//! not use, so that what is tuned is not scored on what it was tuned on. The best point of the grid is that of the least
//! mean; points that a paired Diebold-Mariano test does not tell from it (Holm-corrected) are its uncertainty.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::{Finished, Options, assimilation_scores, data, fit, twin};
use crate::assimilation::METHODS;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::report::{aligned, with_se};
use crate::results::{AssimilationRow, PairedRow};
use crate::score::{self, Context, METRICS, Orientation, Pool};
use crate::spec::{self, AssimilatePlan, Plan};
use crate::store;
use crate::systems::registry::{find, nearest};
use crate::systems::{Settings, Value};

/// The level of the tests.
const LEVEL: f64 = 0.05;

/// Keeps the truths of the tuning apart from those of the experiment.
const APART: u64 = 0x7475_6e65_0000_0000;

/// One setting and the values that are tried.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The setting's key.
    pub key: String,
    /// The values, in order.
    pub values: Vec<Value>,
}

/// A row with the settings of one point of its grid, and those settings.
type Variant = (AssimilatePlan, Vec<(String, Value)>);

/// One point of a row's grid.
#[derive(Clone, Debug, Serialize)]
struct Point {
    /// Key and value of each axis.
    settings: Vec<(String, serde_json::Value)>,
    value: Option<f64>,
    se: Option<f64>,
    n: usize,
    diverged: usize,
    replicates: usize,
    /// Difference from the best point, its standard error, and the corrected p-value; none for the best.
    difference: Option<(f64, f64, f64)>,
    best: bool,
    /// Not told from the best by the test.
    tied: bool,
}

/// One row of the experiment with its surface.
#[derive(Clone, Debug, Serialize)]
struct Tuned {
    row: String,
    metric: String,
    axes: Vec<String>,
    points: Vec<Point>,
}

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
    if let Some(out) = &options.out {
        super::files::claim(out, options)?;
    }
    let context = Context { pool: Pool::EachTime, dt: plan.data.stepping.dt, lyapunov_time: None };
    check(plan, axes, metric, &context)?;
    let rows = || rows.iter().filter_map(|&index| Some((index, plan.assimilate.get(index)?)));
    let grids: Vec<Vec<Variant>> = rows().map(|(_, row)| variants(row, axes)).collect::<Result<_>>()?;
    if grids.iter().all(|grid| grid.len() < 2) {
        let keys: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        let message = format!("no row of `{}` has a grid of more than one point in {}", plan.name, keys.join(", "));
        return Err(
            Failure::new(FailureKind::Usage, message).hint("`scorecast list methods` shows the settings of each")
        );
    }
    let data = data::trajectories(plan, None, options, progress)?;
    let ready = fit::all(plan, Some(&data), None, false, progress)?;
    let climate = twin::Climate::new(&data.train);
    let mut tuned = Vec::new();
    let mut best = plan.clone();
    for ((index, row), variants) in rows().zip(&grids).filter(|(_, grid)| grid.len() > 1) {
        let apart = Plan {
            seed: plan.seed ^ APART,
            assimilate: variants.iter().map(|(row, _)| row.clone()).collect(),
            ..plan.clone()
        };
        let source = twin::Source { plan: &apart, climate: Some(&climate), test: Some(&data.test), options };
        let networks = twin::networks(&source)?;
        let scored = assimilation_scores::score(
            &apart,
            &ready,
            &networks,
            Some(&climate),
            assimilation_scores::Asks::Scores,
            progress,
        )?;
        let found = surface(row, variants, metric, &scored.rows, &scored.paired, &context)?;
        if let Some(at) = found.points.iter().position(|point| point.best) {
            best.assimilate[index].settings = variants[at].0.settings.clone();
        }
        tuned.push(found);
    }
    let mut text: String = tuned.iter().map(shown).collect();
    if let Some(out) = &options.out {
        let experiment = spec::resolve(&best);
        store::write_atomic(out, experiment.as_bytes())?;
        text.push_str(&format!("tuned experiment: {}\n", out.display()));
    }
    let out = options.out.as_ref().map(|out| out.display().to_string());
    Ok(Finished { result: json!({ "tuned": tuned, "seed": plan.seed ^ APART, "experiment": out }), text })
}

/// The most points of a row's grid.
const MOST: usize = 10_000;

/// The metric of a column: without what it is of.
fn base(column: &str) -> &str {
    column.trim_end_matches("_forecast").trim_end_matches("_smoothed")
}

/// Refuses axes that no row has, that come twice or that are too many, and a metric that does not judge.
fn check(plan: &Plan, axes: &[Axis], metric: &str, context: &Context) -> Result<()> {
    let usage = |message: String, hint: String| Err(Failure::new(FailureKind::Usage, message).hint(hint));
    let mut known: Vec<&str> = Vec::new();
    for row in &plan.assimilate {
        known.extend(find(METHODS, "method", &row.method)?.params.iter().map(|param| param.key));
    }
    for (at, axis) in axes.iter().enumerate() {
        let key = &axis.key;
        if !known.contains(&key.as_str()) {
            let hint = nearest(key, known.iter().copied()).map_or_else(
                || "`scorecast list methods` shows the settings of each".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return usage(format!("no row of `{}` has the setting `{key}`", plan.name), hint);
        }
        let twice = (1..axis.values.len()).find(|&i| axis.values[..i].contains(&axis.values[i]));
        if let Some(i) = twice {
            let what = word(&axis.values[i]);
            return usage(format!("--grid has the value {what} of `{key}` twice"), "give it once".to_owned());
        }
        if axes[..at].iter().any(|other| other.key == *key) {
            return usage(format!("--grid is given twice for `{key}`"), "give all its values at once".to_owned());
        }
    }
    let points = axes.iter().fold(1usize, |product, axis| product.saturating_mul(axis.values.len()));
    if points > MOST {
        return usage(format!("the grid has {points} points, more than {MOST}"), "take fewer values".to_owned());
    }
    let judges = |name: &str| score::build(name, context).is_ok_and(|metric| metric.orientation() != Orientation::None);
    if !judges(base(metric)) {
        let judging = METRICS.iter().map(|entry| entry.name).filter(|name| judges(name));
        let hint = format!("take one of {}", judging.collect::<Vec<_>>().join(", "));
        return usage(format!("`{metric}` is no metric that tells better from worse"), hint);
    }
    Ok(())
}

/// The points of a row's grid as rows of their own: those axes count whose setting the method has.
fn variants(row: &AssimilatePlan, axes: &[Axis]) -> Result<Vec<Variant>> {
    let entry = find(METHODS, "method", &row.method)?;
    let own: Vec<&Axis> = axes.iter().filter(|axis| entry.params.iter().any(|param| param.key == axis.key)).collect();
    let mut points: Vec<Vec<(String, Value)>> = vec![Vec::new()];
    for axis in own {
        points = points
            .iter()
            .flat_map(|point| {
                axis.values.iter().map(|value| [point.clone(), vec![(axis.key.clone(), value.clone())]].concat())
            })
            .collect();
    }
    let variant = |point: Vec<(String, Value)>| {
        let mut given: BTreeMap<String, Value> =
            row.settings.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        given.extend(point.iter().cloned());
        let settings = Settings::check(&format!("row `{}`", row.label), entry.params, &given).map_err(|mistakes| {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Failure::new(FailureKind::Usage, all.join("; "))
        })?;
        (entry.build.make)(&settings)?;
        let words: Vec<String> = point.iter().map(|(key, value)| format!("{key} = {}", word(value))).collect();
        let label = format!("{}, {}", row.label, words.join(", "));
        Ok((AssimilatePlan { label, settings, ..row.clone() }, point))
    };
    points.into_iter().map(variant).collect()
}

fn surface(
    row: &AssimilatePlan,
    variants: &[Variant],
    metric: &str,
    rows: &[AssimilationRow],
    paired: &[PairedRow],
    context: &Context,
) -> Result<Tuned> {
    let mut points = Vec::new();
    for (variant, settings) in variants {
        let found = rows.iter().find(|row| row.label == variant.label && row.metric == metric).ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("row `{}` has no metric `{metric}`", row.label))
                .hint("name one that its table has, such as rmse or crps_fair")
        })?;
        let against = paired.iter().find(|pair| pair.metric == metric && pair.other == variant.label);
        points.push(Point {
            settings: settings.iter().map(|(key, value)| (key.clone(), as_json(value))).collect(),
            value: found.value,
            se: found.se,
            n: found.n,
            diverged: found.diverged,
            replicates: found.replicates,
            difference: against.map(|pair| (pair.difference, pair.se, pair.p_holm)),
            best: false,
            tied: against.is_some_and(|pair| pair.p_holm >= LEVEL),
        });
    }
    // the pairs name the best where a test could be made; else it is the one with the least loss
    let named = paired.iter().find(|pair| pair.metric == metric).map(|pair| pair.best.as_str());
    let named = variants.iter().position(|(variant, _)| Some(variant.label.as_str()) == named);
    let orientation = score::build(base(metric), context)?.orientation();
    let loss = |i: &usize| points[*i].value.map_or(f64::INFINITY, |value| orientation.loss(value));
    let alive = (0..points.len()).filter(|&i| points[i].value.is_some());
    if let Some(best) = named.or_else(|| alive.min_by(|a, b| loss(a).total_cmp(&loss(b)))) {
        points[best].best = true;
    }
    let axes = variants.first().map_or_else(Vec::new, |(_, point)| point.iter().map(|(key, _)| key.clone()).collect());
    Ok(Tuned { row: row.label.clone(), metric: metric.to_owned(), axes, points })
}

/// The surface: a table of two settings, or a line a point.
fn shown(tuned: &Tuned) -> String {
    let mut out = format!("{}: {}\n", tuned.row, tuned.metric);
    let value = |point: &Point, at: usize| point.settings[at].1.to_string();
    if let [first, second] = &tuned.axes[..] {
        let mut columns: Vec<String> = Vec::new();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for point in &tuned.points {
            let (row, column) = (value(point, 0), value(point, 1));
            if !columns.contains(&column) {
                columns.push(column);
            }
            match rows.last_mut().filter(|last| last[0] == row) {
                Some(last) => last.push(cell(point)),
                None => rows.push(vec![row, cell(point)]),
            }
        }
        let head: Vec<String> = std::iter::once(format!("{first} \\ {second}")).chain(columns).collect();
        out.push_str(&aligned(&head, &rows));
    } else {
        let head: Vec<String> = tuned.axes.iter().cloned().chain([tuned.metric.clone()]).collect();
        let rows: Vec<Vec<String>> = tuned
            .points
            .iter()
            .map(|point| (0..tuned.axes.len()).map(|at| value(point, at)).chain([cell(point)]).collect())
            .collect();
        out.push_str(&aligned(&head, &rows));
    }
    out.push_str(&verdict(tuned));
    out.push('\n');
    out
}

fn cell(point: &Point) -> String {
    let mark = if point.best {
        " *"
    } else if point.tied {
        " ~"
    } else {
        "  "
    };
    match point.value {
        Some(value) => format!("{}{mark}", with_se(value, point.se)),
        None => format!("diverged {}/{}  ", point.diverged, point.replicates),
    }
}

/// The best point, and how far it could be from the best.
fn verdict(tuned: &Tuned) -> String {
    let Some(best) = tuned.points.iter().find(|point| point.best) else {
        return "every point diverged\n".to_owned();
    };
    let words: Vec<String> = best.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let ties: Vec<&Point> = tuned.points.iter().filter(|point| point.tied || point.best).collect();
    let mut ranges = Vec::new();
    for (at, axis) in tuned.axes.iter().enumerate() {
        let numbers: Vec<f64> = ties.iter().filter_map(|point| point.settings[at].1.as_f64()).collect();
        if let (Some(low), Some(high)) =
            (numbers.iter().copied().reduce(f64::min), numbers.iter().copied().reduce(f64::max))
        {
            ranges.push(format!("{axis} {low} to {high}"));
        }
    }
    let value = best.value.map_or_else(String::new, |value| with_se(value, best.se));
    let edge = if on_edge(tuned, best) { "; it lies on the edge of the grid, so widen that" } else { "" };
    format!(
        "best: {} with {value} (n = {}); not told from it: {} of {} points ({}){edge}\n",
        words.join(", "),
        best.n,
        ties.len() - 1,
        tuned.points.len() - 1,
        ranges.join(", ")
    )
}

/// Whether a number of the best point is the least or the greatest of its axis, of three or more.
fn on_edge(tuned: &Tuned, best: &Point) -> bool {
    (0..tuned.axes.len()).any(|at| {
        let mut values: Vec<f64> = tuned.points.iter().filter_map(|point| point.settings[at].1.as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let own = best.settings[at].1.as_f64();
        values.len() > 2 && (own == values.first().copied() || own == values.last().copied())
    })
}

fn word(value: &Value) -> String {
    as_json(value).to_string().trim_matches('"').to_owned()
}

fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(text) => json!(text),
        other => json!(format!("{other:?}")),
    }
}
