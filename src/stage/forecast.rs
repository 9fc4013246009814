//! Forecasts of the test trajectories.

use std::path::{Path, PathBuf};

use super::{Finished, Options};
use crate::failure::{Failure, Kind, Result};
use crate::progress::Progress;
use crate::spec::Plan;

/// Forecasts with the models given for labels.
///
/// # Errors
/// Always, until it is built.
pub fn run(
    _plan: &Plan,
    _models: &[(String, PathBuf)],
    _data: Option<&Path>,
    _options: &Options,
    _progress: &dyn Progress,
) -> Result<Finished> {
    Err(Failure::new(Kind::Bug, "not built yet"))
}
