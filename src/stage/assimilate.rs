//! Analyses of the observations, as files: of a twin experiment, or of the user's own observations.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis, stack};
use serde_json::json;

use super::assimilation_scores::Kept;
use super::{Finished, Options, assimilation_scores, data, files, fit, parameters, twin};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::{AssimilatePlan, DataSource, Initial, Plan};

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
    let plan = &files::with_models(plan, models);
    if plan.assimilate.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "the experiment has no [[assimilate]] row").hint("add one"));
    }
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("analyses"));
    let path = |row: &AssimilatePlan| {
        let name = if plan.observe.len() > 1 { format!("{}_{}", row.observe, row.label) } else { row.label.clone() };
        out.join(format!("{}.nc", fit::file_stem(&name)))
    };
    plan.assimilate.iter().try_for_each(|row| files::claim(&path(row), options))?;
    let data = needs_data(plan, data).then(|| data::trajectories(plan, data, options, progress)).transpose()?;
    let ready = fit::all(plan, data.as_ref(), None, false, progress)?;
    let climate = data.as_ref().map(|data| twin::Climate::new(&data.train));
    let test = data.as_ref().map(|data| &data.test);
    let networks = twin::networks(&twin::Source { plan, climate: climate.as_ref(), test, options })?;
    for row in &plan.assimilate {
        let network = assimilation_scores::find(&networks, &row.observe)?;
        let values = network.replicates(row).len() * network.sets(row).len();
        let values = values * (row.settings.count("members") + 1) * network.operator.state_dim();
        data::check_memory(&format!("the analyses of `{}`", row.label), values, options)?;
    }
    let scored = assimilation_scores::score(
        plan,
        &ready,
        &networks,
        climate.as_ref(),
        assimilation_scores::Asks::Ensembles,
        progress,
    )?;
    files::make_folder(&out)?;
    let (mut text, mut written) = (String::new(), Vec::new());
    for (row, kept) in plan.assimilate.iter().zip(scored.kept) {
        let network = assimilation_scores::find(&networks, &row.observe)?;
        let file = path(row);
        let diverged = kept.iter().filter(|kept| kept.diverged).count();
        files::write_ensembles(&file, &ensembles(plan, row, network, &kept)?, plan)?;
        text.push_str(&format!("{}: {}\n", row.label, file.display()));
        written.push(json!({
            "label": row.label, "method": row.method, "forecaster": row.forecaster, "observe": row.observe,
            "file": file.display().to_string(), "diverged": diverged,
        }));
    }
    let report = crate::results::Report {
        title: plan.name.clone(),
        assimilation: scored.rows,
        parameters: scored.parameters,
        paired: scored.paired,
        dt: plan.data.stepping.dt,
        ..Default::default()
    };
    text = format!("{}\n{text}", crate::report::text(&report).trim_end());
    Ok(Finished { result: json!({ "analyses": written, "assimilation": report.assimilation }), text })
}

/// Whether trajectories are needed: for fitting a forecaster, for truths, or for the climate.
fn needs_data(plan: &Plan, data: Option<&Path>) -> bool {
    let from_file = matches!(plan.data.source, DataSource::File(_));
    let own = plan.observe.iter().all(|network| network.file.is_some());
    let fixed = plan.observe.iter().all(|network| matches!(network.initial, Initial::Gaussian { .. }));
    let loaded = plan.forecasters.iter().all(|forecaster| forecaster.model.is_some());
    data.is_some() || from_file || plan.system.is_some() || !(own && fixed && loaded)
}

/// The ensembles of one row over all replicates, beside their truths.
fn ensembles(plan: &Plan, row: &AssimilatePlan, network: &twin::Network, kept: &[Kept]) -> Result<files::Ensembles> {
    let unequal = |error: ndarray::ShapeError| Failure::new(FailureKind::Bug, format!("row `{}`: {error}", row.label));
    let values: Vec<_> = kept.iter().map(|kept| kept.values.view()).collect();
    let weights: Vec<_> = kept.iter().map(|kept| kept.weights.view()).collect();
    let estimates: Vec<_> = kept.iter().map(|kept| kept.parameters.view()).collect();
    let steps = network.sets(row);
    let truths = network.replicates(row).iter().map(|twin| Some(twin.truth.as_ref()?.select(Axis(0), steps)));
    let truths: Option<Vec<Array2<f64>>> = truths.collect();
    let truth = truths.map(|truths| stack(Axis(0), &truths.iter().map(|truth| truth.view()).collect::<Vec<_>>()));
    Ok(files::Ensembles {
        label: row.label.clone(),
        times: steps.iter().map(|&step| step as f64 * plan.data.stepping.dt).collect(),
        values: stack(Axis(0), &values).map_err(unequal)?,
        weights: stack(Axis(0), &weights).map_err(unequal)?,
        parameters: row.estimate.iter().map(|p| (p.name.clone(), parameters::truth(plan, &p.name))).collect(),
        estimates: stack(Axis(0), &estimates).map_err(unequal)?,
        truth: truth.transpose().map_err(unequal)?,
    })
}
