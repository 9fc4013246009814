//! The files of a run that hold its tables: metrics.json, metrics.csv, report.json and report.html.

use serde_json::json;

use crate::failure::{Failure, FailureKind, Result};
use crate::report::csv_line;
use crate::results::Report;
use crate::spec::{DataSource, Plan};
use crate::store::RunFolder;
use crate::systems::Value;

/// Writes them all.
///
/// # Errors
/// When the system refuses.
pub fn write(folder: &RunFolder, report: &Report) -> Result<()> {
    folder.write("metrics.json", metrics_json(report)?.as_bytes())?;
    folder.write("metrics.csv", metrics_csv(report).as_bytes())?;
    let whole = serde_json::to_string(report).map_err(unwritable)?;
    folder.write("report.json", whole.as_bytes())?;
    folder.write("report.html", crate::report::html(report).as_bytes())?;
    folder.write("figure.svg", crate::report::figure_svg(report).as_bytes())?;
    Ok(())
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::new(FailureKind::Bug, format!("the results cannot be written as JSON: {error}"))
}

/// The tables without times, durations and paths: the same bytes for the same experiment and build.
fn metrics_json(report: &Report) -> Result<String> {
    let value = json!({
        "schema": "scorecast/metrics/v1",
        "experiment": report.title,
        "forecast": report.forecast,
        "leads": report.leads,
        "assimilation": report.assimilation,
        "paired": report.paired,
        "training": report.training,
        "warnings": report.warnings,
    });
    Ok(serde_json::to_string_pretty(&value).map_err(unwritable)? + "\n")
}

fn metrics_csv(report: &Report) -> String {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let mut lines = vec![
        "table,observe,method,forecaster,label,metric,estimator,pool,lead_step,value,se,n,diverged,replicates,censored"
            .to_owned(),
    ];
    for row in &report.forecast {
        let lead = row.lead_step.map_or_else(String::new, |lead| lead.to_string());
        lines.push(csv_line(&[
            "forecast",
            "",
            "",
            &row.forecaster,
            &row.forecaster,
            &row.metric,
            &row.estimator,
            &row.pool,
            &lead,
            &number(row.value),
            &number(row.se),
            &row.n.to_string(),
            &row.n_diverged.to_string(),
            "",
            &row.censored.to_string(),
        ]));
    }
    for row in &report.assimilation {
        lines.push(csv_line(&[
            "assimilation",
            &row.observe,
            &row.method,
            &row.forecaster,
            &row.label,
            &row.metric,
            &row.estimator,
            &row.pool,
            "",
            &number(row.value),
            &number(row.se),
            &row.n.to_string(),
            &row.diverged.to_string(),
            &row.replicates.to_string(),
            "",
        ]));
    }
    lines.join("\n") + "\n"
}

/// What was run, as pairs for the report. `unit` is that of the lead step; none of model time.
pub fn setting(plan: &Plan, unit: Option<&str>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, value: String| out.push((what.to_owned(), value));
    if let Some(system) = &plan.system {
        let settings: Vec<String> =
            system.settings.iter().map(|(key, value)| format!("{key} {}", shown(value))).collect();
        add("system", format!("{} ({})", system.name, settings.join(", ")));
    }
    let stepping = &plan.data.stepping;
    add(
        "lead step",
        format!(
            "{} {}, {} integration step(s) of {}",
            stepping.dt,
            unit.unwrap_or("model time units"),
            stepping.substeps,
            stepping.integrator
        ),
    );
    match &plan.data.source {
        DataSource::Simulated { trajectories, steps, .. } => {
            let [train, valid, test] = plan.data.split_counts(*trajectories);
            add(
                "trajectories",
                format!("{train} to train, {valid} to validate, {test} to test, {steps} lead steps each"),
            );
        }
        DataSource::File(path) => {
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            add("trajectories", format!("from {name}"));
        }
    }
    for network in &plan.observe {
        let settings: Vec<String> =
            network.noise_settings.iter().map(|(key, value)| format!("{key} {}", shown(value))).collect();
        add(
            &format!("network {}", network.name),
            format!(
                "{} each {} lead step(s), {} errors of {}, {} lead steps of which {} are burn-in, {} replicate(s)",
                network.operator,
                network.every,
                network.noise,
                settings.join(", "),
                network.steps,
                network.burn_in,
                network.replicates
            ),
        );
    }
    if !plan.forecast.is_empty() {
        add(
            "forecasts",
            format!("{} members from {} starts in each test trajectory", plan.score.members, plan.score.starts),
        );
    }
    add("seed", plan.seed.to_string());
    out
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Floats(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Value::Rows(rows) => format!("{} x {}", rows.len(), rows.first().map_or(0, Vec::len)),
        Value::Words(words) => words.join(" "),
        Value::Indices(indices) => indices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Value::System { name, settings } => {
            let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key} {}", shown(value))).collect();
            format!("{name} ({})", settings.join(", "))
        }
    }
}
