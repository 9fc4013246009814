//! Stored models as forecasters.

use std::path::Path;

use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::{FORECASTERS, Fitted};
use crate::store;
use crate::systems::registry;

/// The largest model or checkpoint that is read.
pub const MODEL_BYTES: u64 = 8 << 30;

/// Loads a stored model of this kind, for this many components where they are known.
///
/// # Errors
/// When the file is not a model, of another kind than `kind`, or for another number of components than `dim`.
pub fn load(path: &Path, kind: &str, dim: Option<usize>) -> Result<Fitted> {
    let at = |failure: Failure| failure.at(path.display().to_string());
    let model = store::model::read(path, &store::Limits::bytes(MODEL_BYTES))?;
    if kind != model.kind {
        let message = format!("the model is a `{}` forecaster, but the experiment asks for kind `{kind}`", model.kind);
        return Err(at(Failure::new(FailureKind::Data, message).hint(format!("set kind = \"{}\"", model.kind))));
    }
    let entry = registry::find(FORECASTERS, "forecaster", &model.kind).map_err(|error| at(error.into()))?;
    let Some(load) = entry.build.load else {
        return Err(at(Failure::new(FailureKind::Data, format!("a `{}` forecaster is never stored", model.kind))));
    };
    let fitted = load(&model).map_err(|error| at(Failure::new(FailureKind::Data, error.to_string())))?;
    if let Some(dim) = dim.filter(|dim| *dim != fitted.dim()) {
        let message = format!("the model forecasts {} components but the experiment's state has {dim}", fitted.dim());
        return Err(at(Failure::new(FailureKind::Data, message).hint("train a model on this system's data")));
    }
    Ok(fitted)
}
