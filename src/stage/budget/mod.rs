//! `[budget] by = "seconds"`: the steps of each training, from what a step of it was measured to take.
//!
//! With r_i the seconds of a step of training i of a fit, v_i those of a validation, and a validation each V steps, n steps in
//! all take sum_i n_i (r_i + v_i / V), n_i the steps that training i has of them. n is what makes that the budget. It stands
//! in the resolved experiment, so that nothing is measured a second time: not by a run of that experiment, and not by one that
//! goes on with it.

mod rate;

use std::collections::BTreeMap;
use std::path::Path;

use rate::{Rate, Stopwatch, measure};

use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::{FORECASTERS, trainings};
use crate::progress::Progress;
use crate::spec::{self, ForecasterPlan, Plan, SecondsBudget};
use crate::stage::options::Options;
use crate::systems::{Value, registry};

/// The largest share by which the seconds of a training may miss their budget: a measurement is no better.
const MISSED: f64 = 0.1;

/// Measures what trainings take, of which the rates are given in their order.
type Rates<'a> = &'a dyn Fn(&ForecasterPlan) -> Result<Vec<Rate>>;

/// The plan with steps in the place of seconds, where it has a budget of seconds: those of the resolved experiment that an
/// unfinished run has kept, or measured ones. The trajectories are those of `data`, if that is given.
///
/// # Errors
/// When a training cannot be run, the user stops it, or no number of steps takes the time.
pub fn measured(
    plan: &Plan,
    kept: Option<&Path>,
    data: Option<&Path>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Option<Plan>> {
    let Some(seconds) = &plan.seconds else { return Ok(None) };
    if let Some(before) = kept.and_then(|kept| as_before(plan, kept)) {
        return Ok(Some(before));
    }
    let stopwatch = Stopwatch::default();
    let measuring = rate::Measuring::new(plan, data, options, progress)?;
    resolve(plan, seconds, &|forecaster| measure(forecaster, &measuring, &|| stopwatch.seconds())).map(Some)
}

/// The plan with the steps that stand in the experiment of an unfinished run; none where it has not all of them.
fn as_before(plan: &Plan, kept: &Path) -> Option<Plan> {
    let kept: serde_json::Value = toml::from_str(&std::fs::read_to_string(kept).ok()?).ok()?;
    let sections = kept["forecaster"].as_array()?;
    let steps = |label: &str| sections.iter().find(|one| one["name"] == label)?["steps"].as_i64();
    with_steps(plan, |forecaster| Ok(steps(forecaster.reported()).map(|steps| (steps, None)))).ok().flatten()
}

/// The plan with the steps that a function finds of each forecaster that its budget sets, and what it says of them; none
/// where it finds none of one.
fn with_steps(
    plan: &Plan,
    find: impl Fn(&ForecasterPlan) -> Result<Option<(i64, Option<String>)>>,
) -> Result<Option<Plan>> {
    let mut found = Plan { seconds: None, ..plan.clone() };
    // seeds of one forecaster are trained alike, though no two measurements are
    let mut known: BTreeMap<String, i64> = BTreeMap::new();
    for forecaster in &mut found.forecasters {
        if !plan.seconds.as_ref().is_some_and(|seconds| seconds.sets(forecaster)) {
            continue;
        }
        let (steps, note) = match known.get(forecaster.reported()) {
            Some(steps) => (*steps, None),
            None => match find(forecaster)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        known.insert(forecaster.reported().to_owned(), steps);
        forecaster.settings = forecaster.settings.clone().with("steps", Value::Int(steps));
        found.notes.extend(note);
    }
    found.resolved = spec::resolve(&found);
    Ok(Some(found))
}

/// The plan with the steps that take the seconds of its budget, by the measured rates.
fn resolve(plan: &Plan, seconds: &SecondsBudget, rates: Rates) -> Result<Plan> {
    let (wanted, like) = wanted(plan, seconds, rates)?;
    let found = with_steps(plan, |forecaster| {
        let rates = rates(forecaster)?;
        let steps = spec::nearest_steps(wanted, MISSED, |steps| taken(forecaster, Some(steps), &rates));
        let steps = steps.ok_or_else(|| none_takes(forecaster, wanted, &rates))?;
        let note = format!("`{}` gets steps = {steps} for {wanted:.4} s: {}", forecaster.reported(), described(&rates));
        Ok(Some((steps, Some(note))))
    })?;
    let found = found.ok_or_else(|| Failure::new(FailureKind::Bug, "steps were sought and none were found"))?;
    Ok(Plan { notes: like.into_iter().chain(found.notes).collect(), ..found })
}

/// The seconds that each training is to take; of those of a forecaster, what was measured of it.
fn wanted(plan: &Plan, seconds: &SecondsBudget, rates: Rates) -> Result<(f64, Option<String>)> {
    let label = match seconds {
        SecondsBudget::Value(value) => return Ok((*value, None)),
        SecondsBudget::Like(label) => label,
    };
    let bug = || Failure::new(FailureKind::Bug, format!("the budget is like `{label}`, which is not trained"));
    let forecaster = plan.forecasters.iter().find(|forecaster| forecaster.reported() == label).ok_or_else(bug)?;
    let rates = rates(forecaster)?;
    let seconds = taken(forecaster, None, &rates).ok_or_else(bug)?;
    let steps = forecaster.settings.count("steps");
    Ok((seconds, Some(format!("`{label}` takes {seconds:.4} s for its {steps} steps: {}", described(&rates)))))
}

/// The seconds of a fit with so many steps, or with its own; none where they are too few for it.
fn taken(forecaster: &ForecasterPlan, steps: Option<i64>, rates: &[Rate]) -> Option<f64> {
    let entry = registry::find(FORECASTERS, "forecaster", &forecaster.kind).ok()?;
    let own = forecaster.settings.clone();
    let settings = steps.map_or(own.clone(), |steps| own.with("steps", Value::Int(steps)));
    let every = settings.count("validate_every").max(1) as f64;
    let steps = trainings(entry, &settings).ok().filter(|steps| steps.len() == rates.len())?;
    Some(steps.iter().zip(rates).map(|(steps, rate)| *steps as f64 * (rate.step + rate.validation / every)).sum())
}

/// What was measured, in words.
fn described(rates: &[Rate]) -> String {
    let one = |rate: &Rate| format!("{:.3} ms", 1e3 * rate.step);
    let steps: Vec<String> = rates.iter().map(one).collect();
    format!("a step takes {} as measured on this machine", steps.join(" and, of the second training, "))
}

fn none_takes(forecaster: &ForecasterPlan, wanted: f64, rates: &[Rate]) -> Failure {
    let message = format!(
        "[budget]: no number of `steps` makes the training of `{}` take {wanted:.4} s within 10 %: {}",
        forecaster.label,
        described(rates)
    );
    Failure::new(FailureKind::Usage, message).hint("give another `value`, or other settings to the forecaster")
}

/// Refuses to fit a forecaster whose steps are yet to be found.
///
/// # Errors
/// As it says.
pub fn require_steps(plan: &Plan, forecaster: &ForecasterPlan) -> Result<()> {
    if !plan.seconds.as_ref().is_some_and(|seconds| seconds.sets(forecaster)) {
        return Ok(());
    }
    let message = format!(
        "the steps of `{}` are not known: `[budget] by = \"seconds\"` is measured by `scorecast compare` and `scorecast train`",
        forecaster.label
    );
    Err(Failure::new(FailureKind::Usage, message)
        .hint("take the experiment.toml that one of them wrote, or give the model that it trained"))
}

/// What a dry run says of a budget that is yet to be measured.
pub fn would_measure(plan: &Plan) -> Option<String> {
    let seconds = plan.seconds.as_ref()?;
    let of = plan.forecasters.iter().filter(|forecaster| seconds.sets(forecaster));
    let of: Vec<String> = of.map(|forecaster| format!("`{}`", forecaster.label)).collect();
    let wanted = match seconds {
        SecondsBudget::Value(value) => format!("{value} s"),
        SecondsBudget::Like(label) => format!("what that of `{label}` takes"),
    };
    Some(format!("measure a training step of {} and give each training the steps of {wanted}", of.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const EXPERIMENT: &str = "[system]\nname = \"lorenz96\"\n\
         [[forecaster]]\nkind = \"linear\"\n\
         [[forecaster]]\nkind = \"gaussian\"\n\
         [[forecaster]]\nname = \"residual\"\nkind = \"diffusion\"\ntarget = \"residual\"\n\
         [[forecaster]]\nkind = \"consistency\"\nteacher_steps = 1000\nvalidate_every = 10\n";

    fn planned(budget: &str) -> Plan {
        spec::check(&format!("{EXPERIMENT}[budget]\nby = \"seconds\"\n{budget}\n"), "x.toml", &[]).unwrap()
    }

    /// 2 ms a step of a first training, 5 ms of a second, .01 s a validation.
    fn rates(forecaster: &ForecasterPlan) -> Vec<Rate> {
        let rate = |step| Rate { step, validation: 0.01 };
        if forecaster.kind == "gaussian" { vec![rate(0.002)] } else { vec![rate(0.002), rate(0.005)] }
    }

    fn resolved(plan: &Plan) -> Plan {
        resolve(plan, plan.seconds.as_ref().unwrap(), &|forecaster| Ok(rates(forecaster))).unwrap()
    }

    fn steps(plan: &Plan, label: &str) -> usize {
        plan.forecasters.iter().find(|forecaster| forecaster.label == label).unwrap().settings.count("steps")
    }

    #[test]
    fn steps_are_those_that_take_the_seconds_in_all_trainings_of_a_fit() {
        let found = resolved(&planned("value = 30"));
        // with a validation each 100 steps: 2.1 ms; half of 2.1 and half of 5.1; 1000 of 3 and the rest of 6
        assert_eq!(steps(&found, "gaussian"), 14_286);
        assert_eq!(steps(&found, "residual"), 8333);
        assert_eq!(steps(&found, "consistency"), 1000 + 27_000 / 6);
        assert_eq!(found.notes.len(), 3);
        let said = &found.notes[1];
        assert!(
            said.starts_with("`residual` gets steps = 8333 for 30.0000 s: a step takes 2.000 ms and, of the second"),
            "{said}"
        );
        assert!(said.contains("5.000 ms as measured on this machine"), "{said}");
    }

    #[test]
    fn a_forecaster_that_the_others_are_like_keeps_its_steps() {
        let found = resolved(&planned("like = \"consistency\""));
        // its own 10,000: 1000 of 3 ms and 9000 of 6
        assert_eq!(
            (steps(&found, "consistency"), steps(&found, "gaussian")),
            (10_000, (57.0f64 / 0.0021).round() as usize)
        );
        assert!(found.notes[0].starts_with("`consistency` takes 57.0000 s for its 10000 steps"), "{:?}", found.notes);
    }

    #[test]
    fn the_resolved_experiment_has_the_steps_and_no_budget() {
        let found = resolved(&planned("value = 30"));
        assert!(found.seconds.is_none() && !found.resolved.contains("budget") && !found.resolved.contains("seconds"));
        assert!(found.resolved.contains("\nsteps = 14286\n"));
        let again = spec::check(&found.resolved, "experiment.toml", &[]).unwrap();
        assert!(again.seconds.is_none() && again.resolved == found.resolved);
        assert!(again.forecasters.iter().all(|forecaster| require_steps(&again, forecaster).is_ok()));
        let unmeasured = planned("value = 30");
        let refused = unmeasured.forecasters.iter().filter(|one| require_steps(&unmeasured, one).is_err()).count();
        assert_eq!(refused, 3, "not the closed form");
    }

    #[test]
    fn a_run_that_goes_on_has_the_steps_that_it_began_with() {
        let (folder, plan) = (tempfile::tempdir().unwrap(), planned("value = 30"));
        let kept = folder.path().join("experiment.toml");
        assert!(as_before(&plan, &kept).is_none());
        let found = resolved(&plan);
        std::fs::write(&kept, &found.resolved).unwrap();
        // where nothing could be measured: the steps are there
        let before = as_before(&plan, &kept).unwrap();
        assert_eq!(before.resolved, found.resolved);
        // an experiment that has another forecaster is not that one
        let text = format!("{EXPERIMENT}[[forecaster]]\nkind = \"mse\"\n[budget]\nby = \"seconds\"\nvalue = 30\n");
        assert!(as_before(&spec::check(&text, "x.toml", &[]).unwrap(), &kept).is_none());
    }

    #[test]
    fn seconds_that_no_steps_take_are_refused_and_each_forecaster_is_measured_once() {
        let plan = planned("value = 0.0031");
        let said = resolve(&plan, plan.seconds.as_ref().unwrap(), &|one| Ok(rates(one))).err().unwrap();
        assert!(
            said.message.contains("no number of `steps` makes the training of `gaussian` take 0.0031 s"),
            "{}",
            said.message
        );
        let (asked, plan) = (RefCell::new(Vec::new()), planned("like = \"gaussian\""));
        let counted = |one: &ForecasterPlan| {
            asked.borrow_mut().push(one.label.clone());
            Ok(rates(one))
        };
        resolve(&plan, plan.seconds.as_ref().unwrap(), &counted).unwrap();
        assert_eq!(*asked.borrow(), ["gaussian", "residual", "consistency"]);
    }

    #[test]
    fn a_dry_run_says_that_steps_will_be_measured() {
        let said = would_measure(&planned("value = 30")).unwrap();
        assert_eq!(
            said,
            "measure a training step of `gaussian`, `residual`, `consistency` and give each training the steps of 30 s"
        );
        assert_eq!(would_measure(&resolved(&planned("value = 30"))), None);
    }
}
