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

    /// Adds numbers as their bytes, after the number of bytes: what [`Self::part`] would of all of them, without a copy.
    pub fn numbers<const N: usize>(&mut self, values: impl ExactSizeIterator<Item = [u8; N]>) {
        self.0.update(((values.len() * N) as u64).to_le_bytes());
        let mut block = Vec::with_capacity(BLOCK);
        for value in values {
            block.extend(value);
            if block.len() >= BLOCK {
                self.0.update(&block);
                block.clear();
            }
        }
        self.0.update(&block);
    }

    /// Sixty-four digits.
    pub fn hex(self) -> String {
        hex(self.0)
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a text.
pub fn text_digest(text: &str) -> String {
    hex(Sha256::new_with_prefix(text.as_bytes()))
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
    Ok((hex(hash), total))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_one_part_and_parts_are_not_one_text() {
        let values: Vec<f64> = (0..3000).map(|i| f64::from(i).sqrt()).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let of = |add: &dyn Fn(&mut Digest)| {
            let mut digest = Digest::default();
            add(&mut digest);
            digest.hex()
        };
        assert_eq!(of(&|d| d.numbers(values.iter().map(|v| v.to_le_bytes()))), of(&|d| d.part(&bytes)));
        let parts = |parts: &[&str]| of(&|d| parts.iter().for_each(|part| d.part(part.as_bytes())));
        assert!(parts(&["ab", "c"]) != parts(&["a", "bc"]) && parts(&["a"]) != parts(&["a", ""]));
        // FIPS 180-2, appendix B.1
        assert_eq!(text_digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_folder_has_the_digest_of_its_names_and_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("data/a"), b"1").unwrap();
        let first = input_digest(folder.path()).unwrap();
        std::fs::rename(folder.path().join("data/a"), folder.path().join("data/b")).unwrap();
        let renamed = input_digest(folder.path()).unwrap();
        std::fs::write(folder.path().join("data/b"), b"2").unwrap();
        let changed = input_digest(folder.path()).unwrap();
        assert!(first != renamed && renamed != changed);
        assert!(input_digest(&folder.path().join("none")).is_err());
    }
}
