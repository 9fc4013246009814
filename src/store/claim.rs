//! A place of output that one process writes: locked as long as it does, by a hidden file `.unfinished` inside a folder, or
//! `.NAME.unfinished` beside a file. What a killed process leaves of it holds the [`Record`]s of what it was doing, a line
//! each, of which the last whole one counts.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::digest::file_digest;
use super::error::{Error, Result};
use super::lock::try_lock;
use super::record::Record;
use super::temporary::{folder_of, name_of, short, sweep};

/// What locks are called.
const UNFINISHED: &str = ".unfinished";

/// A place of output that this process writes, until it goes out of scope.
#[derive(Debug)]
pub struct Claim {
    out: PathBuf,
    lock: PathBuf,
    file: File,
    /// Folders that were made for it, deepest first: they go again where nothing came into them.
    made: Vec<PathBuf>,
    before: Option<Record>,
    begun: bool,
    record: Record,
}

impl Claim {
    /// A file. Its folder must be there.
    ///
    /// # Errors
    /// [`Error::Exists`] when another process writes it; [`Error::Io`] when nothing can be written there.
    pub fn file(out: &Path) -> Result<Self> {
        if out.is_dir() || out.file_name().is_none() {
            return Err(Error::is_folder(out));
        }
        let folder = folder_of(out);
        sweep(&folder, Some(&name_of(out)));
        Self::take(out, folder.join(format!(".{}{UNFINISHED}", short(&name_of(out)))), Vec::new())
    }

    /// A folder, which is made where it is not there.
    ///
    /// # Errors
    /// As [`Claim::file`]; [`Error::Exists`] where it is a file.
    pub fn folder(out: &Path) -> Result<Self> {
        if out.exists() && !out.is_dir() {
            return Err(Error::exists(out, "exists and is not a folder", "choose another folder with --out"));
        }
        let made = make(out)?;
        sweep(out, None);
        Self::take(out, out.join(UNFINISHED), made)
    }

    fn take(out: &Path, lock: PathBuf, made: Vec<PathBuf>) -> Result<Self> {
        let locked = try_lock(&lock).map_err(|e| {
            remove(&made);
            Error::io(out, "write there", &e)
        })?;
        let file = locked.file(out, "place")?;
        let text = fs::read_to_string(&lock).unwrap_or_default();
        let before = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        Ok(Self { out: out.to_path_buf(), lock, file, made, before, begun: false, record: Record::default() })
    }

    /// What a process that was killed here was doing.
    pub fn before(&self) -> Option<&Record> {
        self.before.as_ref()
    }

    /// Notes what is done here from now on.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn begin(&mut self, record: Record) -> Result<()> {
        self.file.set_len(0).map_err(|e| Error::io(&self.out, "write there", &e))?;
        (self.record, self.begun) = (record, true);
        self.note()
    }

    /// Notes that a file of this folder is written.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, or nothing written.
    pub fn wrote(&mut self, file: &Path) -> Result<()> {
        self.record.done.insert(name_of(file), file_digest(file)?.0);
        self.note()
    }

    /// Whether a file of this folder was written, whole, by the run that this one goes on with.
    pub fn has(&self, file: &Path) -> bool {
        let done = self.record.done.get(&name_of(file));
        done.is_some_and(|done| file_digest(file).is_ok_and(|(digest, _)| digest == *done))
    }

    /// All is written: nothing is left to go on with.
    pub fn finish(mut self) {
        self.begun = true;
        self.record.done.clear();
    }

    fn note(&mut self) -> Result<()> {
        let failed = |e: std::io::Error| Error::io(&self.out, "write there", &e);
        let line = serde_json::to_string(&self.record).map_err(|e| Error::content(&self.out, e.to_string()))? + "\n";
        self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(line.as_bytes())).map_err(failed)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What is half done is kept, to be gone on with: by this process, or by one before where this was refused.
        let kept = if self.begun { !self.record.done.is_empty() } else { self.before.is_some() };
        if !kept {
            let _ = fs::remove_file(&self.lock);
            remove(&self.made);
        }
    }
}

/// Makes a folder and its parents: those that were made, deepest first.
pub(super) fn make(folder: &Path) -> Result<Vec<PathBuf>> {
    let missing: Vec<PathBuf> =
        folder.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).map(Path::to_path_buf).collect();
    fs::create_dir_all(folder).map_err(|e| {
        remove(&missing);
        Error::io(folder, "make the folder", &e)
    })?;
    Ok(missing)
}

/// Removes the folders that are empty.
pub(super) fn remove(folders: &[PathBuf]) {
    folders.iter().for_each(|folder| drop(fs::remove_dir(folder)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn record(seed: u64) -> Record {
        Record::new(&format!("seed = {seed}\n"), BTreeMap::new())
    }

    #[test]
    fn the_second_is_refused_and_nothing_is_left_of_one_that_did_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (out, file) = (folder.path().join("deep/models"), folder.path().join("tuned.toml"));
        let claims = (Claim::folder(&out).unwrap(), Claim::file(&file).unwrap());
        for error in [Claim::folder(&out).unwrap_err(), Claim::file(&file).unwrap_err()] {
            assert!(matches!(&error, Error::Exists(t) if t.message.contains("another process")), "{error}");
        }
        drop(claims);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(&file, b"x").unwrap();
        assert!(Claim::folder(&file).unwrap_err().to_string().contains("not a folder"));
        assert!(Claim::file(folder.path()).unwrap_err().to_string().contains("is a folder"));
        assert!(Claim::file(&out.join("a.nc")).unwrap_err().to_string().contains("check the path"));
        assert!(!out.exists());
    }

    #[test]
    fn what_was_half_done_is_known_to_the_next_and_a_torn_line_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("analyses");
        let mut claim = Claim::folder(&out).unwrap();
        claim.begin(record(1)).unwrap();
        let (a, b) = (out.join("a.nc"), out.join("b.nc"));
        [&a, &b].iter().for_each(|path| fs::write(path, b"x").unwrap());
        claim.wrote(&a).unwrap();
        drop(claim);
        let lock = out.join(UNFINISHED);
        let torn = fs::read_to_string(&lock).unwrap() + "{\"experiment\":\"se";
        fs::write(&lock, torn).unwrap();
        let mut claim = Claim::folder(&out).unwrap();
        let before = claim.before().unwrap().clone();
        assert_eq!(before.experiment, "seed = 1\n");
        claim.begin(before).unwrap();
        assert!(claim.has(&a) && !claim.has(&b));
        drop(claim);
        // one that looks and goes away takes nothing with it
        drop(Claim::folder(&out).unwrap());
        let mut claim = Claim::folder(&out).unwrap();
        let before = claim.before().unwrap().clone();
        claim.begin(before).unwrap();
        fs::write(&a, b"y").unwrap();
        assert!(!claim.has(&a));
        claim.finish();
        assert!(!lock.exists() && a.exists());
    }
}
