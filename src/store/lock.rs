//! Locks of the kernel on files: they end with the process that holds them, however it ends, and hold on shared file
//! systems, where the number of a process says nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

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
