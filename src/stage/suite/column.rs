//! What tables over several experiments take of one of them.

use serde::{Deserialize, Serialize};

use crate::results::{CostRow, ForecastRow, Lead, PairedRow, Report, RolloutRow, TrainingRow, Verdict};
use crate::score::{Orientation, orientation};
use crate::spec::is_seed_of;

/// Metrics of analyses that are shown.
const OF_ANALYSES: [&str; 3] = ["rmse", "crps_fair", "spread_skill"];

/// A metric that judges nothing, but says what law is at hand.
const OF_LAW: &str = "excess_kurtosis";

/// What one experiment found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteResult {
    /// Its name.
    pub experiment: String,
    /// Its columns: one a metric of forecasts, and one a metric and method of analyses.
    pub columns: Vec<Column>,
}

/// A metric of an experiment over all forecasters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// `forecast` (of the first lead step), `assimilation`, `against` (of a row that others are compared with), `training` or `cost`.
    pub table: String,
    /// What is measured.
    pub metric: String,
    /// The method that the forecasters are in, of analyses whose rows are forecasters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// One a forecaster, or a row of analyses.
    pub cells: Vec<Cell>,
}

/// A value, its standard error, and what a comparison with the best lets one say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The forecaster's label, or that of the row of analyses.
    pub forecaster: String,
    /// The value; none where it diverged.
    pub value: Option<f64>,
    /// Its standard error, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub se: Option<f64>,
    /// Whether it is as good as the best of its column's table, as the best itself is; none where nothing was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The p-value of a difference, after Holm's correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

impl SuiteResult {
    /// What a report holds of it.
    pub fn of(report: &Report) -> Self {
        let by_row = has_more_methods(report);
        let mut columns = of_forecasts(report);
        columns.extend(of_analyses(report, by_row));
        columns.extend(of_differences(report));
        columns.extend(of_trainings(report));
        columns.push(of_cost(report));
        if by_row {
            columns.push(of_analysis_cost(report));
        }
        columns.retain(|column| !column.cells.is_empty());
        Self { experiment: report.title.clone(), columns }
    }
}

/// Puts a cell into the column of a metric, after those that are there.
fn push(columns: &mut Vec<Column>, table: &str, metric: &str, method: Option<&str>, cell: Cell) {
    let same = |column: &&mut Column| column.metric == metric && column.method.as_deref() == method;
    match columns.iter_mut().find(same) {
        Some(column) => column.cells.push(cell),
        None => columns.push(Column {
            table: table.to_owned(),
            metric: metric.to_owned(),
            method: method.map(str::to_owned),
            cells: vec![cell],
        }),
    }
}

/// What the comparisons with the best of a table say of a row.
fn verdict<'a>(mut pairs: impl Iterator<Item = &'a PairedRow>, label: &str) -> Option<Verdict> {
    pairs.find_map(|pair| match label {
        label if label == pair.best => Some(Verdict::Alike),
        label if label == pair.other => Some(pair.verdict),
        _ => None,
    })
}

fn of_forecasts(report: &Report) -> Vec<Column> {
    let shown = |row: &&ForecastRow| Lead::is_first(row.lead_step) && (judges(&row.metric) || row.metric == OF_LAW);
    let mut columns = Vec::new();
    for row in report.forecast.iter().filter(shown) {
        let own =
            |pair: &&PairedRow| pair.table == "forecast" && pair.metric == row.metric && Lead::is_first(pair.lead_step);
        let pairs = report.paired.iter().filter(own);
        let verdict = verdict(pairs, &row.forecaster).filter(|_| judges(&row.metric));
        let cell = Cell { forecaster: row.forecaster.clone(), value: row.value, se: row.se, verdict, p: None };
        push(&mut columns, "forecast", &row.metric, None, cell);
    }
    columns
}

fn judges(metric: &str) -> bool {
    orientation(metric) != Orientation::None
}

/// Whether there are more rows for a forecaster than forecasters: then tables of analyses have a line for each row.
fn has_more_methods(report: &Report) -> bool {
    let mut rows: Vec<(&str, &str)> =
        report.assimilation.iter().map(|row| (row.forecaster.as_str(), row.label.as_str())).collect();
    rows.sort_unstable();
    rows.dedup();
    let labels = rows.len();
    rows.dedup_by_key(|(forecaster, _)| *forecaster);
    labels > rows.len() * rows.len()
}

fn of_analyses(report: &Report, by_row: bool) -> Vec<Column> {
    let networks: Vec<&str> = report.assimilation.iter().map(|row| row.observe.as_str()).collect();
    let several = networks.iter().any(|name| Some(name) != networks.first());
    let mut columns = Vec::new();
    for row in report.assimilation.iter().filter(|row| OF_ANALYSES.contains(&row.metric.as_str())) {
        let pairs = report.paired.iter().filter(|pair| pair.table == "assimilation" && pair.metric == row.metric);
        let verdict = verdict(pairs, &row.label);
        let line = if by_row { &row.label } else { &row.forecaster };
        let cell = Cell { forecaster: line.clone(), value: row.value, se: row.se, verdict, p: None };
        let method = match (by_row, several) {
            (true, false) => None,
            (true, true) => Some(row.observe.clone()),
            (false, false) => Some(row.method.clone()),
            (false, true) => Some(format!("{}, {}", row.method, row.observe)),
        };
        push(&mut columns, "assimilation", &row.metric, method.as_deref(), cell);
    }
    columns
}

