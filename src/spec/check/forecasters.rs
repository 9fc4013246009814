//! `[[forecaster]]`, and the baselines that need no section.

use std::path::PathBuf;

use super::super::document::Place;
use super::super::keys::FORECASTER;
use super::super::plan::{ForecasterPlan, SecondsBudget, SystemPlan};
use super::super::read::{Reader, entry, key_of, settings};
use super::super::seeds::of_seed;
use super::assimilate::CheckedRow;
use super::context::{Checked, Context};
use super::system::no_perfect;
use crate::forecast::{FORECASTERS, ForecasterBuild, disagreements};
use crate::systems::registry::{DefaultValue, Settings, nearest};
use crate::systems::{Entry, Param, Value};

/// The forecasters that the file declares, and the section of each.
pub(super) fn check<'a>(cx: &Context<'a>, system: &Checked<SystemPlan>) -> (Vec<ForecasterPlan>, Vec<Reader<'a>>) {
    let (mut plans, mut readers) = (Vec::<ForecasterPlan>::new(), Vec::new());
    for reader in cx.many(&FORECASTER) {
        let Some(plan) = one(cx, &reader) else { continue };
        if let ("perfect", Some(why)) = (plan.kind.as_str(), no_perfect(system)) {
            reader.wrong("kind", format!("`perfect` is the true system, but {why}, or leave it out"));
        }
        if plans.iter().any(|known| known.label == plan.label) {
            let what = format!("two forecasters are labelled `{}`; give one another `name`", plan.label);
            reader.wrong("name", what);
        }
        plans.push(plan);
        readers.push(reader);
    }
    for (plan, reader) in plans.iter().zip(&readers) {
        let is_own = |one: &&ForecasterPlan| (0..one.seeds).any(|index| of_seed(&one.label, index) == plan.label);
        if let Some(one) = plans.iter().filter(|one| one.seeds > 1).find(is_own) {
            let (label, of) = (&plan.label, &one.label);
            let what = format!("`{label}` is the label of one of the seeds of `{of}`; choose another `name`");
            reader.wrong("name", what);
        }
    }
    (plans, readers)
}

/// Checks that the settings of each forecaster that is fitted here agree with each other and with the states of the system;
/// steps that are yet to be measured are enough.
pub(super) fn agree(
    system: &Checked<SystemPlan>,
    (declared, readers): (&[ForecasterPlan], &[Reader]),
    seconds: Option<&SecondsBudget>,
) {
    let size = system.good().map(SystemPlan::fit_size);
    for (plan, reader) in declared.iter().zip(readers).filter(|(plan, _)| plan.model.is_none()) {
        let Some(entry) = FORECASTERS.iter().find(|entry| entry.name == plan.kind) else { continue };
        let settings = match seconds.is_some_and(|seconds| seconds.sets(plan)) {
            true => plan.settings.clone().with("steps", Value::Int(i64::MAX)),
            false => plan.settings.clone(),
        };
        for error in disagreements(entry, &settings, size) {
            reader.wrong(&key_of(&error).unwrap_or_default(), error.to_string());
        }
    }
}

fn one(cx: &Context, reader: &Reader) -> Option<ForecasterPlan> {
    let own = reader.own()?;
    let (name, kind, model) = (own.text("name"), own.text("kind"), own.text("model"));
    if !model.is_empty() {
        for key in ["seeds", "pool"].into_iter().filter(|key| reader.table.get(key).is_some()) {
            reader.wrong(key, format!("a `model` that is loaded has the one seed of its training; leave `{key}` out"));
        }
        return stored(cx, reader, name, kind, PathBuf::from(model));
    }
    if name.is_empty() && kind.is_empty() {
        reader.wrong("name", "[[forecaster]] must set `kind` or `model`, and may set `name`, your label");
        return None;
    }
    let label = if name.is_empty() { kind } else { name }.to_owned();
    let kind = if kind.is_empty() { name } else { kind };
    let key = if own.has("kind") { "kind" } else { "name" };
    let known =
        entry(FORECASTERS, "kind of forecaster", kind, reader.place_of(key), &reader.key(key), reader.mistakes)?;
    if FORECASTERS.iter().any(|other| !other.build.is_learned() && other.name == label && other.name != kind) {
        let what =
            format!("the label `{label}` is the name of a baseline, but its kind is `{kind}`; choose another `name`");
        reader.wrong("name", what);
    }
    reader.refuse_unknown(known.params);
    let settings = reader.of_entry(&format!("forecaster `{label}` ({kind})"), known)?;
    let given = given(reader, known.params);
    let (seeds, pool) = (own.count("seeds"), own.flag("pool"));
    check_seeds(reader, known, (seeds, pool));
    Some(ForecasterPlan { seeds, pool, ..ForecasterPlan::new(label, kind.to_owned(), settings, given) })
}

