//! Fitting forecasters to trajectories, and keeping them as models.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::advice::advice;
use super::budget;
use super::data::leaks;
use super::experiment::{Experiment, FittedForecaster, ModelFolder};
use super::options::{Finished, Options};
use super::output::{claim, make_folder};
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::FORECASTERS;
use crate::progress::Progress;
use crate::report::training_svg;
use crate::results::{Curve, TrainingRow};
use crate::spec::{DataSource, ForecasterPlan, Plan};
use crate::store::{self, Claim, EXPERIMENT};
use crate::systems::registry;

/// Fits the experiment's forecasters, or the one with `label`, and writes their models into the folder `--out`
/// (`models` unless said), with `training.json` and `training.svg`, the curves of all, and the log of each training below
/// `training`; with a budget of seconds also `experiment.toml`, with the steps that were found. A killed training goes on
/// with `--resume`.
///
/// # Errors
/// When a model exists already, nothing is to be fitted, or the training fails or is interrupted.
pub fn run(
    plan: &Plan,
    data: Option<&Path>,
    label: Option<&str>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished> {
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("models"));
    let chosen = chosen(plan, label);
    if chosen.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "the experiment has no forecaster to fit")
            .hint("add a [[forecaster]] that is learned from data; `scorecast list forecasters` shows them"));
    }
    let _claim = Claim::folder(&out)?;
    let folder = ModelFolder { models: out.clone(), checkpoints: out.clone() };
    if !options.resume {
        chosen.iter().try_for_each(|forecaster| claim(&folder.model(&forecaster.label), options))?;
    }
    let measured = measured(plan, &out, data, options, progress)?;
    let plan = measured.as_ref().unwrap_or(plan);
    let mut experiment = Experiment::load(plan, data, options, progress)?;
    experiment.fit(&self::chosen(plan, label), Some(&folder), options.resume, progress)?;
    let (mut rows, mut models, mut text) = (Vec::<TrainingRow>::new(), Vec::new(), String::new());
    for made in &experiment.forecasters {
        let file = folder.model(&made.label).display().to_string();
        let training = made.fitted.training();
        let seconds = made.seconds.map_or_else(|| "before".to_owned(), |seconds| format!("in {seconds:.1} s"));
        let (parameters, pairs) = (training.parameters, training.pairs);
        text.push_str(&format!("{}: {parameters} parameters from {pairs} pairs {seconds}, {file}\n", made.label));
        rows.extend(made.training_row());
        models.push(json!({ "forecaster": made.label, "file": file, "seconds": made.seconds }));
    }
    let curves: Vec<Curve> = experiment.forecasters.iter().flat_map(FittedForecaster::curves).collect();
    let advised: Vec<String> = curves.iter().filter_map(advice).collect();
    advised.iter().for_each(|advice| text.push_str(&format!("advice: {advice}\n")));
    if !curves.is_empty() {
        let told = json!({ "training": rows, "curves": curves, "advice": advised });
        store::write_atomic(&out.join("training.json"), told.to_string().as_bytes())?;
        store::write_atomic(&out.join("training.svg"), training_svg(&rows, &curves).as_bytes())?;
    }
    folder.finish();
    let from_file = data.is_some() || matches!(plan.data.source, DataSource::File(_));
    let warnings = experiment.data.as_ref().filter(|_| from_file).map(leaks).unwrap_or_default();
    warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    let result = json!({ "training": rows, "models": models, "advice": advised, "warnings": warnings });
    let finished = Finished { result, text };
    Ok(if measured.is_some() { finished.noting(&plan.notes) } else { finished })
}

/// The forecasters that are to be fitted.
fn chosen<'p>(plan: &'p Plan, label: Option<&str>) -> Vec<&'p ForecasterPlan> {
    let stored =
        |kind: &str| registry::find(FORECASTERS, "forecaster", kind).is_ok_and(|entry| entry.build.load.is_some());
    let named = |one: &ForecasterPlan| label.is_none_or(|label| label == one.label || label == one.reported());
    let wanted = |one: &&ForecasterPlan| named(one) && one.model.is_none() && !one.pool;
    plan.forecasters.iter().filter(wanted).filter(|one| stored(&one.kind)).collect()
}

/// The plan with measured steps, where it has a budget of seconds. Beside the models stands the experiment that has them.
fn measured(
    plan: &Plan,
    out: &Path,
    data: Option<&Path>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Option<Plan>> {
    let kept = out.join(EXPERIMENT);
    let measured =
        budget::measured(plan, Some(&kept).filter(|_| options.resume).map(|kept| &**kept), data, options, progress)?;
    if let Some(plan) = &measured {
        make_folder(out)?;
        store::write_atomic(&kept, plan.resolved.as_bytes())?;
    }
    Ok(measured)
}
