//! Files: arrays (HDF5 that is NetCDF-4 too), models (safetensors) and run folders.
//!
//! The only room that knows these formats; what it takes and gives is plain data. Three rules hold for everything it
//! writes: a file appears whole or not at all ([`write_atomic`]), equal content is equal bytes (no clocks, no hash
//! order; [`training_log`] alone is a diary, and grows), and what is read back is checked first (sizes before memory, checksums, no way out of the file).

mod atomic;
mod claim;
pub mod digest;
mod error;
mod limits;
mod lock;
pub mod manifest;
mod mapping;
pub mod model;
pub mod netcdf;
mod record;
pub mod run;
mod scratch;
mod spool;
pub mod state_log;
mod states;
mod temporary;
mod tensorboard;
pub mod training_log;
mod unique;
pub mod well;

pub use atomic::write_atomic;
pub use claim::Claim;
pub use error::{Error, Result, Trouble};
pub use limits::{Launcher, Limits};
pub use record::Record;
pub use run::{EXPERIMENT, RunFolder};
pub use scratch::ScratchFile;
pub use spool::{Destination, Spooled, spool};
pub use states::States;

/// Reads trajectories of any kind that is known, from a file or a folder: ours and other NetCDF-4 or HDF5 with named
/// dimensions, and the layout of The Well. `variable` names the variable or field where several would do.
///
/// # Errors
/// As [`netcdf::read_trajectories`] and [`well::read`].
pub fn read_trajectories(
    path: &std::path::Path,
    variable: Option<&str>,
    limits: &Limits,
) -> Result<netcdf::StoredTrajectories> {
    read_worded(path, variable, limits).map(|(trajectories, _)| trajectories)
}

/// Trajectories of any kind that is known, and what their file calls them.
///
/// # Errors
/// As [`read_trajectories`].
pub fn read_worded(
    path: &std::path::Path,
    variable: Option<&str>,
    limits: &Limits,
) -> Result<(netcdf::StoredTrajectories, netcdf::Wording)> {
    if well::is_well(path, limits)? {
        Ok((well::read(path, variable, limits)?, netcdf::Wording::default()))
    } else {
        netcdf::read_worded_trajectories(path, variable, limits)
    }
}

/// Trajectories with values that are missing or not finite left as they are, for those who look for them.
///
/// # Errors
/// As [`read_trajectories`].
pub fn read_with_gaps(
    path: &std::path::Path,
    variable: Option<&str>,
    limits: &Limits,
) -> Result<netcdf::StoredTrajectories> {
    if well::is_well(path, limits)? {
        well::read_gaps(path, variable, limits)
    } else {
        netcdf::trajectories::read_gaps(path, variable, limits)
    }
}

/// The outline of trajectories of any kind that is known.
///
/// # Errors
/// As [`read_trajectories`].
pub fn read_outline(path: &std::path::Path, variable: Option<&str>, limits: &Limits) -> Result<netcdf::Outline> {
    if well::is_well(path, limits)? {
        well::read_outline(path, limits)
    } else {
        netcdf::read_outline(path, variable, limits)
    }
}
