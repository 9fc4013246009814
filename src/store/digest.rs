//! SHA-256 (FIPS 180-4), in hexadecimal: of files, of arrays, of texts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::{Error, Result};

/// Bytes that are added at once.
const BLOCK: usize = 1 << 13;

/// A digest that is being made.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds bytes, after their number, so that no two lists of parts are one sequence of bytes.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds numbers, after their number, in little-endian order.
    pub fn numbers<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a f64>) {
        self.0.update((values.len() as u64 * 8).to_le_bytes());
        let mut block = Vec::with_capacity(BLOCK);
        for value in values {
            block.extend(value.to_le_bytes());
            if block.len() >= BLOCK {
                self.0.update(&block);
                block.clear();
            }
        }
        self.0.update(&block);
    }

    /// Sixty-four digits.
    pub fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The digest of a text.
pub fn text_digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a file and its number of bytes.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn file_digest(path: &Path) -> Result<(String, u64)> {
    let failed = |e: std::io::Error| Error::io(path, "read it", &e);
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut total) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        total += count as u64;
    }
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), total))
}

/// The digest of an input: a file, or a folder with the names and digests of all that is in it.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn input_digest(path: &Path) -> Result<String> {
    if !path.is_dir() {
        return Ok(file_digest(path)?.0);
    }
    let failed = |e: std::io::Error| Error::io(path, "list it", &e);
    let mut entries: Vec<_> =
        std::fs::read_dir(path).map_err(failed)?.collect::<std::io::Result<_>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut digest = Digest::default();
    for entry in entries {
        digest.part(entry.file_name().as_encoded_bytes());
        digest.part(input_digest(&entry.path())?.as_bytes());
    }
    Ok(digest.hex())
}
