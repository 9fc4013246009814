//! The true system as a forecaster: the law that every other one is measured against.

use std::sync::Arc;

use super::{Error, FitContext, Fitted, ForecasterBuild, Result};
use crate::systems::{Entry, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "perfect",
    about: "the true system, stepped as the truth is",
    reference: "the system's own",
    params: &[],
    build: ForecasterBuild { fit, load: None, memory: |_, _| Vec::new(), cost: None },
};

fn fit(_settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let Some((system, stepping)) = &context.system else {
        return Err(Error::Unsupported(
            "`perfect` is the true system, but there is only data here; name a [system], or use another forecaster"
                .to_owned(),
        ));
    };
    Ok(Fitted::unstored(ENTRY.name, Arc::clone(system).forecaster(stepping)?))
}
