//! The layout of The Well (Ohana et al. 2024): fields on grids in one and two dimensions, as HDF5 groups.
//!
//! ```text
//! NAME/stats.yaml                        moments of the training part
//! NAME/data/{train,valid,test}/*.hdf5    root attributes, and the groups
//!   dimensions           time, and a coordinate for each dimension of space
//!   boundary_conditions  a group for each: the mask of its points
//!   scalars              constants, here the system's parameters
//!   t0_fields, t1_fields, t2_fields      [sample, time, space..., tensor indices]
//! ```
//!
//! Numbers are single precision. Every dataset says by attributes of HDF5's boolean enumeration whether it varies with
//! the sample and with time; other integers are not taken for booleans by The Well's own programs. [`check()`] holds the
//! rules one by one.

mod attributes;
mod check;
mod file;
mod folder;
mod moments;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use check::{Problem, check};
pub use folder::{files, is_well};
pub use moments::{MIN_SD, Moments};
pub use read::read;
pub(super) use read::{Unread, read_gaps, read_outline};
pub use write::{FIELD, WellPlan, write_part};

/// The groups that every file has.
const GROUPS: [&str; 6] = ["dimensions", "boundary_conditions", "scalars", "t0_fields", "t1_fields", "t2_fields"];
