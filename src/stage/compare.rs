//! The whole job: simulate, train, forecast, assimilate, score, report, in one run folder.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::assimilation::file::write_analyses;
use super::assimilation::{Assimilation, Extras, ObservingNetwork};
use super::budget::measured;
use super::data::{leaks, write_trajectories};
use super::experiment::{Experiment, FittedForecaster, ModelFolder};
use super::file_name::{file_stem, folder_name};
use super::options::{Finished, Options, go_on};
use super::output::inputs;
use super::{findings, forecast, tables, untrained};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::Report;
use crate::spec::{DataSource, Plan};
use crate::store::{EXPERIMENT, RunFolder};

/// The seconds of a whole run.
const TOTAL: &str = "total";

/// Runs whatever the experiment has.
///
/// # Errors
/// When the run folder exists, a stage fails, or the user stops; what is finished by then is kept for `--resume`.
pub fn run(plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let begun = Instant::now();
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(folder_name(&plan.name)));
    let mut folder = RunFolder::create(&out, options.force, options.resume)?;
    folder.trained_on(options.processor.name());
    let kept = folder.resumed().then(|| folder.path().join(EXPERIMENT));
    let measured = measured(plan, kept.as_deref(), None, options, progress)?;
    let plan = measured.as_ref().unwrap_or(plan);
    folder.write_experiment(&plan.resolved, inputs(plan, None, true, options)?)?;
    let mut timings: Vec<(String, f64)> = Vec::new();
    // those of processes that were stopped count too
    let before = folder.seconds(TOTAL);
    let mut lap = |folder: &mut RunFolder, what: &str| {
        let seconds = before + begun.elapsed().as_secs_f64();
        timings.push((what.to_owned(), seconds));
        folder.note_seconds(TOTAL, seconds)?;
        go_on(progress, "comparing")
    };

    let rest;
    let mut experiment = Experiment::load(plan, None, options, progress)?;
    if !plan.forecasters.is_empty() && !folder.has("data.nc") {
        write_trajectories(&folder.file("data.nc")?, experiment.trajectories()?, plan)?;
    }
    lap(&mut folder, "data")?;
    let models = ModelFolder { models: folder.path().join("models"), checkpoints: folder.path().join("checkpoints") };
    let untrained = experiment.fit_surviving(Some(&models), folder.resumed(), progress)?;
    let all = plan;
    rest = untrained::plan_without(all, &untrained);
    let plan = &rest;
    experiment.plan = plan;
    lap(&mut folder, "train")?;
    let forecasts = forecast::score(&experiment, progress)?;
    lap(&mut folder, "forecast")?;
    let assimilation = Assimilation::new(plan, &experiment, progress)?;
    let analyses = assimilation.score(Extras::Diagnoses, progress)?;
    lap(&mut folder, "assimilate")?;
    for network in assimilation.networks.iter().filter(|network: &&ObservingNetwork| !network.replicates.is_empty()) {
        let name = format!("analysis_{}.nc", file_stem(&network.plan.name));
        write_analyses(&folder.file(&name)?, network, &analyses.first_runs(network), plan)?;
    }

    let mut report = report(&experiment, forecasts, analyses.report, analyses.diagnoses, progress)?;
    untrained::add(&mut report, all, &untrained);
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
    timings.push((TOTAL.into(), before + begun.elapsed().as_secs_f64()));
    models.finish();
    let path = folder.finish(&timings)?;
    let text =
        format!("{}\nreport: {}\n", crate::report::headline(&report).trim_end(), path.join("report.html").display());
    let result = json!({
        "forecast": report.forecast,
        "leads": report.leads,
        "assimilation": with_seconds(&report),
        "paired": report.paired,
        "against": report.against,
        "training": report.training,
        "cost": report.cost,
        "findings": report.findings,
        "warnings": report.warnings,
        "run": path.display().to_string(),
    });
    let finished = Finished { result, text };
    Ok(if measured.is_some() { finished.noting(&plan.notes) } else { finished })
}

/// The report of a whole experiment: its training, then what the scores of forecasts and of analyses hold, in this order.
fn report(
    experiment: &Experiment,
    forecasts: Report,
    analyses: Report,
    diagnoses: Vec<String>,
    progress: &dyn Progress,
) -> Result<Report> {
    let (plan, made) = (experiment.plan, &experiment.forecasters);
    let mut report = Report {
        title: plan.name.clone(),
        setting: tables::setting(plan, experiment.data.as_ref().and_then(|data| data.unit.stated())),
        dt: plan.data.stepping.dt,
        training: forecast::training_rows(experiment, progress)?,
        curves: made.iter().flat_map(FittedForecaster::curves).collect(),
        cost: made.iter().filter_map(FittedForecaster::cost_row).collect(),
        experiment: plan.resolved.clone(),
        ..Report::default()
    };
    report.add(forecasts);
    report.add(analyses);
    report.findings = findings::findings(&report);
    report.warnings = experiment.notes();
    report.warnings.extend(findings::warnings(plan, &report));
    if let (DataSource::File(_), Some(data)) = (&plan.data.source, &experiment.data) {
        report.warnings.extend(leaks(data));
    }
    report.warnings.extend(diagnoses);
    Ok(report)
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
