//! Temporary files: `.NAME.TOKEN.partial/new`, in a hidden folder beside the file that they will be, with a `lock` that
//! the writer holds. One whose lock nobody holds was left by a process that was killed, and is removed by the next that
//! writes there. (The lock is on a file of its own, because HDF5 locks the files that it writes.)

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::digest::text_digest;
use super::error::{Error, Result};
use super::lock::{Locked, try_lock};

/// What a temporary folder holds.
const NEW: &str = "new";
const LOCK: &str = "lock";

/// A temporary file, removed when it goes out of scope.
pub(super) struct Temporary {
    folder: PathBuf,
    /// The file, which exists and is empty.
    pub file: PathBuf,
    /// Holds the lock, where the file system has locks.
    _lock: File,
}

impl Temporary {
    /// In the folder of `path`, where abandoned ones of its name are removed first.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn beside(path: &Path) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (folder, name) = (folder_of(path), short(&name_of(path)));
        sweep(&folder, Some(&name_of(path)));
        loop {
            // a name that nobody else takes; whose it is, the lock says
            let token = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            if let Some(taken) = Self::take(folder.join(format!(".{name}.{token}.partial")), path)? {
                return Ok(taken);
            }
        }
    }

    /// None where another process has, or takes, a folder of that name.
    fn take(folder: PathBuf, path: &Path) -> Result<Option<Self>> {
        let failed = |e: std::io::Error| Error::io(path, "write into its folder", &e);
        match fs::create_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(None),
            made => made.map_err(failed)?,
        }
        let lock = match try_lock(&folder.join(LOCK)) {
            Ok(Locked::Ours(lock) | Locked::Unknown(lock)) => lock,
            Ok(Locked::Taken) => return Ok(None),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let file = folder.join(NEW);
        match OpenOptions::new().write(true).create_new(true).open(&file) {
            Ok(_) => Ok(Some(Self { folder, file, _lock: lock })),
            Err(e) => {
                let _ = fs::remove_dir_all(&folder);
                Err(failed(e))
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // A failure to remove leaves a hidden folder that nothing reads.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the temporaries in a folder that nobody holds: those of the file `of`, or all.
pub(super) fn sweep(folder: &Path, of: Option<&str>) {
    let start = of.map(|name| format!(".{}.", short(name)));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_temporary(&name) && start.as_ref().is_none_or(|start| name.starts_with(start.as_str())) {
            remove_abandoned(&entry.path());
        }
    }
}

/// As [`sweep`], in a folder and the folders in it.
pub(super) fn sweep_all(folder: &Path) {
    sweep(folder, None);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !is_temporary(&entry.file_name().to_string_lossy()) {
            sweep_all(&entry.path());
        }
    }
}

/// Removes a temporary whose lock can be had; of any other, and of what only looks like one, nothing is touched.
fn remove_abandoned(path: &Path) {
    let Ok(about) = fs::symlink_metadata(path) else { return };
    if about.is_file() {
        // as earlier versions left them
        if let Ok(Locked::Ours(_lock)) = try_lock(path) {
            let _ = fs::remove_file(path);
        }
    } else if about.is_dir()
        && holds_only(path, &[NEW, LOCK])
        && let Ok(Locked::Ours(_lock)) = try_lock(&path.join(LOCK))
    {
        let _ = fs::remove_dir_all(path);
    }
}

fn holds_only(folder: &Path, names: &[&str]) -> bool {
    fs::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().all(|entry| names.iter().any(|n| entry.file_name() == *n)))
}

/// Whether a name is that of a temporary: `.NAME.DIGITS-DIGITS.partial`.
pub(crate) fn is_temporary(name: &str) -> bool {
    let token =
        name.strip_prefix('.').and_then(|rest| rest.strip_suffix(".partial")).and_then(|rest| rest.rsplit_once('.'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    token.and_then(|(_, token)| token.split_once('-')).is_some_and(|(a, b)| digits(a) && digits(b))
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// The last part of a path, as text.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The longest name that is kept whole: file systems take 255 bytes, and something comes before and behind it.
const LONGEST: usize = 100;

/// A name that leaves room for what is put around it, as another for each other name.
pub(super) fn short(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let kept: String = name
        .chars()
        .scan(0, |bytes, c| {
            *bytes += c.len_utf8();
            (*bytes <= LONGEST - 17).then_some(c)
        })
        .collect();
    format!("{kept}~{}", &text_digest(name)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_that_is_held_stays_and_an_abandoned_one_goes_whoever_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        let held = Temporary::beside(&path).unwrap();
        // as a kill leaves them: a folder with its lock unlocked, one without, a file of an earlier version; with the
        // number of a process that lives, ours
        let ours = std::process::id();
        for (at, inside) in [(900, &["new", "lock"][..]), (901, &["new"]), (902, &[])] {
            let left = folder.path().join(format!(".a.nc.{ours}-{at}.partial"));
            fs::create_dir(&left).unwrap();
            inside.iter().for_each(|name| fs::write(left.join(name), b"half").unwrap());
        }
        fs::write(folder.path().join(".a.nc.77-0.partial"), b"half").unwrap();
        // not ours to remove
        let foreign = [".b.nc.77-0.partial", ".notes.partial", "a.nc.77-0.partial", ".a.nc.7-x.partial"];
        foreign.iter().for_each(|name| fs::write(folder.path().join(name), b"kept").unwrap());
        let strange = folder.path().join(".a.nc.5-5.partial");
        fs::create_dir(&strange).unwrap();
        fs::write(strange.join("thesis.tex"), b"years").unwrap();
        drop(Temporary::beside(&path).unwrap());
        assert!(held.file.exists() && strange.join("thesis.tex").exists());
        assert!(foreign.iter().all(|name| folder.path().join(name).exists()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2 + foreign.len());
        drop(held);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + foreign.len());
    }

    #[test]
    fn names_of_any_length_have_a_temporary_of_their_own() {
        let (a, b) = ("x".repeat(250), format!("{}y", "x".repeat(249)));
        assert!(short(&a) != short(&b) && short(&a).len() <= LONGEST && short("a.nc") == "a.nc");
        assert!(short(&"é".repeat(125)).len() <= LONGEST);
        let folder = tempfile::tempdir().unwrap();
        assert!(Temporary::beside(&folder.path().join(a)).is_ok());
    }
}
