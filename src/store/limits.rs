//! How much a reader may take from a file.

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
