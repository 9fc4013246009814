//! A run folder: all that one run writes, complete or not there.
//!
//! A run works in `<out>.partial/`, where a killed one can be resumed. When all is written, `manifest.json` (versions,
//! SHA-256 of every file, timings) and last `DONE` are added and the folder is renamed to `<out>`. A file `RUNNING`,
//! locked by the process, keeps two runs out of one folder; the system drops the lock of a process that is killed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::{atomic, manifest, write_atomic};

/// The file that says that a run is complete.
pub const DONE: &str = "DONE";
/// The resolved experiment.
pub const EXPERIMENT: &str = "experiment.toml";
/// The lock and the mark of a folder that we may delete.
const RUNNING: &str = "RUNNING";
/// What `DONE` and `RUNNING` hold: by this we know our own folders.
const MARK: &str = "scorecast run\n";

/// The folder of a run that is being written.
#[derive(Debug)]
pub struct RunFolder {
    out: PathBuf,
    partial: PathBuf,
    resumed: bool,
    /// Holds the lock.
    running: File,
}

impl RunFolder {
    /// Starts a run, or goes on with an unfinished one.
    ///
    /// With neither `force` nor `resume` nothing that exists is touched. `resume` goes on in `<out>.partial`, if it is
    /// there. `force` starts afresh, and the folder that exists is replaced when the new one is complete; a folder
    /// that no run of ours wrote is never replaced.
    ///
    /// # Errors
    /// [`Error::Exists`] as said, or when another process writes this run; [`Error::Io`] when the system refuses.
    pub fn create(out: &Path, force: bool, resume: bool) -> Result<Self> {
        let (out, partial) = places(out)?;
        check_output(&out, force)?;
        let unfinished = partial.exists();
        if unfinished {
            check_unfinished(&out, &partial, force, resume)?;
        }
        let resumed = unfinished && resume;
        if unfinished && !resumed {
            // The lock is taken first, so that no living run is deleted.
            drop(lock(&partial)?);
            fs::remove_dir_all(&partial).map_err(|e| Error::io(&partial, "remove the unfinished run", &e))?;
        }
        fs::create_dir_all(&partial).map_err(|e| Error::io(&partial, "make the folder", &e))?;
        let running = lock(&partial)?;
        // Killed between `DONE` and the final name: it is unfinished again until all is written.
        if resumed && partial.join(DONE).exists() {
            fs::remove_file(partial.join(DONE)).map_err(|e| Error::io(&partial, "go on with it", &e))?;
        }
        Ok(Self { out, partial, resumed, running })
    }

    /// Whether a folder holds a complete run.
    pub fn is_finished(out: &Path) -> bool {
        fs::read_to_string(out.join(DONE)).is_ok_and(|mark| mark == MARK)
    }

    /// Whether this goes on with an unfinished run.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Where the files are while the run goes on.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Where the run will be when it is finished.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The path of a file of this run, such as `models/ar.safetensors`; its folder is made.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be made; [`Error::Content`] when the name leads out of the run.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let inside = |c| matches!(c, std::path::Component::Normal(_));
        if name.is_empty() || !Path::new(name).components().all(inside) {
            return Err(Error::content(&self.partial, format!("`{name}` is no name of a file in a run")));
        }
        let path = self.partial.join(name);
        let folder = atomic::folder_of(&path);
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "make the folder", &e))?;
        Ok(path)
    }

    /// Whether a file of this run is written already.
    pub fn has(&self, name: &str) -> bool {
        self.partial.join(name).is_file()
    }

    /// Writes a file of this run, atomically.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_atomic(&self.file(name)?, bytes)
    }

    /// Writes the resolved experiment; a resumed run must have the same.
    ///
    /// # Errors
    /// [`Error::Exists`] when the unfinished run is of another experiment.
    pub fn write_experiment(&self, toml: &str) -> Result<()> {
        let path = self.partial.join(EXPERIMENT);
        if let Ok(before) = fs::read_to_string(&path) {
            let differs = before.lines().zip(toml.lines()).find(|(a, b)| a != b);
            if before != toml {
                let (was, is) = differs.unwrap_or(("its end", "more or fewer lines"));
                let message = format!("is an unfinished run of another experiment (it has `{was}`, this one `{is}`)");
                return Err(Error::exists(&self.partial, message, "use --force to start afresh, or another --out"));
            }
        }
        self.write(EXPERIMENT, toml.as_bytes())
    }

    /// Completes the run: the manifest, `DONE`, and the final name. `timings` are seconds by name.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses; then the unfinished run stays, and can be resumed.
    pub fn finish(self, timings: &[(String, f64)]) -> Result<PathBuf> {
        manifest::write(&self.partial, timings)?;
        write_atomic(&self.partial.join(DONE), MARK.as_bytes())?;
        let running = self.partial.join(RUNNING);
        fs::remove_file(&running).map_err(|e| Error::io(&running, "remove the mark", &e))?;
        let old = aside(&self.out);
        remove_old(&old)?;
        if self.out.exists() && !is_empty(&self.out) {
            fs::rename(&self.out, &old).map_err(|e| Error::io(&self.out, "move the old run aside", &e))?;
        }
        fs::rename(&self.partial, &self.out).map_err(|e| Error::io(&self.out, "put the finished run in place", &e))?;
        atomic::sync(&atomic::folder_of(&self.out), &self.out)?;
        remove_old(&old)?;
        drop(self.running);
        Ok(self.out)
    }
}

