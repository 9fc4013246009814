//! Trajectories of the experiment's system.

use super::{Finished, Options};
use crate::failure::{Failure, Kind, Result};
use crate::progress::Progress;
use crate::spec::Plan;

/// Simulates trajectories and writes them.
///
/// # Errors
/// Always, until it is built.
pub fn run(_plan: &Plan, _options: &Options, _progress: &dyn Progress) -> Result<Finished> {
    Err(Failure::new(Kind::Bug, "not built yet"))
}
