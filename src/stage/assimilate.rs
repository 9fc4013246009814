//! Analyses of the observations, as files: of a twin experiment, or of the user's own observations.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis, stack};
use serde_json::json;

use super::assimilation::file::{Ensembles, write_ensembles};
use super::assimilation::{Assimilation, Extras, ObservingNetwork, RowRun, parameters};
use super::experiment::{Experiment, with_models};
use super::file_name::file_stem;
use super::options::{Finished, Options};
use super::output::{begin, inputs};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::Report;
use crate::spec::{AssimilatePlan, DataSource, Initial, Plan};
use crate::store::{Claim, Record};

/// Runs every row of the plan and writes its ensembles to `<out>/<label>.nc` (`analyses` unless said). `models` replaces
/// the fitting of the labels that it names.
///
/// # Errors
/// When an output exists, a model or an observation file does not fit, or the arrays are larger than the limit.
pub fn run(
    plan: &Plan,
    models: &[(String, PathBuf)],
    data: Option<&Path>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished> {
    let plan = &with_models(plan, models);
    if plan.assimilate.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "the experiment has no [[assimilate]] row").hint("add one"));
    }
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("analyses"));
    let path = |row: &AssimilatePlan| {
        let label = file_stem(&row.label);
        // `+` is in no stem
        let name = if plan.observe.len() > 1 { format!("{}+{label}", file_stem(&row.observe)) } else { label };
        out.join(format!("{name}.nc"))
    };
    let files: Vec<PathBuf> = plan.assimilate.iter().map(path).collect();
    let record = Record::new(&plan.resolved, inputs(plan, data, true, options)?);
    let mut claim = begin(Claim::folder(&out)?, &files, record, options)?;
    let mut experiment = match needs_data(plan, data) {
        true => Experiment::load(plan, data, options, progress)?,
        false => Experiment::without_data(plan, options),
    };
    experiment.fit_named(|label| plan.assimilate.iter().any(|row| row.forecaster == label), progress)?;
    let assimilation = Assimilation::new(plan, &experiment, progress)?;
    check_memory(plan, &assimilation, options)?;
    let scored = assimilation.score(Extras::Ensembles, progress)?;
    let (mut text, mut written) = (String::new(), Vec::new());
    for (index, row) in plan.assimilate.iter().enumerate() {
        let runs: Vec<&RowRun> = scored.runs_of(index).collect();
        let file = path(row);
        let diverged = runs.iter().filter(|run| run.ended.diverged.is_some()).count();
        write_ensembles(&file, &ensembles(plan, row, assimilation.network(&row.observe)?, &runs)?, plan)?;
        claim.wrote(&file)?;
        text.push_str(&format!("{}: {}\n", row.label, file.display()));
        written.push(json!({
            "label": row.label, "method": row.method, "forecaster": row.forecaster, "observe": row.observe,
            "file": file.display().to_string(), "diverged": diverged,
        }));
    }
    let Report { assimilation, parameters, paired, against, .. } = scored.report;
    let dt = plan.data.stepping.dt;
    let warnings = experiment.notes();
    let report = Report {
        title: plan.name.clone(),
        warnings,
        assimilation,
        parameters,
        paired,
        against,
        dt,
        ..Report::default()
    };
    text = format!("{}\n{text}", crate::report::text(&report).trim_end());
    claim.finish();
    let result = json!({ "analyses": written, "assimilation": report.assimilation, "warnings": report.warnings });
    Ok(Finished { result, text })
}

/// Refuses ensembles that would not fit under the limit.
fn check_memory(plan: &Plan, assimilation: &Assimilation, options: &Options) -> Result<()> {
    for row in &plan.assimilate {
        let network = assimilation.network(&row.observe)?;
        let analyses = network.replicates_of(row).len() * network.sets_of(row).len();
        let sizes = [analyses, row.settings.count("members").saturating_add(1), network.operator.state_dim()];
        options.check_memory(&format!("the analyses of `{}`", row.label), &sizes)?;
    }
    Ok(())
}

/// Whether trajectories are needed: for fitting a forecaster, for truths, or for the climate.
fn needs_data(plan: &Plan, data: Option<&Path>) -> bool {
    let from_file = matches!(plan.data.source, DataSource::File(_));
    let own = plan.observe.iter().all(|network| network.file.is_some());
    let fixed = plan.observe.iter().all(|network| matches!(network.initial, Initial::Gaussian { .. }));
    let loaded = plan.forecasters.iter().all(|forecaster| forecaster.model.is_some());
    data.is_some() || from_file || plan.system.is_some() || !(own && fixed && loaded)
}

/// The value of a parameter in all truths; none where each has its own.
fn shared_truth(plan: &Plan, name: &str) -> Option<f64> {
    parameters::truth(plan, name, 0).filter(|_| !parameters::is_drawn(plan, name))
}

/// The ensembles of one row over all replicates, beside their truths.
fn ensembles<'a>(
    plan: &Plan,
    row: &AssimilatePlan,
    network: &'a ObservingNetwork,
    runs: &[&RowRun],
) -> Result<Ensembles<'a>> {
    let unequal = |error: ndarray::ShapeError| Failure::new(FailureKind::Bug, format!("row `{}`: {error}", row.label));
    let kept = || runs.iter().filter_map(|run| run.ensembles.as_ref());
    let values: Vec<_> = kept().map(|kept| kept.values.view()).collect();
    let weights: Vec<_> = kept().map(|kept| kept.weights.view()).collect();
    let estimates: Vec<_> = kept().map(|kept| kept.parameters.view()).collect();
    let steps = network.sets_of(row);
    let truths = network.replicates_of(row).iter().map(|one| Some(one.truth.as_ref()?.select(Axis(0), steps)));
    let truths: Option<Vec<Array2<f64>>> = truths.collect();
    let truth = truths.map(|truths| stack(Axis(0), &truths.iter().map(|truth| truth.view()).collect::<Vec<_>>()));
    Ok(Ensembles {
        network,
        label: row.label.clone(),
        times: network.times[..steps.len()].to_vec(),
        values: stack(Axis(0), &values).map_err(unequal)?,
        weights: stack(Axis(0), &weights).map_err(unequal)?,
        parameters: row.estimate.iter().map(|p| (p.name.clone(), shared_truth(plan, &p.name))).collect(),
        estimates: stack(Axis(0), &estimates).map_err(unequal)?,
        truth: truth.transpose().map_err(unequal)?,
    })
}
