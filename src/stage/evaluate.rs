//! Scores of stored forecasts and analyses.

use std::path::PathBuf;

use super::{Finished, Options};
use crate::failure::{Failure, Kind, Result};
use crate::progress::Progress;
use crate::spec::Plan;

/// Scores the files; without a plan by the experiment that they carry.
///
/// # Errors
/// Always, until it is built.
pub fn run(
    _inputs: &[PathBuf],
    _plan: Option<&Plan>,
    _options: &Options,
    _progress: &dyn Progress,
) -> Result<Finished> {
    Err(Failure::new(Kind::Bug, "not built yet"))
}
