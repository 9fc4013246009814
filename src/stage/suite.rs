//! Several experiments as one job: each in a run folder of its own, and one table over all of them.
//!
//! A run that is finished is kept: with `--resume` it is taken as it is, where it is of the same experiment and none of its
//! files has changed since. One that fails leaves the others as they are, and is told of in the end.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::compare;
use super::file_name::folder_name;
use super::options::{Finished, Options, go_on};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::{ForecastRow, PairedRow, Verdict};
use crate::score::{Orientation, orientation};
use crate::spec::Plan;
use crate::store::{self, RunFolder, manifest};

/// Runs the plans below `--out` (`runs/NAME` unless said).
///
/// # Errors
/// When a finished run is in the way or has been changed, the user stops, or a run fails: then after all others.
pub fn run(name: &str, plans: &[Plan], options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(folder_name(name)));
    let (mut runs, mut failed): (Vec<Run>, Vec<(String, Failure)>) = (Vec::new(), Vec::new());
    for plan in plans {
        go_on(progress, "running experiments")?;
        let folder = out.join(folder_name(&plan.name));
        if !is_kept(plan, &folder, options)? {
            let own = Options { out: Some(folder.clone()), ..options.clone() };
            match compare::run(plan, &own, progress) {
                Ok(_) => {}
                Err(failure) if stops_all(failure.kind) => return Err(failure),
                Err(failure) => {
                    failed.push((plan.name.clone(), failure));
                    continue;
                }
            }
        }
        runs.push(Run::read(plan, &folder)?);
    }
    let tables = tables(&runs);
    let text = text(&tables, &runs, &failed);
    let result = json!({
        "schema": "scorecast/suite/v1",
        "suite": name,
        "runs": runs.iter().map(|run| json!({ "experiment": run.name, "folder": run.folder.display().to_string() })).collect::<Vec<_>>(),
        "failed": failed.iter().map(|(name, failure)| json!({ "experiment": name, "message": failure.message })).collect::<Vec<_>>(),
        "tables": tables.iter().map(Table::json).collect::<Vec<_>>(),
    });
    let written =
        serde_json::to_string_pretty(&result).map_err(|error| Failure::new(FailureKind::Bug, error.to_string()))?;
    store::write_atomic(&out.join("suite.json"), (written + "\n").as_bytes())?;
    store::write_atomic(&out.join("suite.md"), text.as_bytes())?;
    match failed.into_iter().next() {
        None => Ok(Finished { result, text }),
        Some((name, failure)) => {
            let message = format!("experiment `{name}`: {}", failure.message);
            Err(Failure { message, ..failure }.report(result).text(text))
        }
    }
}

/// What no other experiment would fare better with.
fn stops_all(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Interrupted | FailureKind::Exists | FailureKind::Io)
}

/// Whether the run of a plan is there, and taken as it is.
fn is_kept(plan: &Plan, folder: &Path, options: &Options) -> Result<bool> {
    if !RunFolder::is_finished(folder) || options.force {
        return Ok(false);
    }
    let at = |message: &str, hint: &str| {
        Err(Failure::new(FailureKind::Exists, message).hint(hint).at(folder.display().to_string()))
    };
    if !options.resume {
        return at(
            "holds a finished run",
            "use --resume to keep it, --force to replace it, or another folder with --out",
        );
    }
    let experiment = std::fs::read_to_string(folder.join(store::run::EXPERIMENT)).unwrap_or_default();
    if experiment != plan.resolved {
        return at(
            "is a finished run of another experiment",
            "use --force to replace it, or another folder with --out",
        );
    }
    match manifest::verify(folder)?.as_slice() {
        [] => Ok(true),
        changed => at(
            &format!("has files that have changed since the run was finished: {}", changed.join(", ")),
            "use --force to run it again, or put the files back",
        ),
    }
}

/// What is read of a finished run.
struct Run {
    name: String,
    folder: PathBuf,
    metrics: Metrics,
}

/// What is read of its tables.
#[derive(Deserialize)]
struct Metrics {
    forecast: Vec<ForecastRow>,
    paired: Vec<PairedRow>,
}

/// Whether a row is of the first lead step, or of no single one.
fn is_first(lead_step: Option<usize>) -> bool {
    lead_step.is_none_or(|lead| lead == 1)
}

impl Run {
    fn read(plan: &Plan, folder: &Path) -> Result<Self> {
        let path = folder.join("metrics.json");
        let at = |what: String| Failure::new(FailureKind::Data, what).at(path.display().to_string());
        let text = std::fs::read_to_string(&path).map_err(|error| at(format!("cannot be read: {error}")))?;
        let metrics: Metrics = serde_json::from_str(&text).map_err(|error| at(format!("has other tables: {error}")))?;
        Ok(Self { name: plan.name.clone(), folder: folder.to_owned(), metrics })
    }

