//! Forecasters whose training diverged, which is a result and no abort: the experiment goes on without them, and each of their
//! rows stands in its table without a value.

use crate::results::{AssimilationRow, ForecastRow, Report};
use crate::spec::{AssimilatePlan, Plan};

/// A forecaster that could not be trained.
#[derive(Clone, Debug)]
pub struct Untrained {
    /// The label under which it would be reported: of several seeds one is enough, for a mean of those that are left would flatter
    /// it.
    pub label: String,
    /// What happened.
    pub message: String,
}

/// The plan without these forecasters, and without the rows that have one of them.
pub fn plan_without(plan: &Plan, untrained: &[Untrained]) -> Plan {
    let is_left = |label: &str| !untrained.iter().any(|one| one.label == plan.reported(label));
    Plan {
        forecasters: plan.forecasters.iter().filter(|one| is_left(&one.label)).cloned().collect(),
        forecast: plan.forecast.iter().filter(|label| is_left(label)).cloned().collect(),
        assimilate: plan.assimilate.iter().filter(|row| is_left(&row.forecaster)).cloned().collect(),
        ..plan.clone()
    }
}

/// Adds these forecasters to the report of the others: a warning, and in each table a row without a value for each metric that all
/// others have.
pub fn add(report: &mut Report, plan: &Plan, untrained: &[Untrained]) {
    for Untrained { label, message } in untrained {
        let forecasts = in_forecasts(&report.forecast, plan, label);
        let analyses = in_analyses(&report.assimilation, plan, label);
        report.forecast.extend(forecasts);
        report.assimilation.extend(analyses);
        report.warnings.push(format!("{message}; its rows have no values"));
    }
}

fn in_forecasts(rows: &[ForecastRow], plan: &Plan, label: &str) -> Vec<ForecastRow> {
    if !plan.forecast.iter().any(|scored| plan.reported(scored) == label) {
        return Vec::new();
    }
    let kind = |row: &ForecastRow| (row.metric.clone(), row.lead_step);
    let common = common(rows, |row| row.forecaster.clone(), kind);
    let without_value = |row: &ForecastRow| ForecastRow {
        forecaster: label.to_owned(),
        value: None,
        se: None,
        n_effective: None,
        skew: None,
        n_diverged: row.n,
        ..row.clone()
    };
    common.into_iter().map(without_value).collect()
}

fn in_analyses(rows: &[AssimilationRow], plan: &Plan, label: &str) -> Vec<AssimilationRow> {
    let theirs = plan.assimilate.iter().filter(|row| plan.reported(&row.forecaster) == label && row.is_first_seed());
    let of_row = |own: &AssimilatePlan| -> Vec<AssimilationRow> {
        let beside: Vec<AssimilationRow> = rows.iter().filter(|row| row.observe == own.observe).cloned().collect();
        let common = common(&beside, |row| row.label.clone(), |row| row.metric.clone());
        let without_value = |row: &AssimilationRow| AssimilationRow {
            method: own.method.clone(),
            forecaster: label.to_owned(),
            label: own.reported().to_owned(),
            value: None,
            se: None,
            n_effective: None,
            skew: None,
            diverged: row.replicates,
            ..row.clone()
        };
        common.into_iter().map(without_value).collect()
    };
    theirs.flat_map(of_row).collect()
}

/// The rows of the first of those that a table is about whose kind all others have too.
fn common<R, K: PartialEq>(rows: &[R], about: impl Fn(&R) -> String, kind: impl Fn(&R) -> K) -> Vec<&R> {
    let mut all: Vec<String> = Vec::new();
    for row in rows {
        let own = about(row);
        if !all.contains(&own) {
            all.push(own);
        }
    }
    let Some(first) = all.first() else { return Vec::new() };
    let has = |label: &String, of: &K| rows.iter().any(|row| about(row) == *label && kind(row) == *of);
    rows.iter().filter(|row| about(row) == *first && all.iter().all(|label| has(label, &kind(row)))).collect()
}