/// Where the run ends up, and where it works until then. Links are followed first, so that a link is never replaced.
fn places(out: &Path) -> Result<(PathBuf, PathBuf)> {
    let out = if out.exists() {
        fs::canonicalize(out).map_err(|e| Error::io(out, "find it", &e))?
    } else {
        out.components().collect()
    };
    if out.file_name().is_none() {
        return Err(Error::exists(&out, "cannot be a run folder", "name a new folder with --out"));
    }
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = out.with_file_name(name);
    Ok((out, partial))
}

/// Where a run that is being replaced waits, hidden, for its successor.
fn aside(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    out.with_file_name(format!(".{name}.replaced"))
}

/// What stands at the final name may be nothing, an empty folder, or with `force` a finished run of ours.
fn check_output(out: &Path, force: bool) -> Result<()> {
    if !out.exists() || is_empty(out) {
        return Ok(());
    }
    if !RunFolder::is_finished(out) {
        let message = "exists and is not a run of scorecast, so it will not be replaced";
        return Err(Error::exists(out, message, "choose another folder with --out"));
    }
    if force {
        return Ok(());
    }
    Err(Error::exists(out, "holds a finished run", "use --force to replace it, or another folder with --out"))
}

/// An unfinished run must be ours, and one must say what to do with it.
fn check_unfinished(out: &Path, partial: &Path, force: bool, resume: bool) -> Result<()> {
    let ours = is_empty(partial) || fs::read_to_string(partial.join(RUNNING)).is_ok_and(|m| MARK.starts_with(&m));
    if !ours && !RunFolder::is_finished(partial) {
        let message = "exists and is not an unfinished run of scorecast, so it will not be touched";
        return Err(Error::exists(partial, message, "choose another folder with --out"));
    }
    if force || resume {
        return Ok(());
    }
    let message = format!("holds an unfinished run of {}", out.display());
    Err(Error::exists(partial, message, "use --resume to go on with it, or --force to start afresh"))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Takes the lock of an unfinished run.
fn lock(partial: &Path) -> Result<File> {
    let path = partial.join(RUNNING);
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(|e| Error::io(&path, "write it", &e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let remedy = "wait for it, stop it, or choose another folder with --out";
            return Err(Error::exists(partial, "is being written by another process", remedy));
        }
        // A file system without locks: the mark alone has to do.
        Err(TryLockError::Error(_)) | Ok(()) => {}
    }
    fs::write(&path, MARK).map_err(|e| Error::io(&path, "write it", &e))?;
    Ok(file)
}

/// Removes a run that was moved aside, now or by a process that was killed before it could.
fn remove_old(old: &Path) -> Result<()> {
    if !old.exists() {
        return Ok(());
    }
    if !RunFolder::is_finished(old) {
        let message = "is in the way and is not a run of scorecast";
        return Err(Error::exists(old, message, "move it away and use --resume"));
    }
    fs::remove_dir_all(old).map_err(|e| Error::io(old, "remove the old run", &e))
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
