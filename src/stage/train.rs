//! Fits forecasters to trajectories.

use std::path::Path;

use super::{Finished, Options};
use crate::failure::{Failure, Kind, Result};
use crate::progress::Progress;
use crate::spec::Plan;

/// Fits the experiment's forecasters, or the one with `label`.
///
/// # Errors
/// Always, until it is built.
pub fn run(
    _plan: &Plan,
    _data: Option<&Path>,
    _label: Option<&str>,
    _options: &Options,
    _progress: &dyn Progress,
) -> Result<Finished> {
    Err(Failure::new(Kind::Bug, "not built yet"))
}
