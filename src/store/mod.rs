//! Files: arrays (HDF5 that is NetCDF-4 too), models (safetensors) and run folders.
//!
//! The only room that knows these formats; what it takes and gives is plain data. Three rules hold for everything it
//! writes: a file appears whole or not at all ([`write_atomic`]), equal content is equal bytes (no clocks, no hash
//! order), and what is read back is checked first (sizes before memory, checksums, no way out of the file).

mod atomic;
mod error;
pub mod manifest;
pub mod model;
pub mod netcdf;
pub mod run;
pub mod state_log;
mod unique;

pub use atomic::write_atomic;
pub use error::{Error, Result, Trouble};
pub use run::RunFolder;

/// How much a reader may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that the values read from one file may take in memory (`--max-memory`).
    pub max_bytes: u64,
}

impl Limits {
    /// At most so many bytes.
    pub fn bytes(max_bytes: u64) -> Self {
        Self { max_bytes }
    }
}
