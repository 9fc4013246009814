//! Forecasts from the test trajectories, as files.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array4, Array5, Axis, s};
use serde_json::json;

use super::{Finished, Options, data, files, fit, forecast_scores};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::Plan;
use crate::systems::{Domain, Key, Purpose};

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
    let plan = &files::with_models(plan, models);
    if plan.forecast.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "the experiment has no forecaster whose forecasts are scored")
            .hint("add a [[forecaster]], or name some, `perfect` among them, in score.forecasters"));
    }
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("forecasts"));
    let path = |label: &str| out.join(format!("{}.nc", fit::file_stem(label)));
    plan.forecast.iter().try_for_each(|label| files::claim(&path(label), options))?;
    let data = data::trajectories(plan, data, options, progress)?;
    let (cases, times, dim) = data.test.dim();
    let (members, leads) = (plan.score.members, plan.score.lead_steps);
    if times <= leads {
        return Err(Failure::new(
            FailureKind::Usage,
            format!(
                "forecasts of {leads} lead steps do not fit in trajectories of {} lead steps",
                times.saturating_sub(1)
            ),
        )
        .hint("set a smaller score.lead_steps, or longer trajectories"));
    }
    let starts = forecast_scores::starts(times - 1 - leads, plan.score.starts);
    data::check_memory("a forecaster's forecasts", cases * starts.len() * (members + 1) * leads * dim, options)?;
    let mut truth = Array4::zeros((cases, starts.len(), leads, dim));
    for (case, trajectory) in data.test.outer_iter().enumerate() {
        for (index, &start) in starts.iter().enumerate() {
            truth.slice_mut(s![case, index, .., ..]).assign(&trajectory.slice(s![start + 1..=start + leads, ..]));
        }
    }
    let wanted = plan.forecasters.iter().filter(|forecaster| plan.forecast.contains(&forecaster.label));
    // all of them first: a model that does not fit must not leave half of the files behind
    let fitted: Vec<fit::Ready> = wanted
        .map(|forecaster| fit::one(plan, forecaster, Some(&data), None, false, progress))
        .collect::<Result<_>>()?;
    let mut written = Vec::new();
    let mut text = String::new();
    for ready in &fitted {
        let model = ready.fitted.as_forecaster();
        let mut values = Array5::zeros((cases, starts.len(), members, leads, dim));
        progress.start(&format!("forecasting {}", ready.label), (cases * leads) as u64);
        for case in 0..cases {
            let key = Key::new(plan.seed, Domain::Method).purpose(Purpose::ProcessNoise).case(case as u64);
            let mut x = Array2::zeros((starts.len() * members, dim));
            for (row, mut state) in x.outer_iter_mut().enumerate() {
                state.assign(&data.test.slice(s![case, starts[row / members], ..]));
            }
            for lead in 0..leads {
                model.advance(lead, 1, &mut x, key)?;
                for (row, state) in x.axis_iter(Axis(0)).enumerate() {
                    values.slice_mut(s![case, row / members, row % members, lead, ..]).assign(&state);
                }
                progress.at((case * leads + lead + 1) as u64, "");
                if progress.interrupted() {
                    return Err(Failure::new(FailureKind::Interrupted, "interrupted while forecasting"));
                }
            }
        }
        progress.finish();
        let file = path(&ready.label);
        let dt = plan.data.stepping.dt;
        let content = files::Forecasts { label: &ready.label, values: &values, truth: &truth, starts: &starts, dt };
        files::make_folder(&out)?;
        files::write_forecasts(&file, &content, plan)?;
        text.push_str(&format!("{}: {}\n", ready.label, file.display()));
        written.push(json!({ "forecaster": ready.label, "file": file.display().to_string() }));
    }
    Ok(Finished { result: json!({ "forecasts": written, "members": members, "lead_steps": leads }), text })
}
