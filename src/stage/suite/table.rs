//! One metric over all experiments of a suite.

use serde::Serialize;

use super::column::{Cell, Column, SuiteResult};
use crate::results::Verdict;

/// What the tables are, for whoever reads them.
pub(super) const NOTE: &str = "Scores of forecasts are of the first lead step. Values stand with their standard errors; in bold what is best, or is not \
                               told from the best by a paired test (Holm's correction, 5 %) and with 95 % confidence within a \
                               tenth of it; `?` is not told from the best either, but could be worse by more.";

/// One metric over all experiments.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// `forecast`, `assimilation`, `against`, `training` or `cost`.
    pub table: String,
    /// What is measured.
    pub metric: String,
    /// The experiment of each column, and of analyses the method.
    pub columns: Vec<(String, Option<String>)>,
    /// The rows.
    pub rows: Vec<ForecasterCells>,
}

/// A forecaster in all columns.
#[derive(Clone, Debug, Serialize)]
pub struct ForecasterCells {
    /// Its label.
    pub forecaster: String,
    /// Its cells; none where a column has no such forecaster.
    pub cells: Vec<Option<Cell>>,
}

/// The tables of these experiments, in the order in which their metrics come first.
pub fn tables(results: &[&SuiteResult]) -> Vec<Table> {
    let all: Vec<(&str, &Column)> = results
        .iter()
        .flat_map(|result| result.columns.iter().map(|column| (result.experiment.as_str(), column)))
        .collect();
    let mut forecasters: Vec<&str> = Vec::new();
    for cell in all.iter().flat_map(|(_, column)| &column.cells) {
        if !forecasters.contains(&cell.forecaster.as_str()) {
            forecasters.push(&cell.forecaster);
        }
    }
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    for (_, column) in &all {
        let kind = (column.table.as_str(), column.metric.as_str());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    // forecasts before analyses, and what trainings and forecasts cost last
    let place =
        |table: &str| ["forecast", "assimilation", "against"].iter().position(|known| *known == table).unwrap_or(3);
    kinds.sort_by_key(|(table, _)| place(table));
    let table = |&(table, metric): &(&str, &str)| {
        let own: Vec<&(&str, &Column)> =
            all.iter().filter(|(_, column)| column.table == table && column.metric == metric).collect();
        let find = |column: &Column, label: &str| column.cells.iter().find(|cell| cell.forecaster == label).cloned();
        let row = |label: &&str| ForecasterCells {
            forecaster: (*label).to_owned(),
            cells: own.iter().map(|(_, column)| find(column, label)).collect(),
        };
        let rows = forecasters.iter().map(row).filter(|row| row.cells.iter().any(Option::is_some)).collect();
        let columns = own.iter().map(|(name, column)| ((*name).to_owned(), column.method.clone())).collect();
        Table { table: table.to_owned(), metric: metric.to_owned(), columns, rows }
    };
    kinds.iter().map(table).collect()
}

impl Table {
    /// As a table in Markdown.
    pub fn markdown(&self) -> String {
        let shared = shared(&self.columns);
        let heads = self.columns.iter().map(|(experiment, method)| {
            let short = &experiment[shared..];
            method.as_ref().map_or_else(|| short.to_owned(), |method| format!("{short}: {method}"))
        });
        let heads: Vec<String> = heads.collect();
        let mut lines = vec![format!("| {} | {} |", self.title(), heads.join(" | "))];
        lines.push(format!("|---|{}", "---|".repeat(heads.len())));
        for row in &self.rows {
            let cells: Vec<String> = row.cells.iter().map(|cell| shown(cell.as_ref())).collect();
            lines.push(format!("| {} | {} |", row.forecaster, cells.join(" | ")));
        }
        lines.join("\n") + "\n"
    }

    fn title(&self) -> String {
        match (self.table.as_str(), self.metric.as_str()) {
            ("cost", "milliseconds") => "ms a member and lead step".to_owned(),
            ("cost", _) => "ms an analysis".to_owned(),
            ("assimilation", metric) => format!("{metric} of analyses"),
            ("training", "training_flops") => "flops of the training".to_owned(),
            ("training", "leaving") => "free rollouts that leave the range of the data".to_owned(),
            ("training", "inference_flops") => "flops a member and lead step".to_owned(),
            (_, metric) => metric.to_owned(),
        }
    }
}

/// The length of what all names begin with, up to an underscore.
fn shared(columns: &[(String, Option<String>)]) -> usize {
    let Some((first, _)) = columns.first() else { return 0 };
    if columns.iter().all(|(name, _)| name == first) {
        return 0;
    }
    let common = |end: &usize| columns.iter().all(|(name, _)| name.starts_with(&first[..*end]));
    let ends = first.match_indices('_').map(|(at, _)| at + 1);
    ends.filter(common).max().unwrap_or(0)
}

/// Value and standard error, in bold where no other is better, with a mark where that cannot be told.
fn shown(cell: Option<&Cell>) -> String {
    let Some(cell) = cell else { return "-".to_owned() };
    let Some(value) = cell.value else { return "diverged".to_owned() };
    let number = match cell.se.filter(|se| *se > 0.0) {
        Some(se) => {
            let digits = (1.0 - se.log10().floor()).clamp(0.0, 6.0) as usize;
            format!("{value:.digits$} ± {se:.digits$}")
        }
        None if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) => format!("{value:.2e}"),
        None if value.fract() == 0.0 => format!("{value}"),
        None => format!("{value:.4}"),
    };
    if let Some(p) = cell.p {
        let sign = if value > 0.0 { "+" } else { "" };
        let p = if p < 0.001 { "p < .001".to_owned() } else { format!("p = {p:.3}") };
        return format!("{sign}{number}, {p}");
    }
    match cell.verdict {
        Some(Verdict::Alike) => format!("**{number}**"),
        Some(Verdict::CannotTell) => format!("{number} ?"),
        Some(Verdict::Worse | Verdict::Better) | None => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(forecaster: &str, value: Option<f64>, se: Option<f64>, alike: bool) -> Cell {
        let verdict = alike.then_some(Verdict::Alike);
        Cell { forecaster: forecaster.to_owned(), value, se, verdict, p: None }
    }

    fn column(table: &str, metric: &str, method: Option<&str>, cells: Vec<Cell>) -> Column {
        Column { table: table.to_owned(), metric: metric.to_owned(), method: method.map(str::to_owned), cells }
    }

    #[test]
    fn a_table_has_a_column_of_each_experiment_and_method_and_says_what_is_missing() {
        let one = SuiteResult {
            experiment: "contest_a".to_owned(),
            columns: vec![
                column("cost", "milliseconds", None, vec![cell("x", Some(2e-5), None, false)]),
                column("assimilation", "rmse", Some("etkf"), vec![cell("x", Some(0.5), Some(0.01), true)]),
                column("assimilation", "rmse", Some("enkf"), vec![cell("x", None, None, false)]),
                column("forecast", "crps_fair", None, vec![cell("x", Some(1.23456), Some(0.12), true)]),
            ],
        };
        let other = SuiteResult {
            experiment: "contest_b".to_owned(),
            columns: vec![column(
                "forecast",
                "crps_fair",
                None,
                vec![Cell { verdict: Some(Verdict::CannotTell), ..cell("y", Some(3.0), None, false) }],
            )],
        };
        let all: Vec<String> = tables(&[&one, &other]).iter().map(Table::markdown).collect();
        let expected = [
            "| crps_fair | a | b |\n|---|---|---|\n| x | **1.23 ± 0.12** | - |\n| y | - | 3 ? |\n",
            "| rmse of analyses | contest_a: etkf | contest_a: enkf |\n|---|---|---|\n| x | **0.500 ± 0.010** | diverged |\n",
            "| ms a member and lead step | contest_a |\n|---|---|\n| x | 2.00e-5 |\n",
        ];
        assert_eq!(all, expected);
    }
}
