//! A file that appears whole or not at all: written under a temporary name in the same folder, fsynced, renamed over
//! the final name, and the folder fsynced, so that a power cut or `kill -9` at any moment leaves the old file or the
//! new one. A process that is killed leaves at most a hidden temporary behind, which nothing reads and the next that
//! writes there removes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::error::{Error, Result};
use super::temporary::Temporary;
pub(crate) use super::temporary::{folder_of, is_temporary};

/// Writes a whole file, replacing one of that name.
///
/// # Errors
/// [`Error::Io`] when the system refuses; then the old file, if any, is untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, |temporary| {
        let mut file = OpenOptions::new().write(true).open(temporary).map_err(|e| Error::io(path, "write it", &e))?;
        file.write_all(bytes).map_err(|e| Error::io(path, "write it", &e))
    })
}

/// Lets `fill` write a temporary file (which exists and is empty), then puts it in the place of `path`.
pub(crate) fn replace<E: From<Error>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if path.is_dir() {
        return Err(Error::is_folder(path).into());
    }
    let temporary = Temporary::beside(path)?;
    fill(&temporary.file)?;
    sync(&temporary.file, path)?;
    fs::rename(&temporary.file, path).map_err(|e| Error::io(path, "put the finished file in place", &e))?;
    Ok(sync(&folder_of(path), path)?)
}

/// Asks the system to put a file or folder on the disk.
pub(crate) fn sync(what: &Path, path: &Path) -> Result<()> {
    File::open(what).and_then(|file| file.sync_all()).map_err(|e| Error::io(path, "make sure it is on the disk", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"old").unwrap();
        let error = replace(&path, |temporary| {
            fs::write(temporary, b"half").unwrap();
            Err(Error::data(&path, "stopped half way", "none"))
        });
        assert!(error.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_has_the_mode_of_any_other_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomic(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn a_folder_and_a_missing_folder_are_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let onto = write_atomic(folder.path(), b"x").unwrap_err();
        assert!(onto.to_string().contains("is a folder"), "{onto}");
        let missing = write_atomic(&folder.path().join("no/such.txt"), b"x").unwrap_err();
        assert!(matches!(missing, Error::Io(_)) && missing.to_string().contains("check the path"), "{missing}");
    }
}