/// What every row is more by than one that was asked for, by the metrics of analyses that are shown.
fn of_differences(report: &Report) -> Vec<Column> {
    let mut columns = Vec::new();
    for pair in report.against.iter().filter(|pair| OF_ANALYSES.contains(&pair.metric.as_str())) {
        let cell = Cell {
            forecaster: pair.other.clone(),
            value: Some(pair.difference),
            se: Some(pair.se),
            verdict: None,
            p: Some(pair.p_holm),
        };
        push(&mut columns, "against", &format!("{} less that of {}", pair.metric, pair.best), None, cell);
    }
    columns
}

/// Milliseconds of one thread that an analysis takes, with the forecast that it starts from.
fn of_analysis_cost(report: &Report) -> Column {
    cost(report, "assimilate", "milliseconds of an analysis")
}

/// What was trained: sizes and costs are those of each seed, and rollouts a mean over seeds.
fn of_trainings(report: &Report) -> Vec<Column> {
    let mut columns = Vec::new();
    for label in reported(report) {
        let seeds: Vec<&TrainingRow> = report
            .training
            .iter()
            .filter(|row| row.forecaster == label || is_seed_of(&row.forecaster, label))
            .collect();
        let Some(first) = seeds.first() else { continue };
        let left: Vec<f64> = seeds.iter().filter_map(|row| Some(left(row.rollout.as_ref()?))).collect();
        let measured = [
            ("parameters", Some(first.parameters as f64)),
            ("training_flops", first.training_flops),
            ("inference_flops", first.inference_flops),
            ("leaving", (!left.is_empty()).then(|| left.iter().sum::<f64>() / left.len() as f64)),
        ];
        for (metric, value) in measured.into_iter().filter(|(_, value)| value.is_some()) {
            let cell = Cell { forecaster: label.to_owned(), value, se: None, verdict: None, p: None };
            push(&mut columns, "training", metric, None, cell);
        }
    }
    columns
}

/// The share of the members of free rollouts that leave the range of the training states.
fn left(rollout: &RolloutRow) -> f64 {
    rollout.left as f64 / rollout.members.max(1) as f64
}

/// The labels of the forecast table, in its order.
fn reported(report: &Report) -> Vec<&str> {
    let mut labels: Vec<&str> = Vec::new();
    for row in &report.forecast {
        if !labels.contains(&row.forecaster.as_str()) {
            labels.push(&row.forecaster);
        }
    }
    labels
}

/// Milliseconds of one thread that a member and lead step of a forecast takes.
fn of_cost(report: &Report) -> Column {
    cost(report, "forecast", "milliseconds")
}

/// Milliseconds of a unit of a stage.
fn cost(report: &Report, stage: &str, metric: &str) -> Column {
    let own = |row: &&CostRow| row.stage == stage && row.units > 0;
    let cell = |row: &CostRow| Cell {
        forecaster: row.label.clone(),
        value: Some(1e3 * row.seconds / row.units as f64),
        se: None,
        verdict: None,
        p: None,
    };
    let cells = report.cost.iter().filter(own).map(cell).collect();
    Column { table: "cost".to_owned(), metric: metric.to_owned(), method: None, cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecaster_of_several_seeds_has_the_size_of_one_and_the_mean_of_their_rollouts() {
        let row = |label: &str, left: usize| TrainingRow {
            forecaster: label.to_owned(),
            kind: "gaussian".to_owned(),
            parameters: 100,
            pairs: 1,
            steps: 1,
            best_step: 1,
            best_valid: None,
            evaluations: 1,
            training_flops: Some(1e9),
            inference_flops: None,
            rollout: Some(RolloutRow { members: 8, left, ..RolloutRow::default() }),
        };
        let forecast = |label: &str| -> ForecastRow {
            let row = serde_json::json!({ "forecaster": label, "metric": "rmse", "estimator": "", "pool": "all", "lead_step": 1,
                "value": 1.0, "se": null, "n": 1, "n_diverged": 0 });
            serde_json::from_value(row).unwrap()
        };
        let report = Report {
            forecast: vec![forecast("net"), forecast("net-seed"), forecast("perfect"), forecast("net")],
            training: vec![row("net-seed-1", 2), row("net-seed-2", 6), row("net-seed", 0)],
            ..Report::default()
        };
        let found = of_trainings(&report);
        let of = |metric: &str| -> Vec<(&str, f64)> {
            let column = found.iter().find(|column| column.metric == metric).unwrap();
            column.cells.iter().map(|cell| (cell.forecaster.as_str(), cell.value.unwrap())).collect()
        };
        assert_eq!(of("parameters"), [("net", 100.0), ("net-seed", 100.0)]);
        assert_eq!(of("leaving"), [("net", 0.5), ("net-seed", 0.0)]);
        assert!(found.iter().all(|column| column.metric != "inference_flops"));
    }
}
