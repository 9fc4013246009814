//! Trajectories as a file.

use std::path::Path;

use super::split::{SplitParameters, SplitTrajectories};
use crate::failure::Result;
use crate::spec::Plan;
use crate::stage::output::origin;
use crate::store::netcdf::{self, SplitPart, StoredTrajectories};

/// Writes all trajectories in the order train, valid, test, with the part of each.
///
/// # Errors
/// When the system refuses.
pub fn write_trajectories(path: &Path, data: &SplitTrajectories, plan: &Plan) -> Result<()> {
    let values = data.joined();
    let time = data.times(0..values.dim().1, plan.data.stepping.dt);
    let split = SplitPart::of_counts([data.train.dim().0, data.valid.dim().0, data.test.dim().0]);
    let trajectories = StoredTrajectories {
        split: Some(split),
        geometry: Some(data.geometry),
        parameters: data.parameters.as_ref().map(SplitParameters::joined),
        ..StoredTrajectories::new(values, Some(time))
    };
    let origin = origin(plan, "trajectories")?;
    Ok(netcdf::write_worded_trajectories(path, &trajectories, &data.wording, &origin)?)
}
