//! Analyses of the observations, as files: of a twin experiment, or of the user's own observations.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, s};
use serde_json::json;

use super::{Finished, Options, assimilation_scores, cycle, data, files, fit, twin};
use crate::failure::{Failure, Kind, Result};
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
        return Err(Failure::new(Kind::Usage, "the experiment has no [[assimilate]] row").hint("add one"));
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
    files::make_folder(&out)?;
    let mut text = String::new();
    let mut written = Vec::new();
    for row in &plan.assimilate {
        let network = assimilation_scores::find(&networks, &row.observe)?;
        let model = assimilation_scores::find_model(&ready, &row.forecaster)?;
        let analyses = analyses(plan, row, network, model, climate.as_ref(), options, progress)?;
        let file = path(row);
        files::write_ensembles(&file, &analyses, plan)?;
        text.push_str(&format!("{}: {}\n", row.label, file.display()));
        written.push(json!({
            "label": row.label, "method": row.method, "forecaster": row.forecaster, "observe": row.observe,
            "file": file.display().to_string(), "diverged": analyses.diverged,
        }));
    }
    let scored = assimilation_scores::score(plan, &ready, &networks, climate.as_ref(), progress)?;
    let report = crate::results::Report {
        title: plan.name.clone(),
        assimilation: scored.rows,
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

/// The ensembles of one row over all replicates.
fn analyses(
    plan: &Plan,
    row: &AssimilatePlan,
    network: &twin::Network,
    model: &fit::Ready,
    climate: Option<&twin::Climate>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<files::Ensembles> {
    let last = network.last_step(row);
    let times = network.twins.first().map_or(0, |twin| twin.steps.iter().filter(|&&step| step <= last).count());
    let (members, dim) = (row.settings.count("members"), network.operator.state_dim());
    let twins = network.replicates(row);
    let replicates = twins.len();
    data::check_memory("a row's analyses", replicates * times * (members + 1) * dim, options)?;
    let mut out = files::Ensembles {
        label: row.label.clone(),
        times: network.twins.first().map_or_else(Vec::new, |twin| {
            twin.steps.iter().take(times).map(|&step| step as f64 * plan.data.stepping.dt).collect()
        }),
        values: Array4::from_elem((replicates, times, members, dim), f64::NAN),
        weights: Array3::from_elem((replicates, times, members), 1.0 / members as f64),
        truth: None,
        diverged: 0,
    };
    let truths: Option<Vec<&Array2<f64>>> = twins.iter().map(|twin| twin.truth.as_ref()).collect();
    if let (Some(truths), Some(first)) = (truths, twins.first()) {
        let mut truth = Array3::zeros((replicates, times, dim));
        for (replicate, states) in truths.iter().enumerate() {
            for (index, &step) in first.steps.iter().take(times).enumerate() {
                truth.slice_mut(s![replicate, index, ..]).assign(&states.row(step));
            }
        }
        out.truth = Some(truth);
    }
    progress.start(&format!("assimilating {}", row.label), (replicates * times) as u64);
    for (replicate, twin) in twins.iter().enumerate() {
        let mut alarm = cycle::Alarm::new(climate.map_or(f64::INFINITY, twin::Climate::scale));
        let (values, weights) = (&mut out.values, &mut out.weights);
        let mut visit = |index: usize, outcome: &crate::assimilation::Outcome| {
            values.slice_mut(s![replicate, index, .., ..]).assign(&outcome.ensemble);
            if let Some(given) = &outcome.weights {
                weights.slice_mut(s![replicate, index, ..]).assign(given);
            }
            progress.at((replicate * times + index + 1) as u64, "");
            !progress.interrupted()
        };
        let forecaster = model.fitted.as_forecaster();
        let dt = plan.data.stepping.dt;
        let ended = cycle::run(row, forecaster, network, twin, dt, &mut alarm, &mut visit)?;
        if progress.interrupted() {
            return Err(Failure::new(Kind::Interrupted, "interrupted while assimilating"));
        }
        out.diverged += usize::from(ended.diverged.is_some());
    }
    progress.finish();
    Ok(out)
}
