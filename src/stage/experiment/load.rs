//! Stored models as forecasters.

use std::path::Path;

use super::provenance::Service;
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::{FORECASTERS, Fitted};
use crate::model::Model;
use crate::spec::ForecasterPlan;
use crate::store;
use crate::systems::registry;

/// The largest model or checkpoint that is read.
pub const MODEL_BYTES: u64 = 8 << 30;

/// Reads a stored model: whole, or not at all.
///
/// # Errors
/// When the file is not a model, or is damaged.
pub fn read(path: &Path) -> Result<Model> {
    Ok(store::model::read(path, &store::Limits::bytes(MODEL_BYTES))?)
}

/// The kind of a stored model; none where it cannot be read, which who needs it says.
pub fn kind_of_model(path: &Path) -> Option<String> {
    read(path).ok().map(|model| model.kind)
}

/// The experiment that is the system which a stored model was made from, with its lead step, as TOML.
///
/// # Errors
/// When the file cannot be read or is no model, and when the model does not say one.
pub fn made_from(path: &Path) -> Result<String> {
    let from = read(path)?.made_from;
    let system = from.as_ref().and_then(|from| Some((from.system.as_ref()?, from.dt)));
    let Some((system, dt)) = system else {
        let message = "the model does not say which system it was made from, so there are no states to ask it at";
        let hint = "give --data with a file of trajectories";
        return Err(Failure::new(FailureKind::Data, message).at(path.display().to_string()).hint(hint));
    };
    let text = toml::to_string(&serde_json::json!({"system": system, "data": {"dt": dt}}));
    text.map_err(|error| {
        Failure::new(FailureKind::Data, format!("the system of the model cannot be read: {error}"))
            .at(path.display().to_string())
            .hint("give --data with a file of trajectories")
    })
}

/// The forecaster of a stored model.
///
/// # Errors
/// When there is no such kind, or the model's parts are not those of its kind.
pub fn rebuild(path: &Path, model: &Model) -> Result<Fitted> {
    let at = |failure: Failure| failure.at(path.display().to_string());
    let entry = registry::find(FORECASTERS, "forecaster", &model.kind).map_err(|error| at(error.into()))?;
    match entry.build.rebuild(model) {
        None => Err(at(Failure::new(FailureKind::Data, format!("a `{}` forecaster is never stored", model.kind)))),
        Some(fitted) => fitted.map_err(|error| at(Failure::new(FailureKind::Data, error.to_string()))),
    }
}

/// Loads a stored model as a forecaster of an experiment, with sentences about what it was made from that differs.
///
/// # Errors
/// As [`read`], [`rebuild`] and [`Service::check`].
pub fn load(path: &Path, wanted: &ForecasterPlan, service: &Service) -> Result<(Fitted, Vec<String>)> {
    let model = read(path)?;
    let notes = service.check(path, wanted, &model)?;
    let fitted = rebuild(path, &model)?;
    let said = model.made_from.map_or(0, |from| from.components);
    let found = fitted.components();
    if found != said {
        let message = format!("the model says that it is for {said} components, but it forecasts {found}");
        let failure = Failure::new(FailureKind::Data, message).hint("train it again");
        return Err(failure.at(path.display().to_string()));
    }
    Ok((fitted, notes))
}
