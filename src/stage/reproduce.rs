//! Experiments with known figures, run and held against them.
//!
//! A row is judged by its analysis rmse: it agrees where |ours - theirs| <= 2.5 combined standard errors. Where a run
//! of either side diverged, also by the rate of divergence: it agrees where Fisher's exact test of equal rates has a p-value
//! of at least .0124, which is the level of that bound; so few runs that none could have differed at that level are not
//! compared. The rmse is then that of the runs that did not diverge, and is only held against a figure of runs of which none
//! did. What can be held against nothing is left undecided. All other figures are shown beside.

use serde::Serialize;

use super::{Finished, Options, assimilation_scores, data, fit, twin};
use crate::failure::{Failure, FailureKind, Result};
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
    /// Our analysis rmse over the runs that did not diverge, its standard error and the number of analyses.
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
/// [`FailureKind::Numerical`], with all rows, when a row differs; and what [`compare`](super::compare) fails with.
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
    Err(Failure::new(FailureKind::Numerical, message).hint(hint).report(result).text(text))
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
    for ((row, cost), survivors) in plan.assimilate.iter().zip(&scored.cost).zip(&scored.survivors) {
        let own: Vec<&AssimilationRow> = scored.rows.iter().filter(|other| other.label == row.label).collect();
        let seconds = cost.seconds / (cost.units.max(1) as f64);
        let known = held.len();
        let expected = plan.expected.iter().filter(|expected| expected.row == row.label);
        let row =
            ReproducedRow { experiment: &plan.name, label: &row.label, columns: &own, seconds, survivors: *survivors };
        held.extend(expected.map(|expected| row.hold(Some(expected))));
        if held.len() == known {
            held.push(row.hold(None));
        }
    }
    Ok((held, scored.diagnoses))
}

/// One row of ours.
struct ReproducedRow<'a> {
    experiment: &'a str,
    label: &'a str,
    columns: &'a [&'a AssimilationRow],
    /// Seconds for each analysis.
    seconds: f64,
    /// The analysis rmse of the runs that did not diverge, its standard error and the number of these.
    survivors: Option<(f64, f64, usize)>,
}

impl ReproducedRow<'_> {
    /// Holds the row against what is expected of it.
    fn hold(&self, expected: Option<&ExpectedPlan>) -> Held {
        let column = |name: &str| self.columns.iter().find(|row| row.metric == name);
        let rmse = column("rmse");
        let (diverged, replicates) = rmse.map_or((0, 0), |row| (row.diverged, row.replicates));
        let ours = self.survivors.map(|(value, se, _)| (value, se));
        let beside = ExpectedPlan::BESIDE.iter().map(|name| {
            let theirs =
                expected.and_then(|plan| plan.beside.iter().find(|(key, _)| key == name)).map(|(_, value)| *value);
            (*name, column(name).and_then(|row| row.value), theirs)
        });
        let beside: Vec<_> = beside.filter(|(_, ours, theirs)| ours.is_some() || theirs.is_some()).collect();
        let mut held = Held {
            experiment: self.experiment.to_owned(),
            row: self.label.to_owned(),
            verdict: Verdict::Shown,
            rmse: ours.map(|ours| ours.0),
            se: ours.map(|ours| ours.1),
            n: rmse.map_or(0, |row| row.n),
            diverged,
            replicates,
            seconds_per_cycle: self.seconds,
            expected: None,
            beside,
            z: None,
            p_diverged: None,
        };
        let Some(plan) = expected else { return held };
        if diverged > 0 || plan.diverged > 0 {
            let (ours, theirs) = ((diverged as u64, replicates as u64), (plan.diverged as u64, plan.runs as u64));
            held.p_diverged = Some(fisher_exact(ours, theirs)).filter(|_| least_p(ours.1, theirs.1) < LEVEL);
        }
        if let (Some(ours), Some(value), Some(se), 0) = (ours, plan.rmse, plan.se, plan.diverged) {
            held.z = Some(z(ours, (value, se)));
        }
        held.verdict = verdict(held.z, held.p_diverged, plan);
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
}

