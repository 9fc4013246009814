//! Experiments with known figures, run and held against them.
//!
//! A row is judged by its analysis rmse: it agrees where |ours - theirs| <= 2.5 combined standard errors. Where a run
//! of either side diverged, by the rate of divergence: it agrees where Fisher's exact test of equal rates has a p-value of
//! at least .0124, which is the level of that bound; where so few runs could not have differed at that level, it is
//! left undecided. All other figures are shown beside.

use serde::Serialize;

use super::{Finished, Options, assimilation_scores, data, fit, twin};
use crate::failure::{Failure, Kind, Result};
use crate::progress::Progress;
use crate::report::aligned;
use crate::results::AssimilationRow;
use crate::score::statistics::{fisher_exact, least_p, z};
use crate::spec::{ExpectedPlan, Plan};

/// The largest difference of figures that agree, in combined standard errors.
const BOUND: f64 = 2.5;

/// The two-sided probability beyond it.
const LEVEL: f64 = 0.0124;

/// One row, held against what is known of it.
#[derive(Clone, Debug, Serialize)]
struct Held {
    experiment: String,
    row: String,
    verdict: Verdict,
    /// Our analysis rmse, its standard error and the number of analyses.
    rmse: Option<f64>,
    se: Option<f64>,
    n: usize,
    diverged: usize,
    replicates: usize,
    /// Seconds for each analysis, all runs together.
    seconds_per_cycle: f64,
    /// The known figures.
    expected: Option<Known>,
    /// Column, ours and theirs, of what is not judged.
    beside: Vec<(&'static str, Option<f64>, Option<f64>)>,
    /// (ours - theirs) in combined standard errors.
    z: Option<f64>,
    /// The p-value of equal rates of divergence.
    p_diverged: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Known {
    rmse: Option<f64>,
    se: Option<f64>,
    published: Option<f64>,
    diverged: usize,
    runs: usize,
    source: String,
    explained: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Agrees,
    Differs,
    /// There are too few runs to tell, or no value to compare.
    Undecided,
    /// It differs, and the reason is known.
    Explained,
    /// There is nothing to judge it by.
    Shown,
}

/// Runs the plans and holds every row with figures against them.
///
/// # Errors
/// [`Kind::Numerical`], with all rows, when a row differs; and what [`compare`](super::compare) fails with.
pub fn run(plans: &[Plan], options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let (mut held, mut diagnoses) = (Vec::new(), Vec::new());
    for plan in plans {
        let (rows, why) = one(plan, options, progress).map_err(|failure| Failure {
            message: format!("experiment `{}`: {}", plan.name, failure.message),
            ..failure
        })?;
        held.extend(rows);
        diagnoses.extend(why);
    }
    let result = serde_json::json!({ "rows": held, "bound": BOUND, "level": LEVEL, "diverged": diagnoses });
    let count = |verdict| held.iter().filter(|row: &&Held| row.verdict == verdict).count();
    let (agree, differ) = (count(Verdict::Agrees), count(Verdict::Differs));
    let undecided = match count(Verdict::Undecided) {
        0 => String::new(),
        count => format!("; {count} could not be decided"),
    };
    let summary = format!("{agree} of {} judged rows agree with their reference{undecided}", agree + differ);
    let why: String = diagnoses.iter().map(|sentence| format!("{sentence}\n")).collect();
    let text = format!("{}{why}\n{summary}\n", table(&held));
    if differ == 0 {
        return Ok(Finished { result, text });
    }
    let names: Vec<&str> =
        held.iter().filter(|row| row.verdict == Verdict::Differs).map(|row| row.row.as_str()).collect();
    let message =
        format!("{differ} of {} judged rows differ from their reference: {}", agree + differ, names.join(", "));
    let hint = "more replicates make ours surer; a known reason goes into `explained`";
    Err(Failure::new(Kind::Numerical, message).hint(hint).report(result).text(text))
}

/// The rows of one experiment, and why some of their runs diverged.
fn one(plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<(Vec<Held>, Vec<String>)> {
    let data = data::trajectories(plan, None, options, progress)?;
    let ready = fit::all(plan, Some(&data), None, false, progress)?;
    let climate = twin::Climate::new(&data.train);
    let source = twin::Source { plan, climate: Some(&climate), test: Some(&data.test), options };
    let networks = twin::networks(&source)?;
    let scored =
        assimilation_scores::score(plan, &ready, &networks, Some(&climate), assimilation_scores::Asks::Why, progress)?;
    let mut held = Vec::new();
    for (row, cost) in plan.assimilate.iter().zip(&scored.cost) {
        let own: Vec<&AssimilationRow> = scored.rows.iter().filter(|other| other.label == row.label).collect();
        let seconds = cost.seconds / (cost.units.max(1) as f64);
        let known = held.len();
        let expected = plan.expected.iter().filter(|expected| expected.row == row.label);
        held.extend(expected.map(|expected| hold(&plan.name, &row.label, &own, seconds, Some(expected))));
        if held.len() == known {
            held.push(hold(&plan.name, &row.label, &own, seconds, None));
        }
    }
    Ok((held, scored.diagnoses))
}

/// Holds the columns of one row against what is expected of it.
fn hold(
    experiment: &str,
    label: &str,
    columns: &[&AssimilationRow],
    seconds_per_cycle: f64,
    expected: Option<&ExpectedPlan>,
) -> Held {
    let column = |name: &str| columns.iter().find(|row| row.metric == name);
    let rmse = column("rmse");
    let (diverged, replicates) = rmse.map_or((0, 0), |row| (row.diverged, row.replicates));
    let ours = rmse.and_then(|row| Some((row.value?, row.se?)));
    let beside = ExpectedPlan::BESIDE.iter().map(|name| {
        let theirs = expected.and_then(|plan| plan.beside.iter().find(|(key, _)| key == name)).map(|(_, value)| *value);
        (*name, column(name).and_then(|row| row.value), theirs)
    });
    let beside: Vec<_> = beside.filter(|(_, ours, theirs)| ours.is_some() || theirs.is_some()).collect();
    let mut held = Held {
        experiment: experiment.to_owned(),
        row: label.to_owned(),
        verdict: Verdict::Shown,
        rmse: ours.map(|ours| ours.0),
        se: ours.map(|ours| ours.1),
        n: rmse.map_or(0, |row| row.n),
        diverged,
        replicates,
        seconds_per_cycle,
        expected: None,
        beside,
        z: None,
        p_diverged: None,
    };
    let Some(plan) = expected else { return held };
    let verdict = |agrees: bool| if agrees { Verdict::Agrees } else { Verdict::Differs };
    if diverged > 0 || plan.diverged > 0 {
        let (ours, theirs) = ((diverged as u64, replicates as u64), (plan.diverged as u64, plan.runs as u64));
        let p = fisher_exact(ours, theirs);
        held.p_diverged = Some(p);
        held.verdict = if least_p(ours, theirs) >= LEVEL { Verdict::Undecided } else { verdict(p >= LEVEL) };
    } else if let (Some(ours), Some(value), Some(se)) = (ours, plan.rmse, plan.se) {
        let z = z(ours, (value, se));
        (held.z, held.verdict) = (Some(z), verdict(z.abs() <= BOUND));
    } else if plan.rmse.is_some() {
        held.verdict = Verdict::Undecided;
    }
    if !plan.explained.is_empty() && held.verdict == Verdict::Differs {
        held.verdict = Verdict::Explained;
    }
    held.expected = Some(Known {
        rmse: plan.rmse,
        se: plan.se,
        published: plan.published,
        diverged: plan.diverged,
        runs: plan.runs,
        source: plan.source.clone(),
        explained: plan.explained.clone(),
    });
    held
}

/// The rows as an aligned table, one block an experiment, with the notes below.
fn table(held: &[Held]) -> String {
    let mut out = String::new();
    let mut blocks: Vec<&str> = held.iter().map(|row| row.experiment.as_str()).collect();
    blocks.dedup();
    for block in blocks {
        let rows: Vec<&Held> = held.iter().filter(|row| row.experiment == block).collect();
        let head = ["row", "rmse", "reference", "z", "published", "diverged", "their", "beside: ours / theirs", ""];
        let lines: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
        out.push_str(&format!("{block}\n{}", aligned(&head.map(str::to_owned), &lines)));
        for row in rows {
            if let (Verdict::Explained, Some(known)) = (row.verdict, &row.expected) {
                out.push_str(&format!("  {} and {}: {}\n", row.row, known.source, known.explained));
            }
        }
        out.push('\n');
    }
    out
}

fn cells(row: &Held) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let with_se = |value: Option<f64>, se: Option<f64>| match (value, se) {
        (Some(value), Some(se)) => format!("{value:.4} ± {se:.4}"),
        (value, _) => number(value),
    };
    let known = row.expected.as_ref();
    let short = |name: &str| {
        match name {
            "rmse_forecast" => "forecast",
            "rmse_smoothed" => "smoothed",
            other => other,
        }
        .to_owned()
    };
    let beside = row.beside.iter().map(|(name, a, b)| format!("{} {} / {}", short(name), number(*a), number(*b)));
    let rate = |diverged: usize, runs: usize| format!("{diverged}/{runs}");
    vec![
        row.row.clone(),
        with_se(row.rmse, row.se),
        known.map_or_else(|| "-".to_owned(), |known| with_se(known.rmse, known.se)),
        row.z.map_or_else(|| "-".to_owned(), |z| format!("{z:+.1}")),
        known.and_then(|known| known.published).map_or_else(|| "-".to_owned(), |value| value.to_string()),
        rate(row.diverged, row.replicates),
        known.map_or_else(|| "-".to_owned(), |known| rate(known.diverged, known.runs)),
        beside.collect::<Vec<_>>().join(", "),
        match row.verdict {
            Verdict::Agrees => "agrees",
            Verdict::Differs => "DIFFERS",
            Verdict::Undecided => "undecided",
            Verdict::Explained => "explained",
            Verdict::Shown => "",
        }
        .to_owned(),
    ]
}
