//! Forecasts from the test trajectories, as files.

use std::path::{Path, PathBuf};

use ndarray::{Array4, Array5, s};
use serde_json::json;

use super::file::{Forecasts, write_forecasts};
use super::start_blocks::{StartBlocks, starts};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::Plan;
use crate::stage::data::SplitTrajectories;
use crate::stage::experiment::{Experiment, FittedForecaster, with_models};
use crate::stage::file_name::file_stem;
use crate::stage::options::{Finished, Options, go_on};
use crate::stage::output::{begin, inputs};
use crate::store::{Claim, Record};

/// Forecasts with every forecaster that the plan scores, into `<out>/<label>.nc` (`forecasts` unless said). `models`
/// replaces the fitting of the labels that it names.
///
/// # Errors
/// When an output exists, a model does not fit, or the arrays are larger than the limit.
pub fn run(
    plan: &Plan,
    models: &[(String, PathBuf)],
    data: Option<&Path>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished> {
    let plan = &with_models(plan, models);
    if plan.forecast.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "the experiment has no forecaster whose forecasts are scored")
            .hint("add a [[forecaster]], or name some, `perfect` among them, in score.forecasters"));
    }
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("forecasts"));
    let path = |label: &str| out.join(format!("{}.nc", file_stem(label)));
    let files: Vec<PathBuf> = plan.forecast.iter().map(|label| path(label)).collect();
    let record = Record::new(&plan.resolved, inputs(plan, data, false, options)?);
    let mut claim = begin(Claim::folder(&out)?, &files, record, options)?;
    let mut experiment = Experiment::load(plan, data, options, progress)?;
    // before anything is trained; how many states a model takes is known only then
    checked_starts(&experiment)?;
    // all of them first: a model that does not fit must not leave half of the files behind
    experiment.fit_named(|label| plan.forecast.iter().any(|named| named == label), progress)?;
    let starts = checked_starts(&experiment)?;
    let truth = truth(experiment.trajectories()?, &starts, plan.score.lead_steps);
    let mut written = Vec::new();
    let mut text = String::new();
    for made in experiment.forecasters.iter().filter(|made| plan.forecast.contains(&made.label)) {
        let file = path(&made.label);
        if !claim.has(&file) {
            let values = forecasts(&experiment, made, &starts, progress)?;
            let data = experiment.trajectories()?;
            let content = Forecasts { label: &made.label, values: &values, truth: &truth, starts: &starts, data };
            write_forecasts(&file, &content, plan)?;
            claim.wrote(&file)?;
        }
        text.push_str(&format!("{}: {}\n", made.label, file.display()));
        written.push(json!({ "forecaster": made.label, "file": file.display().to_string() }));
    }
    claim.finish();
    let (members, leads, warnings) = (plan.score.members, plan.score.lead_steps, experiment.notes());
    let noted: String = warnings.iter().map(|note| format!("warning: {note}\n")).collect();
    let result = json!({ "forecasts": written, "members": members, "lead_steps": leads, "warnings": warnings });
    Ok(Finished { result, text: noted + &text })
}

/// The starts in each test trajectory, where forecasts fit in trajectories and in memory.
fn checked_starts(experiment: &Experiment) -> Result<Vec<usize>> {
    let data = experiment.trajectories()?;
    let (cases, _, dim) = data.test.dim();
    let score = &experiment.plan.score;
    let leads = score.lead_steps;
    let all: Vec<&FittedForecaster> = experiment.forecasters.iter().collect();
    let starts = starts(data, leads, score.starts, &all)?;
    let sizes = [2, cases, starts.len(), score.members.saturating_add(1), leads, dim];
    experiment.options.check_memory("a forecaster's forecasts", &sizes)?;
    Ok(starts)
}

/// What followed each start, `[case, start, lead, component]`.
fn truth(data: &SplitTrajectories, starts: &[usize], leads: usize) -> Array4<f64> {
    let (cases, _, dim) = data.test.dim();
    let mut truth = Array4::zeros((cases, starts.len(), leads, dim));
    for (case, trajectory) in data.test.view().into_outer_iter().enumerate() {
        for (index, &start) in starts.iter().enumerate() {
            truth.slice_mut(s![case, index, .., ..]).assign(&trajectory.slice(s![start + 1..=start + leads, ..]));
        }
    }
    truth
}

/// All forecasts of one forecaster, `[case, start, member, lead, component]`.
fn forecasts(
    experiment: &Experiment,
    made: &FittedForecaster,
    starts: &[usize],
    progress: &dyn Progress,
) -> Result<Array5<f64>> {
    let (data, plan) = (experiment.trajectories()?, experiment.plan);
    let (cases, _, dim) = data.test.dim();
    let (members, leads) = (plan.score.members, plan.score.lead_steps);
    let mut values = Array5::zeros((cases, starts.len(), members, leads, dim));
    progress.start(&format!("forecasting {}", made.label), (cases * leads) as u64);
    for case in 0..cases {
        let mut blocks = StartBlocks::new(made.fitted.as_forecaster(), data, case, starts, members, plan.seed);
        for lead in 0..leads {
            blocks.advance()?;
            for index in 0..starts.len() {
                values.slice_mut(s![case, index, .., lead, ..]).assign(&blocks.ensemble(index));
            }
            progress.at((case * leads + lead + 1) as u64, "");
            go_on(progress, "forecasting")?;
        }
    }
    progress.finish();
    Ok(values)
}
