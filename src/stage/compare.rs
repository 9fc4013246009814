//! The whole job: simulate, train, forecast, assimilate, score, report, in one run folder.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::{Finished, Options, assimilation_scores, data, files, findings, fit, forecast_scores, tables, twin};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::Report;
use crate::spec::Plan;
use crate::store::RunFolder;

/// Runs whatever the experiment has.
///
/// # Errors
/// When the run folder exists, a stage fails, or the user stops; what is finished by then is kept for `--resume`.
pub fn run(plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let begun = Instant::now();
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(fit::file_stem(&plan.name)));
    let folder = RunFolder::create(&out, options.force, options.resume)?;
    folder.write_experiment(&plan.resolved)?;
    let mut timings: Vec<(String, f64)> = Vec::new();

    let data = data::trajectories(plan, None, options, progress)?;
    if !plan.forecasters.is_empty() && !folder.has("data.nc") {
        files::write_trajectories(&folder.file("data.nc")?, &data, plan)?;
    }
    timings.push(("data".into(), begun.elapsed().as_secs_f64()));

    let shelf = fit::Shelf { models: folder.path().join("models"), checkpoints: folder.path().join("checkpoints") };
    let ready = fit::all(plan, Some(&data), Some(&shelf), folder.resumed(), progress)?;
    timings.push(("train".into(), begun.elapsed().as_secs_f64()));

    let forecasts = forecast_scores::score(plan, &ready, &data, progress)?;
    timings.push(("forecast".into(), begun.elapsed().as_secs_f64()));

    let climate = twin::Climate::new(&data.train);
    let source = twin::Source { plan, climate: Some(&climate), test: Some(&data.test), options };
    let networks = twin::networks(&source)?;
    let analyses =
        assimilation_scores::score(plan, &ready, &networks, Some(&climate), assimilation_scores::Asks::Why, progress)?;
    timings.push(("assimilate".into(), begun.elapsed().as_secs_f64()));
    for network in &analyses.analyses {
        let name = format!("analysis_{}.nc", fit::file_stem(&network.observe));
        files::write_analyses(&folder.file(&name)?, network, plan)?;
    }

    let report = report(plan, &ready, forecasts, analyses);
    if nothing_to_report(&report) {
        return Err(Failure::new(FailureKind::Numerical, "every row diverged, so there is nothing to report")
            .hint("look at data.dt, data.substeps and the methods' inflation")
            .report(json!({ "warnings": report.warnings }))
            .text(crate::report::headline(&report)));
    }
    tables::write(&folder, &report)?;
    // a time is worth keeping beside the metrics, but never among them
    let cost = report.cost.iter().map(|row| (format!("{} {}", row.stage, row.label), row.seconds));
    timings.extend(cost);
    timings.push(("total".into(), begun.elapsed().as_secs_f64()));
    let path = folder.finish(&timings)?;
    let text =
        format!("{}\nreport: {}\n", crate::report::headline(&report).trim_end(), path.join("report.html").display());
    let result = json!({
        "forecast": report.forecast,
        "assimilation": with_seconds(&report),
        "paired": report.paired,
        "training": report.training,
        "cost": report.cost,
        "findings": report.findings,
        "warnings": report.warnings,
        "run": path.display().to_string(),
    });
    Ok(Finished { result, text })
}

fn report(
    plan: &Plan,
    ready: &[fit::Ready],
    forecasts: forecast_scores::Scored,
    analyses: assimilation_scores::Scored,
) -> Report {
    let mut cost: Vec<_> = ready.iter().filter_map(fit::Ready::cost_row).collect();
    cost.extend(forecasts.cost);
    cost.extend(analyses.cost);
    let mut report = Report {
        title: plan.name.clone(),
        setting: tables::setting(plan),
        forecast: forecasts.rows,
        dt: plan.data.stepping.dt,
        assimilation: analyses.rows,
        paired: forecasts.paired.into_iter().chain(analyses.paired).collect(),
        training: ready.iter().filter_map(fit::Ready::training_row).collect(),
        curves: ready.iter().filter_map(fit::Ready::curve).collect(),
        cost,
        errors: analyses.errors,
        parameters: analyses.parameters,
        ranks: forecasts.ranks.into_iter().chain(analyses.ranks).collect(),
        panels: analyses.panels,
        laws: forecasts.laws,
        experiment: plan.resolved.clone(),
        ..Report::default()
    };
    report.findings = findings::findings(&report);
    report.warnings = findings::warnings(plan, &report);
    report.warnings.extend(analyses.diagnoses);
    report
}

fn nothing_to_report(report: &Report) -> bool {
    let rows = report.forecast.len() + report.assimilation.len();
    let values = report.forecast.iter().filter(|row| row.value.is_some()).count()
        + report.assimilation.iter().filter(|row| row.value.is_some()).count();
    rows > 0 && values == 0
}

/// The assimilation rows with the seconds of their runs.
fn with_seconds(report: &Report) -> Vec<serde_json::Value> {
    let seconds = |label: &str| {
        report.cost.iter().find(|row| row.stage == "assimilate" && row.label == label).map(|row| row.seconds)
    };
    report
        .assimilation
        .iter()
        .map(|row| {
            let mut value = json!(row);
            value["seconds"] = json!(seconds(&row.label));
            value
        })
        .collect()
}
