//! A run folder: all that one run writes, complete or not there.
//!
//! A run works in `<out>.partial/`, where a killed one can be resumed. When all is written, `manifest.json` (versions,
//! SHA-256 of every file, timings) and last `DONE` are added and the folder is renamed to `<out>`. A file `RUNNING`,
//! locked by the process, keeps two runs out of one folder; the system drops the lock of a process that is killed. A run
//! that stops before anything was done leaves nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::claim::{make, remove};
use super::error::{Error, Result};
use super::lock::try_lock;
use super::manifest::RECORD;
use super::record::Record;
use super::temporary::sweep_all;
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
    /// What it is of.
    record: Record,
    /// What its networks are trained on.
    device: String,
    /// Folders that were made for it, deepest first.
    made: Vec<PathBuf>,
    finished: bool,
    /// Holds the lock.
    _running: File,
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
        let untouched = is_ours(&partial) && is_untouched(&partial);
        let unfinished = partial.exists() && !untouched;
        if unfinished {
            check_unfinished(&out, &partial, force, resume)?;
        }
        let resumed = unfinished && resume;
        if partial.exists() && !resumed {
            // The lock is taken first, so that no living run is deleted.
            drop(lock(&partial)?);
            fs::remove_dir_all(&partial).map_err(|e| Error::io(&partial, "remove the unfinished run", &e))?;
        }
        let made = make(&partial)?;
        let running = lock(&partial).inspect_err(|_| remove(&made))?;
        sweep_all(&partial);
        // Killed between `DONE` and the final name: it is unfinished again until all is written.
        if resumed && partial.join(DONE).exists() {
            fs::remove_file(partial.join(DONE)).map_err(|e| Error::io(&partial, "go on with it", &e))?;
        }
        let (record, device) = (Record::default(), "cpu".to_owned());
        Ok(Self { out, partial, resumed, record, device, made, finished: false, _running: running })
    }

    /// Whether a folder holds a complete run.
    pub fn is_finished(out: &Path) -> bool {
        fs::read_to_string(out.join(DONE)).is_ok_and(|mark| mark == MARK)
    }

    /// Says what its networks are trained on; the CPU, if nothing is said.
    pub fn trained_on(&mut self, device: String) {
        self.device = device;
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

    /// Writes the resolved experiment and the digests of what it reads (by path); a resumed run must have the same.
    ///
    /// # Errors
    /// [`Error::Exists`] when the unfinished run is of another experiment, or read other files.
    pub fn write_experiment(&mut self, toml: &str, inputs: BTreeMap<String, String>) -> Result<()> {
        let record = Record::new(toml, inputs);
        if let Some(before) = self.before() {
            if let Some(difference) = before.difference(&record) {
                let message = format!("is an unfinished run of another experiment ({difference})");
                return Err(Error::exists(&self.partial, message, "use --force to start afresh, or another --out"));
            }
            self.record.seconds = before.seconds;
        }
        self.record = Record { seconds: std::mem::take(&mut self.record.seconds), ..record };
        self.write(EXPERIMENT, toml.as_bytes())?;
        self.write_record()
    }

    /// What the run that this one goes on with is of.
    fn before(&self) -> Option<Record> {
        let text = |name: &str| fs::read_to_string(self.partial.join(name)).ok();
        let experiment = text(EXPERIMENT)?;
        let noted = text(RECORD).and_then(|text| serde_json::from_str(&text).ok());
        // killed when all was written, and the record gone: the manifest has the files
        let noted = noted.unwrap_or_else(|| Record::new("", manifest::inputs(&self.partial)));
        Some(Record { experiment, ..noted })
    }

    fn write_record(&self) -> Result<()> {
        let text = serde_json::to_string(&self.record).map_err(|e| Error::content(&self.partial, e.to_string()))?;
        self.write(RECORD, text.as_bytes())
    }

    /// Seconds that went into something before this process went on with the run.
    pub fn seconds(&self, what: &str) -> f64 {
        self.record.seconds.get(what).copied().unwrap_or(0.0)
    }

    /// Notes how many seconds went into something in all, for one that goes on with the run.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub fn note_seconds(&mut self, what: &str, seconds: f64) -> Result<()> {
        self.record.seconds.insert(what.to_owned(), seconds);
        self.write_record()
    }

    /// Completes the run: the manifest, `DONE`, and the final name. `timings` are seconds by name.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses; then the unfinished run stays, and can be resumed.
    pub fn finish(mut self, timings: &[(String, f64)]) -> Result<PathBuf> {
        manifest::write(&self.partial, &self.record.inputs, &self.device, timings)?;
        write_atomic(&self.partial.join(DONE), MARK.as_bytes())?;
        for name in [RECORD, RUNNING] {
            let path = self.partial.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(&path, "remove the mark", &e));
                }
                _ => {}
            }
        }
        let old = aside(&self.out);
        remove_old(&old)?;
        if self.out.exists() && !is_empty(&self.out) {
            fs::rename(&self.out, &old).map_err(|e| Error::io(&self.out, "move the old run aside", &e))?;
        }
        fs::rename(&self.partial, &self.out).map_err(|e| Error::io(&self.out, "put the finished run in place", &e))?;
        self.finished = true;
        atomic::sync(&atomic::folder_of(&self.out), &self.out)?;
        remove_old(&old)?;
        Ok(self.out.clone())
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.finished && is_untouched(&self.partial) {
            let _ = fs::remove_dir_all(&self.partial);
            remove(&self.made);
        }
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
    if !is_ours(partial) && !RunFolder::is_finished(partial) {
        let message = "exists and is not an unfinished run of scorecast, so it will not be touched";
        return Err(Error::exists(partial, message, "choose another folder with --out"));
    }
    if force || resume {
        return Ok(());
    }
    let message = format!("holds an unfinished run of {}", out.display());
    Err(Error::exists(partial, message, "use --resume to go on with it, or --force to start afresh"))
}

/// Whether a run of ours works there, or worked and was stopped.
fn is_ours(partial: &Path) -> bool {
    is_empty(partial) || fs::read_to_string(partial.join(RUNNING)).is_ok_and(|mark| MARK.starts_with(&mark))
}

/// Whether there is nothing but what a run begins with.
fn is_untouched(partial: &Path) -> bool {
    let beginning = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => is_empty(&entry.path()),
        _ => [RUNNING, EXPERIMENT, RECORD].iter().any(|name| entry.file_name() == *name),
    };
    fs::read_dir(partial).is_ok_and(|entries| entries.flatten().all(beginning))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Takes the lock of an unfinished run.
fn lock(partial: &Path) -> Result<File> {
    let path = partial.join(RUNNING);
    let locked = try_lock(&path).map_err(|e| Error::io(&path, "write it", &e))?;
    let file = locked.file(partial, "folder")?;
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
