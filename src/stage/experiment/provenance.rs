//! What a model was made from, held against the experiment that it is to serve.
//!
//! Another lead step, another number of components or another grid is no use of a model, and is refused. Another setting of
//! the system and other trajectories may be meant (a shift of distribution): they are noted. A model that is to be gone on
//! with must be made from the same in everything.

use std::path::Path;

use serde_json::{Map, Value};

use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::START_FROM;
use crate::model::{Model, Provenance};
use crate::spec::{ForecasterPlan, Plan};
use crate::stage::data::{SplitTrajectories, same_step, state_dim};
use crate::stage::output::resolved_json;
use crate::store::digest::input_digest;
use crate::store::netcdf::TimeUnit;
use crate::systems::Geometry;

/// What a forecaster of the plan is made from.
///
/// # Errors
/// A bug: the resolved experiment is our own TOML.
pub fn made_from(
    plan: &Plan,
    forecaster: &ForecasterPlan,
    data: &SplitTrajectories,
    digest: &str,
) -> Result<Provenance> {
    let (unit, unit_seconds) = match &data.unit {
        TimeUnit::Physical { name, seconds } => (name.clone(), Some(*seconds)),
        unit => (unit.name().to_owned(), None),
    };
    let resolved = resolved_json(plan)?;
    Ok(Provenance {
        seed: plan.seed,
        system: system(&resolved),
        settings: with_start(settings(&resolved, forecaster), forecaster)?,
        dt: plan.data.stepping.dt,
        unit,
        unit_seconds,
        components: data.dim(),
        geometry: layout(data.geometry),
        data: digest.to_owned(),
    })
}

/// The name and the settings of the system of a resolved experiment.
fn system(resolved: &Value) -> Option<Map<String, Value>> {
    resolved["system"].as_object().cloned()
}

/// The settings of a forecaster of a resolved experiment.
fn settings(resolved: &Value, forecaster: &ForecasterPlan) -> Map<String, Value> {
    let label = forecaster.seed_of.as_ref().map_or(&forecaster.label, |(label, _)| label);
    let sections = resolved["forecaster"].as_array();
    let own = sections.and_then(|all| all.iter().find(|one| one["name"] == *label)).and_then(Value::as_object);
    let mut settings = own.cloned().unwrap_or_default();
    // the first of several seeds is what one alone would be
    settings.retain(|key, _| !["name", "kind", "model", "seeds", "pool"].contains(&key.as_str()));
    if let Some((_, index @ 1..)) = forecaster.seed_of {
        settings.insert("seed".to_owned(), (index + 1).into());
    }
    settings
}

/// Settings with the digest of the model that the training starts from.
fn with_start(mut settings: Map<String, Value>, forecaster: &ForecasterPlan) -> Result<Map<String, Value>> {
    if let Some(path) = forecaster.start_from() {
        settings.insert(format!("{START_FROM}_sha256"), input_digest(path)?.into());
    }
    Ok(settings)
}

/// A layout with its sizes.
fn layout(geometry: Geometry) -> String {
    match geometry {
        Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns } => {
            format!("{} {rows} x {columns}", geometry.word())
        }
        _ => geometry.word().to_owned(),
    }
}

/// The experiment that a model is to serve.
pub struct Service<'a> {
    /// The experiment.
    pub plan: &'a Plan,
    /// Its trajectories, where there are any.
    pub data: Option<&'a SplitTrajectories>,
    /// The digest of those that are trained on.
    pub digest: Option<&'a str>,
}

