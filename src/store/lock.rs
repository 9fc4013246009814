//! Locks of the kernel on files: they end with the process that holds them, however it ends, and hold on shared file
//! systems, where the number of a process says nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::error::{Error, Result};

/// What came of the wish to lock a file.
#[derive(Debug)]
pub enum Locked {
    /// It is ours as long as the file is open.
    Ours(File),
    /// Another process holds it.
    Taken,
    /// The file system has no locks; the file is open.
    Unknown(File),
}

impl Locked {
    /// The open file, where no other process holds it; on a file system without locks too, where a mark alone has to do.
    ///
    /// # Errors
    /// [`Error::Exists`] about `subject`, with the advice to choose `another` place, file or folder.
    pub fn file(self, subject: &Path, another: &str) -> Result<File> {
        match self {
            Self::Ours(file) | Self::Unknown(file) => Ok(file),
            Self::Taken => {
                let remedy = format!("wait for it, stop it, or choose another {another} with --out");
                Err(Error::exists(subject, "is being written by another process", remedy))
            }
        }
    }
}

/// Opens a file, making it where it is not there, and tries to lock it.
///
/// # Errors
/// When it cannot be opened.
pub fn try_lock(path: &Path) -> io::Result<Locked> {
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(Locked::Taken),
            Err(TryLockError::Error(_)) => return Ok(Locked::Unknown(file)),
            // one who held it before may have removed it in between: then the lock is on a file without a name
            Ok(()) if is_at(&file, path) => return Ok(Locked::Ours(file)),
            Ok(()) => {}
        }
    }
}

/// Whether an open file is the one of this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}
