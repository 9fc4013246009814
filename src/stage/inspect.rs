//! What a stage would read, opened and checked as the stage itself would, before anything is done.

use std::path::{Path, PathBuf};

use super::assimilation::{Recorded, recorded_sets};
use super::data::{self, SplitTrajectories};
use super::experiment::{Service, load, with_models};
use super::options::Options;
use crate::failure::Result;
use crate::progress::Quiet;
use crate::spec::{DataSource, Plan};
use crate::store;
use crate::store::netcdf::{Scored, read_scored};

/// What was opened: a sentence each, and sentences about what to know of it.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// The inputs.
    pub inputs: Vec<String>,
    /// What models were made from that the experiment is not.
    pub warnings: Vec<String>,
}

/// Opens the trajectories, the models and the observations that a stage reads; `models` and `data` are those that are given
/// beside the experiment.
///
/// # Errors
/// As the stage itself would fail.
pub fn inputs(
    plan: &Plan,
    stage: &str,
    models: &[(String, PathBuf)],
    data: Option<&Path>,
    options: &Options,
) -> Result<Inspected> {
    let plan = &with_models(plan, models);
    let mut found = Inspected::default();
    let file = match &plan.data.source {
        DataSource::File(own) => Some(data.unwrap_or(own)),
        DataSource::Simulated { .. } => data,
    };
    if let ("diagnose" | "dimension", Some(path)) = (stage, file) {
        let states = store::read_trajectories(path, plan.data.variable.as_deref(), &options.limits())?.values;
        let (cases, times, dim) = states.dim();
        found.inputs.push(format!("{}: {cases} trajectories of {times} times, {dim} components", path.display()));
        return Ok(found);
    }
    let (data, digest) = match file {
        Some(path) => {
            let (data, read) = data::look_through(path, plan, options, &Quiet)?;
            found.inputs.push(trajectories(path, &data, plan) + if read { "" } else { ", to be held on disk" });
            let digest = read.then(|| data.training_digest());
            (Some(data), digest)
        }
        None => (None, None),
    };
    if !["train", "simulate"].contains(&stage) {
        let service = Service { plan, data: data.as_ref(), digest: digest.as_deref() };
        stored(&service, stage, &mut found)?;
    }
    if !["train", "simulate", "forecast"].contains(&stage) {
        observations(plan, data.as_ref(), options, &mut found)?;
    }
    Ok(found)
}

fn trajectories(path: &Path, data: &SplitTrajectories, plan: &Plan) -> String {
    let [train, valid, test] = [&data.train, &data.valid, &data.test].map(|part| part.dim().0);
    format!(
        "{}: {train} + {valid} + {test} trajectories of {} lead steps of {} ({}), {} components",
        path.display(),
        data.train.dim().1.saturating_sub(1),
        plan.data.stepping.dt,
        data.unit.name(),
        data.dim()
    )
}

fn stored(service: &Service, stage: &str, found: &mut Inspected) -> Result<()> {
    let plan = service.plan;
    for forecaster in &plan.forecasters {
        let Some(path) = &forecaster.model else { continue };
        if stage == "forecast" && !plan.forecast.contains(&forecaster.label) {
            continue;
        }
        let (fitted, notes) = load(path, forecaster, service)?;
        found.inputs.push(format!(
            "{}: `{}`, a `{}` forecaster of {} components with {} parameters",
            path.display(),
            forecaster.label,
            fitted.kind(),
            fitted.components(),
            fitted.training().parameters
        ));
        found.warnings.extend(notes);
    }
    Ok(())
}

fn observations(plan: &Plan, data: Option<&SplitTrajectories>, options: &Options, found: &mut Inspected) -> Result<()> {
    let dim = data::state_dim(plan, data);
    let used = plan.observe.iter().filter(|network| plan.assimilate.iter().any(|row| row.observe == network.name));
    for network in used {
        let (Some(path), Some(dim)) = (&network.file, dim) else { continue };
        let operator = network.build(dim)?;
        let Recorded { values, steps, .. } = recorded_sets(plan, network, path, operator.as_ref(), data, options)?;
        let (replicates, sets, observed) = values.dim();
        found.inputs.push(format!(
            "{}: {replicates} x {sets} sets of {observed} observations, up to lead step {}",
            path.display(),
            steps.last().copied().unwrap_or(0)
        ));
    }
    Ok(())
}

/// Opens files that would be scored.
///
/// # Errors
/// When one is neither forecasts nor analyses with their truth.
pub fn scored(files: &[PathBuf], options: &Options) -> Result<Vec<String>> {
    let about = |file: &PathBuf| {
        let (what, shape) = match read_scored(file, &options.limits())? {
            Scored::Forecasts(found) => ("forecasts", found.values.shape().to_vec()),
            Scored::Analyses(found) => ("analyses", found.values.shape().to_vec()),
        };
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        Ok(format!("{}: {what}, {}", file.display(), shape.join(" x ")))
    };
    files.iter().map(about).collect()
}