/// What a difference of figures and the probability of equal rates of divergence say, where there are such.
fn verdict(z: Option<f64>, p_diverged: Option<f64>, plan: &ExpectedPlan) -> Verdict {
    let judged = [z.map(|z| z.abs() <= BOUND), p_diverged.map(|p| p >= LEVEL)];
    let agrees = judged.iter().flatten().all(|agrees| *agrees);
    match judged {
        [None, None] if plan.rmse.is_none() && plan.diverged == 0 => Verdict::Shown,
        [None, None] => Verdict::Undecided,
        _ if agrees => Verdict::Agrees,
        _ if plan.explained.is_empty() => Verdict::Differs,
        _ => Verdict::Explained,
    }
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
        match row.diverged {
            0 => with_se(row.rmse, row.se),
            diverged => format!("{} of {}", with_se(row.rmse, row.se), row.replicates - diverged),
        },
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict, z and p of a row with `diverged` of `replicates` and an rmse of the others, held against a figure.
    fn judged(
        (diverged, replicates): (usize, usize),
        survivors: Option<(f64, f64, usize)>,
        known: (Option<f64>, usize, usize),
        explained: &str,
    ) -> (Verdict, Option<f64>, Option<f64>) {
        let column = AssimilationRow {
            metric: "rmse".into(),
            value: None,
            se: None,
            n: 100,
            diverged,
            replicates,
            ..AssimilationRow::default()
        };
        let expected = ExpectedPlan {
            row: "row".into(),
            rmse: known.0,
            se: known.0.map(|_| 0.004),
            beside: Vec::new(),
            published: None,
            diverged: known.1,
            runs: known.2,
            source: String::new(),
            explained: explained.into(),
        };
        let columns = [&column];
        let row = ReproducedRow { experiment: "x", label: "row", columns: &columns, seconds: 0.0, survivors };
        let held = row.hold(Some(&expected));
        (held.verdict, held.z, held.p_diverged)
    }

    #[test]
    fn figures_are_judged_by_combined_standard_errors() {
        let ours = Some((0.2, 0.003, 20));
        let (verdict, z, p) = judged((0, 20), ours, (Some(0.21), 0, 1), "");
        assert_eq!((verdict, p), (Verdict::Agrees, None));
        assert!((z.unwrap() + 2.0).abs() < 1e-9);
        assert_eq!(judged((0, 20), ours, (Some(0.22), 0, 1), "").0, Verdict::Differs);
        assert_eq!(judged((0, 20), ours, (Some(0.22), 0, 1), "another law").0, Verdict::Explained);
        assert_eq!(judged((0, 20), ours, (None, 0, 1), "").0, Verdict::Shown);
    }

    #[test]
    fn divergence_is_judged_by_rates_and_survivors_by_survivors() {
        let ours = Some((0.2, 0.003, 19));
        // one run there tells no rate, but its figure is that of a survivor
        let (verdict, z, p) = judged((1, 20), ours, (Some(0.201), 0, 1), "");
        assert_eq!((verdict, z.is_some(), p), (Verdict::Agrees, true, None));
        assert_eq!(judged((1, 20), ours, (Some(0.3), 0, 1), "").0, Verdict::Differs);
        // both must agree
        let (verdict, _, p) = judged((1, 20), ours, (Some(0.201), 0, 20), "");
        assert_eq!(verdict, Verdict::Agrees);
        assert!(p.unwrap() > 0.99);
        assert_eq!(judged((9, 20), ours, (Some(0.201), 0, 20), "").0, Verdict::Differs);
        // a figure with a diverged run in it is no survivor's
        let (verdict, z, _) = judged((1, 20), ours, (Some(1.7), 2, 20), "");
        assert_eq!((verdict, z), (Verdict::Agrees, None));
        assert_eq!(judged((0, 20), ours, (Some(1.7), 1, 1), "").0, Verdict::Undecided);
        assert_eq!(judged((0, 20), ours, (None, 20, 20), "").0, Verdict::Differs);
        assert_eq!(judged((20, 20), None, (Some(0.2), 0, 20), "").0, Verdict::Differs);
    }
}