/// What cannot be of several seeds.
fn check_seeds(reader: &Reader, known: &Entry<ForecasterBuild>, (seeds, pool): (usize, bool)) {
    if seeds > 1 && !known.build.is_learned() {
        let what = format!("a `{}` is not trained: all seeds would be the same; leave `seeds` out", known.name);
        reader.wrong("seeds", what);
    }
    if pool && seeds == 1 {
        reader.wrong("pool", "`pool` makes one forecaster of several seeds, but `seeds` is 1; set it to 2 or more");
    }
}

/// The keys among `params` that the user gives.
fn given(reader: &Reader, params: &[Param]) -> Vec<String> {
    params.iter().filter(|param| reader.table.get(param.key).is_some()).map(|param| param.key.to_owned()).collect()
}

/// A forecaster that is loaded. Kind and settings are those of the file; what the user gives of them is held against it.
fn stored(cx: &Context, reader: &Reader, name: &str, kind: &str, model: PathBuf) -> Option<ForecasterPlan> {
    let stem = model.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let label = [name, kind, &stem].into_iter().find(|word| !word.is_empty())?.to_owned();
    let kind = if kind.is_empty() { (cx.kind_of_model)(&model).unwrap_or_default() } else { kind.to_owned() };
    let params: Vec<Param> = if kind.is_empty() {
        FORECASTERS.iter().flat_map(|known| known.params).copied().collect()
    } else {
        let place = reader.place_of("kind");
        entry(FORECASTERS, "kind of forecaster", &kind, place, &reader.key("kind"), reader.mistakes)?.params.to_vec()
    };
    reader.refuse_unknown(&params);
    let given = given(reader, &params);
    let params: Vec<Param> = params.into_iter().filter(|param| given.iter().any(|key| key == param.key)).collect();
    let owner = format!("forecaster `{label}`");
    let settings = settings(reader.table, &owner, &params, reader.place, &reader.path, reader.mistakes)?;
    Some(ForecasterPlan { model: Some(model), ..ForecasterPlan::new(label, kind, settings, given) })
}

/// The baselines that may be named without a section.
pub(super) fn baselines() -> impl Iterator<Item = &'static Entry<ForecasterBuild>> {
    let free =
        |entry: &&Entry<ForecasterBuild>| entry.params.iter().all(|param| param.default != DefaultValue::Required);
    FORECASTERS.iter().filter(|entry| !entry.build.is_learned()).filter(free)
}

/// Checks that a label means a forecaster.
pub(super) fn check_label(
    cx: &Context,
    declared: &[ForecasterPlan],
    label: &str,
    place: &Place,
    key: &str,
    no_perfect: Option<&str>,
) -> bool {
    let is_declared = declared.iter().any(|plan| plan.label == label);
    if let (true, false, Some(why)) = (label == "perfect", is_declared, no_perfect) {
        cx.mistakes.add(place, key, format!("`perfect` is the true system, but {why}, or name another forecaster"));
        return false;
    }
    if is_declared || baselines().any(|entry| entry.name == label) {
        return true;
    }
    let known: Vec<&str> =
        declared.iter().map(|plan| plan.label.as_str()).chain(baselines().map(|entry| entry.name)).collect();
    let hint = match nearest(label, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("add a [[forecaster]] with that name, or take one of {}", known.join(", ")),
    };
    cx.mistakes.add(place, key, format!("no forecaster is labelled `{label}`; {hint}"));
    false
}

/// The declared forecasters, before them `perfect` (where there is a system) and the baselines that are used.
pub(super) fn with_baselines(
    cx: &Context,
    declared: Vec<ForecasterPlan>,
    rows: &[CheckedRow],
    forecast: &[String],
    no_perfect: Option<&str>,
) -> Vec<ForecasterPlan> {
    let used = |name: &str| {
        (name == "perfect" && no_perfect.is_none())
            || rows.iter().any(|row| row.plan.forecaster == name)
            || forecast.iter().any(|label| label == name)
    };
    let mut all = Vec::new();
    for entry in baselines().filter(|entry| used(entry.name)) {
        if declared.iter().any(|plan| plan.label == entry.name) {
            continue;
        }
        let owner = format!("forecaster `{}`", entry.name);
        match Settings::check(&owner, entry.params, &std::collections::BTreeMap::new()) {
            Ok(settings) => {
                let (label, kind) = (entry.name.to_owned(), entry.name.to_owned());
                all.push(ForecasterPlan::new(label, kind, settings, Vec::new()));
            }
            Err(errors) => errors.iter().for_each(|error| cx.mistakes.add(cx.place, entry.name, error.to_string())),
        }
    }
    all.extend(declared);
    all
}
