//! `[[forecaster]]`, and the baselines that need no section.

use std::path::PathBuf;

use super::super::document::Place;
use super::super::keys::FORECASTER;
use super::super::plan::{ForecasterPlan, SystemPlan};
use super::super::read::{Reader, entry};
use super::assimilate::CheckedRow;
use super::context::{Checked, Context};
use super::system::no_perfect;
use crate::forecast::{FORECASTERS, ForecasterBuild};
use crate::systems::Entry;
use crate::systems::registry::{DefaultValue, Settings, nearest};

/// The forecasters that the file declares.
pub(super) fn check(cx: &Context, system: &Checked<SystemPlan>) -> Vec<ForecasterPlan> {
    let mut plans: Vec<ForecasterPlan> = Vec::new();
    for reader in cx.many(&FORECASTER) {
        let Some(plan) = one(&reader) else { continue };
        if let ("perfect", Some(why)) = (plan.kind.as_str(), no_perfect(system)) {
            reader.wrong("kind", format!("`perfect` is the true system, but {why}, or leave it out"));
        }
        if plans.iter().any(|known| known.label == plan.label) {
            let what = format!("two forecasters are labelled `{}`; give one another `name`", plan.label);
            reader.wrong("name", what);
        }
        plans.push(plan);
    }
    plans
}

fn one(reader: &Reader) -> Option<ForecasterPlan> {
    let own = reader.own()?;
    let (name, kind, model) = (own.text("name"), own.text("kind"), own.text("model"));
    if name.is_empty() && kind.is_empty() {
        reader.wrong("name", "[[forecaster]] must set `kind`, and may set `name`, your label");
        return None;
    }
    let label = if name.is_empty() { kind } else { name }.to_owned();
    if !model.is_empty() {
        reader.refuse_unknown(&[]);
        let settings = Settings::check("", &[], &std::collections::BTreeMap::new()).ok()?;
        return Some(ForecasterPlan { label, kind: kind.to_owned(), settings, model: Some(PathBuf::from(model)) });
    }
    let kind = if kind.is_empty() { name } else { kind };
    let key = if own.has("kind") { "kind" } else { "name" };
    let known =
        entry(FORECASTERS, "kind of forecaster", kind, reader.place_of(key), &reader.key(key), reader.mistakes)?;
    if FORECASTERS.iter().any(|other| !other.build.learned && other.name == label && other.name != kind) {
        let what =
            format!("the label `{label}` is the name of a baseline, but its kind is `{kind}`; choose another `name`");
        reader.wrong("name", what);
    }
    reader.refuse_unknown(known.params);
    let settings = reader.of_entry(&format!("forecaster `{label}` ({kind})"), known)?;
    Some(ForecasterPlan { label, kind: kind.to_owned(), settings, model: None })
}

/// The baselines that may be named without a section.
pub(super) fn baselines() -> impl Iterator<Item = &'static Entry<ForecasterBuild>> {
    let free =
        |entry: &&Entry<ForecasterBuild>| entry.params.iter().all(|param| param.default != DefaultValue::Required);
    FORECASTERS.iter().filter(|entry| !entry.build.learned).filter(free)
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
                all.push(ForecasterPlan { label, kind, settings, model: None });
            }
            Err(errors) => errors.iter().for_each(|error| cx.mistakes.add(cx.place, entry.name, error.to_string())),
        }
    }
    all.extend(declared);
    all
}
