//! The true system as a forecaster: the law that every other one is measured against.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::wrapped::Wrapped;
use super::{Error, FitContext, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::systems::{Entry, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "perfect",
    about: "the true system, stepped as the truth is",
    reference: "the system's own",
    params: &[],
    build: ForecasterBuild { fit, load: None, learned: false },
};

fn fit(_settings: &Settings, situation: &FitContext) -> Result<Box<dyn Fitted>> {
    let Some((system, stepping)) = &situation.system else {
        return Err(Error::Unsupported(
            "`perfect` is the true system, but there is only data here; name a [system], or use another forecaster"
                .to_owned(),
        ));
    };
    let inner = Arc::clone(system).forecaster(stepping)?;
    let model = Model { kind: "perfect".to_owned(), config: json!({}), tensors: BTreeMap::new() };
    let training = Training { best_valid: f64::NAN, ..Training::default() };
    Ok(Box::new(Wrapped { inner, model, training }))
}
