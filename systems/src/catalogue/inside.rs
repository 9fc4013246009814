//! The system inside another: what the entries that wrap one share.

use std::sync::Arc;

use super::build;
use crate::error::{Error, Result};
use crate::registry::{Param, Settings};
use crate::system::System;

/// The setting that names the system inside.
pub(super) const OF: Param = Param::system("of", "lorenz63", "the system inside");

/// Builds the system inside, all of whose state must be seen.
pub(super) fn inside(settings: &Settings) -> Result<Arc<dyn System>> {
    let Some((name, given)) = settings.system(OF.key) else {
        return Err(settings.mistake(OF.key, "names no system; name one"));
    };
    let system = build(name, given).map_err(|mut wrong| match wrong.is_empty() {
        true => Error::Unsupported(format!("system `{name}` cannot be built")),
        false => wrong.swap_remove(0).within(OF.key),
    })?;
    match system.partial() {
        None => Ok(system),
        Some(_) => {
            let problem = format!("is `{name}`, which hides a part of its state; put that one around this one instead");
            Err(settings.mistake(OF.key, problem))
        }
    }
}

/// The parameters that the system inside draws, by their paths from the one around it.
pub(super) fn named_inside(inside: &dyn System) -> Vec<String> {
    let names = inside.drawn_parameters().map(|own| own.names()).unwrap_or_default();
    names.iter().map(|name| format!("{}.{name}", OF.key)).collect()
}
