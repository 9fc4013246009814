//! The whole job: simulate, train, forecast, assimilate, score, report.

use super::{Finished, Options};
use crate::failure::{Failure, Kind, Result};
use crate::progress::Progress;
use crate::spec::Plan;

/// Runs whatever the experiment has.
///
/// # Errors
/// Always, until it is built.
pub fn run(_plan: &Plan, _options: &Options, _progress: &dyn Progress) -> Result<Finished> {
    Err(Failure::new(Kind::Bug, "not built yet"))
}