    /// The metrics that judge forecasts, in their order.
    fn judging(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.metrics.forecast {
            if orientation(&row.metric) != Orientation::None && !names.contains(&row.metric.as_str()) {
                names.push(&row.metric);
            }
        }
        names
    }

    /// The row of a forecaster at its first lead step.
    fn row(&self, forecaster: &str, metric: &str) -> Option<&ForecastRow> {
        let of = |row: &&ForecastRow| row.forecaster == forecaster && row.metric == metric && is_first(row.lead_step);
        self.metrics.forecast.iter().find(of)
    }

    /// Whether a forecaster is the best of all, or is not told from it.
    fn is_among_the_best(&self, forecaster: &str, metric: &str) -> bool {
        let own = |pair: &&PairedRow| pair.table == "forecast" && pair.metric == metric && is_first(pair.lead_step);
        let mut pairs = self.metrics.paired.iter().filter(own).peekable();
        pairs.peek().is_some() && pairs.all(|pair| pair.other != forecaster || pair.verdict != Verdict::Worse)
    }
}

/// One metric at the first lead step over all experiments.
struct Table {
    metric: String,
    /// The experiments, in their order.
    experiments: Vec<String>,
    /// A forecaster, and its cell in each experiment.
    rows: Vec<(String, Vec<Option<Cell>>)>,
}

/// A value, its standard error, and whether it is told from the best.
#[derive(Clone, Copy)]
struct Cell {
    value: f64,
    se: Option<f64>,
    among_the_best: bool,
}

fn tables(runs: &[Run]) -> Vec<Table> {
    let mut metrics: Vec<&str> = Vec::new();
    let mut forecasters: Vec<&str> = Vec::new();
    for run in runs {
        metrics.extend(run.judging().into_iter().filter(|name| !metrics.contains(name)).collect::<Vec<_>>());
        for row in &run.metrics.forecast {
            if !forecasters.contains(&row.forecaster.as_str()) {
                forecasters.push(&row.forecaster);
            }
        }
    }
    let cell = |run: &Run, forecaster: &str, metric: &str| {
        let row = run.row(forecaster, metric)?;
        Some(Cell { value: row.value?, se: row.se, among_the_best: run.is_among_the_best(forecaster, metric) })
    };
    let table = |metric: &&str| Table {
        metric: (*metric).to_owned(),
        experiments: runs.iter().map(|run| run.name.clone()).collect(),
        rows: forecasters
            .iter()
            .map(|forecaster| {
                ((*forecaster).to_owned(), runs.iter().map(|run| cell(run, forecaster, metric)).collect())
            })
            .collect(),
    };
    metrics.iter().map(table).collect()
}

impl Table {
    fn json(&self) -> Value {
        let cell = |cell: &Option<Cell>| {
            cell.map(|cell| json!({ "value": cell.value, "se": cell.se, "among_the_best": cell.among_the_best }))
        };
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(forecaster, cells)| json!({ "forecaster": forecaster, "cells": cells.iter().map(cell).collect::<Vec<_>>() }))
            .collect();
        json!({ "metric": self.metric, "lead_step": 1, "experiments": self.experiments, "rows": rows })
    }

    fn markdown(&self) -> String {
        let mut lines = vec![format!("| {} | {} |", self.metric, self.experiments.join(" | "))];
        lines.push(format!("|---|{}", "---|".repeat(self.experiments.len())));
        for (forecaster, cells) in self.rows.iter().filter(|(_, cells)| cells.iter().any(Option::is_some)) {
            let cells: Vec<String> = cells.iter().map(Cell::shown).collect();
            lines.push(format!("| {forecaster} | {} |", cells.join(" | ")));
        }
        lines.join("\n") + "\n"
    }
}

impl Cell {
    /// Value and standard error, in bold where no other is better.
    fn shown(cell: &Option<Self>) -> String {
        let Some(Self { value, se, among_the_best }) = *cell else { return "-".to_owned() };
        let number = match se.filter(|se| *se > 0.0) {
            Some(se) => {
                let digits = (1.0 - se.log10().floor()).clamp(0.0, 6.0) as usize;
                format!("{value:.digits$} ± {se:.digits$}")
            }
            None => format!("{value:.4}"),
        };
        if among_the_best { format!("**{number}**") } else { number }
    }
}

fn text(tables: &[Table], runs: &[Run], failed: &[(String, Failure)]) -> String {
    let mut text =
        "At the first lead step, with standard errors; in bold what is best or is not told from it (paired tests, \
                    Holm's correction, 5 %).\n"
            .to_owned();
    tables.iter().for_each(|table| text.push_str(&format!("\n{}", table.markdown())));
    text.push('\n');
    runs.iter().for_each(|run| text.push_str(&format!("{}: {}\n", run.name, run.folder.join("report.html").display())));
    failed.iter().for_each(|(name, failure)| text.push_str(&format!("{name} failed: {}\n", failure.message)));
    text
}
