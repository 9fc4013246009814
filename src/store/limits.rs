//! How much a reader may take from a file, and in which process a foreign file is read.

use std::io;
use std::process::Command;

/// How the process that reads foreign files is started: a command whose program calls [`serve`](super::netcdf::serve()) and does
/// nothing else. Its standard input and output are taken; it is started once for each file or folder.
#[derive(Clone, Copy, Debug)]
pub struct Launcher(pub fn() -> io::Result<Command>);

/// How much a reader may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes that the values read from one file may take in memory (`--max-memory`).
    pub max_bytes: u64,
    /// How the process that reads foreign files is started. Without one they are read in this process: a damaged file can then
    /// crash it, keep it for ever, or take more memory than is allowed.
    pub launcher: Option<Launcher>,
}

impl Limits {
    /// At most so many bytes, read in this process.
    pub const fn bytes(max_bytes: u64) -> Self {
        Self { max_bytes, launcher: None }
    }

    /// Foreign files are read in a process that is started so.
    #[must_use]
    pub const fn launched(self, launcher: Option<Launcher>) -> Self {
        Self { launcher, ..self }
    }

    /// At most so many bytes, read in the same place.
    #[must_use]
    pub const fn with_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }
}
