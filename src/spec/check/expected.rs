//! `[[expected]]`: what rows are known to give elsewhere.

use super::super::keys::EXPECTED;
use super::super::plan::{ExpectedPlan, ScorePlan};
use super::super::read::remedy;
use super::assimilate::CheckedRow;
use super::context::Context;

pub(super) fn check(cx: &Context, rows: &[CheckedRow]) -> Vec<ExpectedPlan> {
    let labels: Vec<&str> = rows.iter().map(|row| row.plan.label.as_str()).collect();
    let mut out: Vec<ExpectedPlan> = Vec::new();
    for reader in cx.many(&EXPECTED) {
        reader.refuse_unknown(&[]);
        let Some(own) = reader.own() else { continue };
        let plan = ExpectedPlan {
            row: own.text("row").to_owned(),
            rmse: own.optional_number("rmse"),
            se: own.optional_number("se"),
            beside: ExpectedPlan::BESIDE.iter().filter_map(|key| Some((*key, own.optional_number(key)?))).collect(),
            published: own.optional_number("published"),
            diverged: own.count("diverged"),
            runs: own.count("runs"),
            source: own.text("source").to_owned(),
            explained: own.text("explained").to_owned(),
        };
        if !labels.contains(&plan.row.as_str()) {
            let hint = remedy(&plan.row, &labels);
            reader.wrong("row", format!("[[expected]]: no row is called `{}`; {hint}", plan.row));
        }
        if out.iter().any(|known| known.row == plan.row && known.source == plan.source) {
            let what = format!("[[expected]]: row `{}` has figures of that source already; set another", plan.row);
            reader.wrong("source", what);
        }
        if plan.rmse.is_some() && plan.se.is_none() && plan.diverged == 0 {
            let what =
                "[[expected]]: `rmse` needs its standard error `se` to be judged; a figure without goes to `published`";
            reader.wrong("rmse", what);
        }
        if plan.diverged > plan.runs {
            let what = format!("[[expected]]: {} of {} runs diverged; set `runs`", plan.diverged, plan.runs);
            reader.wrong("diverged", what);
        }
        out.push(plan);
    }
    out
}

/// What rows are held against must be scored.
pub(super) fn check_metrics(cx: &Context, score: &ScorePlan, expected: &[ExpectedPlan]) {
    if !expected.is_empty() && !score.metrics.iter().any(|metric| metric == "rmse") {
        let what = "[score]: `metrics` lacks `rmse`, by which the figures of [[expected]] are judged; add it";
        cx.mistakes.add(cx.place, "score.metrics", what);
    }
}