impl Service<'_> {
    /// Checks that a stored model can serve as this forecaster: sentences about what differs and may be meant.
    ///
    /// # Errors
    /// [`FailureKind::Data`] with both sides where it is of another kind, of other settings than those that the experiment
    /// gives, for another lead step or another shape.
    pub fn check(&self, path: &Path, wanted: &ForecasterPlan, model: &Model) -> Result<Vec<String>> {
        let at = |(message, hint): (String, String)| {
            Failure::new(FailureKind::Data, message).hint(hint).at(path.display().to_string())
        };
        if !wanted.kind.is_empty() && wanted.kind != model.kind {
            let message = format!(
                "the model is a `{}` forecaster, but the experiment asks for kind `{}`",
                model.kind, wanted.kind
            );
            return Err(at((message, format!("set kind = \"{}\"", model.kind))));
        }
        let Some(from) = &model.made_from else {
            let message = "the model does not say what it was made from".to_owned();
            return Err(at((message, "give a model that `scorecast train` or `scorecast compare` wrote".to_owned())));
        };
        let resolved = resolved_json(self.plan)?;
        let contradicted = contradicted(&settings(&resolved, wanted), wanted, model, from);
        contradicted.or_else(|| self.misfit(from)).map_or(Ok(()), |what| Err(at(what)))?;
        Ok(self.notes(&wanted.label, from, &resolved))
    }

    /// Why a model cannot serve at all: a message and a hint.
    fn misfit(&self, from: &Provenance) -> Option<(String, String)> {
        let system = self.plan.system.as_ref().map(|system| &system.system);
        if let Some(dim) = state_dim(self.plan, self.data).filter(|dim| *dim != from.components) {
            let own = from.components;
            let message = format!("the model forecasts {own} components but the experiment's state has {dim}");
            return Some((message, "train a model on this system's data".to_owned()));
        }
        let geometry = self.data.map(|data| data.geometry).or(system.map(|system| system.geometry()));
        let plain = layout(Geometry::Unstructured);
        if let Some(here) = geometry.map(layout)
            && here != from.geometry
            && here != plain
            && from.geometry != plain
        {
            let message =
                format!("the model is for states on a {}, but the experiment's are on a {here}", from.geometry);
            return Some((message, "train a model on this system's data".to_owned()));
        }
        self.other_step(from)
    }

    fn other_step(&self, from: &Provenance) -> Option<(String, String)> {
        let (dt, unit) = (self.plan.data.stepping.dt, self.data.map_or(&TimeUnit::Model, |data| &data.unit));
        let own = match from.unit_seconds {
            Some(seconds) => TimeUnit::Physical { name: from.unit.clone(), seconds },
            None if from.unit == TimeUnit::Model.name() => TimeUnit::Model,
            None => TimeUnit::Other(from.unit.clone()),
        };
        let plain = own == TimeUnit::Model || *unit == TimeUnit::Model;
        let factor = if plain { Some(1.0) } else { unit.in_these(&own) };
        if factor.is_some_and(|factor| same_step(from.dt * factor, dt)) {
            return None;
        }
        let message = format!(
            "the model takes lead steps of {} ({}), but the experiment's are {dt} ({})",
            from.dt,
            from.unit,
            unit.name()
        );
        Some((message, format!("set data.dt to {}, or train a model with this lead step", from.dt)))
    }

    /// What differs from what the model was made from, and may be meant.
    fn notes(&self, label: &str, from: &Provenance, resolved: &Value) -> Vec<String> {
        if let (Some(was), Some(is)) = (&from.system, &system(resolved))
            && let Some((was, is)) = other_system(was, is)
        {
            return vec![format!("`{label}` was trained on {was}, and is used here on {is}.")];
        }
        let other = self.digest.filter(|here| *here != from.data).map(|here| {
            let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
            format!(
                "`{label}` was trained on other trajectories than this experiment's training part (SHA-256 {}..., here {}...).",
                short(&from.data),
                short(here)
            )
        });
        other.into_iter().collect()
    }
}

/// A setting that the experiment gives and the model contradicts: a message and a hint. `asked` are the resolved settings.
fn contradicted(
    asked: &Map<String, Value>,
    wanted: &ForecasterPlan,
    model: &Model,
    from: &Provenance,
) -> Option<(String, String)> {
    for (key, asked) in asked.iter().filter(|(key, _)| wanted.given.contains(key)) {
        let own = from.settings.get(key).or_else(|| model.config["network"].get(key));
        if own.is_none_or(|own| !equal(own, asked)) {
            let own = own.map_or_else(|| format!("`{key}` unset"), |own| format!("`{key} = {own}`"));
            let message = format!("the model was made with {own}, but the experiment says `{key} = {asked}`");
            return Some((message, format!("leave `{key}` out, or train a model with it")));
        }
    }
    None
}

/// Two systems, by the first that differs between them.
fn other_system(was: &Map<String, Value>, is: &Map<String, Value>) -> Option<(String, String)> {
    let name = |system: &Map<String, Value>| system.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if name(was) != name(is) {
        return Some((format!("system `{}`", name(was)), format!("system `{}`", name(is))));
    }
    let keys = was.keys().chain(is.keys());
    let key = keys.into_iter().find(|key| was.get(*key) != is.get(*key))?;
    let shown = |system: &Map<String, Value>| match system.get(key) {
        Some(value) => format!("system `{}` with {key} = {value}", name(system)),
        None => format!("system `{}` without {key}", name(system)),
    };
    Some((shown(was), shown(is)))
}

/// What differs between what was made and what is to be made, with both sides; none where nothing does.
pub fn difference(was: &Provenance, is: &Provenance) -> Option<String> {
    let said = |what: &str, was: &Value, is: &Value| format!("its {what} is {was}, and here {is}");
    if was.seed != is.seed {
        return Some(said("seed", &was.seed.into(), &is.seed.into()));
    }
    let empty = Map::new();
    let (a, b) = (was.system.as_ref().unwrap_or(&empty), is.system.as_ref().unwrap_or(&empty));
    if let Some((was, is)) = other_system(a, b) {
        return Some(format!("it was trained on {was}, and this is {is}"));
    }
    let keys = was.settings.keys().chain(is.settings.keys());
    if let Some(key) = keys.into_iter().find(|key| was.settings.get(*key) != is.settings.get(*key)) {
        let value = |of: &Provenance| of.settings.get(key).map_or("unset".to_owned(), Value::to_string);
        return Some(format!("its `{key}` is {}, and here {}", value(was), value(is)));
    }
    let step = |of: &Provenance| format!("{} ({})", of.dt, of.unit);
    let rows = [
        ("lead step", step(was), step(is)),
        ("number of components", was.components.to_string(), is.components.to_string()),
        ("layout", was.geometry.clone(), is.geometry.clone()),
        ("training data's SHA-256", was.data.clone(), is.data.clone()),
    ];
    rows.iter().find(|(_, was, is)| was != is).map(|(what, was, is)| format!("its {what} is {was}, and here {is}"))
}

/// Whether two settings are one; 1 and 1.0 are.
fn equal(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}
