//! The states of a long simulation on disk as they are made, so that a run that is killed can go on.
//!
//! An HDF5 file whose writer was killed cannot be read again, so the states go to a log first, `<out>.partial`, and the
//! file itself is made from the log in one pass when the last lead step is there: its bytes do not depend on how often
//! the run was stopped. The log is a header and then records that are appended and never changed:
//!
//! ```text
//! step (u64) | states (f64, [case, component]) | hash of both (u64)        all little-endian
//! ```
//!
//! The last record whose hash fits is the checkpoint; what follows it is cut off. Records of the spin-up are
//! checkpoints alone; from lead step `spin_up` on there is one for each step. The hash takes 64-bit words one by one, by
//! h <- (h xor w) * odd, a bijection in w: a change in one word is always seen.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::{Array2, Array3, ArrayView2};

use super::error::{Error, Result};
use super::lock::try_lock;
use super::record::Record;

/// The first bytes of a log.
const MAGIC: &[u8; 24] = b"scorecast states, log 1\n";
/// Bytes that wait in memory before they are written.
const PENDING: usize = 1 << 18;
/// Bytes are written at least this often, and asked onto the disk itself each so many times.
const WRITE_EVERY: Duration = Duration::from_secs(1);
const SYNC_EVERY: u32 = 30;

/// What a log holds, and for which experiment: a log is only gone on with by the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlan {
    /// The resolved experiment.
    pub experiment: String,
    /// The number of trajectories.
    pub cases: usize,
    /// The components of a state.
    pub components: usize,
    /// The first lead step that is kept.
    pub spin_up: usize,
}

/// A lead step and the states after it, `[case, component]`.
pub type Checkpoint = (usize, Array2<f64>);

/// A log that is being written.
#[derive(Debug)]
pub struct StateLog {
    path: PathBuf,
    plan: LogPlan,
    /// Locked, so that two processes never write one log.
    file: File,
    header_bytes: u64,
    /// Records of the spin-up, before those that are kept.
    checkpoints: u64,
    /// The last record's lead step.
    last: Option<u64>,
    pending: Vec<u8>,
    written: Instant,
    writes: u32,
}

/// Where the log of an output is.
pub fn log_path(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    out.with_file_name(name)
}

impl StateLog {
    /// Starts the log of an output, or with `resume` goes on with the one that is there; then the second value is the
    /// last lead step in it and its states, `[case, component]`.
    ///
    /// # Errors
    /// [`Error::Exists`] when a log is there and neither `force` nor `resume` is given, when it is of another
    /// experiment, or another process writes it; [`Error::Io`] when the system refuses.
    pub fn open(out: &Path, plan: LogPlan, force: bool, resume: bool) -> Result<(Self, Option<Checkpoint>)> {
        let path = log_path(out);
        if path.exists() && !force && !resume {
            let message = format!("is an unfinished simulation of {}", out.display());
            return Err(Error::exists(&path, message, "use --resume to go on with it, or --force to start afresh"));
        }
        let file = lock(&path)?;
        let (written, writes) = (Instant::now(), 0);
        let header = header(&plan);
        let header_bytes = header.len() as u64;
        let pending = Vec::new();
        let mut log = Self { path, plan, file, header_bytes, checkpoints: 0, last: None, pending, written, writes };
        let checkpoint = if resume { log.recover(&header)? } else { None };
        if checkpoint.is_none() {
            log.start(&header)?;
        }
        Ok((log, checkpoint))
    }

    /// The bytes of memory that a log takes beside what it is given.
    pub fn memory(cases: usize, components: usize) -> u64 {
        (PENDING as u64).min(64 * record_bytes(cases, components)).saturating_add(record_bytes(cases, components))
    }

    /// Appends the states after a lead step; during the spin-up that is a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn append(&mut self, step: usize, states: ArrayView2<f64>) -> Result<()> {
        assert_eq!(states.dim(), (self.plan.cases, self.plan.components), "states of this log");
        if step < self.plan.spin_up {
            self.checkpoints += 1;
        }
        let (step, start) = (step as u64, self.pending.len());
        self.last = Some(step);
        self.pending.extend(step.to_le_bytes());
        self.pending.extend(states.iter().flat_map(|value| value.to_le_bytes()));
        let hash = hash(&self.pending[start..]);
        self.pending.extend(hash.to_le_bytes());
        let most = PENDING.min(64 * (self.pending.len() - start));
        if self.pending.len() >= most || self.written.elapsed() >= WRITE_EVERY {
            self.write()?;
        }
        Ok(())
    }

    /// Puts all that was appended on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn sync(&mut self) -> Result<()> {
        self.write()?;
        self.file.sync_data().map_err(|e| Error::io(&self.path, "make sure it is on the disk", &e))
    }

    /// States that were kept, `[case, time, component]`; time 0 is lead step `spin_up`.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn read(&mut self, cases: Range<usize>, times: Range<usize>) -> Result<Array3<f64>> {
        self.write()?;
        let n = self.plan.components;
        let mut states = Array3::zeros((cases.len(), times.len(), n));
        let mut bytes = vec![0u8; 8 * n * cases.len()];
        for (at, time) in times.enumerate() {
            let record = self.place(self.checkpoints + time as u64);
            self.read_at(record + 8 + 8 * (cases.start * n) as u64, &mut bytes)?;
            for (mut row, bytes) in states.outer_iter_mut().zip(bytes.chunks_exact(8 * n)) {
                for (value, word) in row.row_mut(at).iter_mut().zip(bytes.as_chunks::<8>().0) {
                    *value = f64::from_le_bytes(*word);
                }
            }
        }
        Ok(states)
    }

    /// Removes the log: the output is complete, or will never be.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn discard(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|e| Error::io(&self.path, "remove it", &e))
    }

    fn place(&self, record: u64) -> u64 {
        self.header_bytes + record * record_bytes(self.plan.cases, self.plan.components)
    }

    fn read_at(&mut self, place: u64, bytes: &mut [u8]) -> Result<()> {
        let read = self.file.seek(SeekFrom::Start(place)).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|e| Error::io(&self.path, "read it", &e))
    }

    fn write(&mut self) -> Result<()> {
        let failed = |e| Error::io(&self.path, "write it", &e);
        self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(&self.pending)).map_err(failed)?;
        self.pending.clear();
        self.written = Instant::now();
        self.writes += 1;
        if self.writes.is_multiple_of(SYNC_EVERY) {
            self.file.sync_data().map_err(failed)?;
        }
        Ok(())
    }

    fn start(&mut self, header: &[u8]) -> Result<()> {
        let failed = |e| Error::io(&self.path, "write it", &e);
        self.file.set_len(0).map_err(failed)?;
        self.pending.extend(header);
        self.write()
    }

    /// The last good record; what follows it is cut off. None in a log that is empty or has a torn header.
    fn recover(&mut self, header: &[u8]) -> Result<Option<Checkpoint>> {
        let mut reader = BufReader::with_capacity(PENDING, &self.file);
        let mut found = vec![0; header.len()];
        let length = read_up_to(&mut reader, &mut found).map_err(|e| Error::io(&self.path, "read it", &e))?;
        if found[..length] != header[..length] {
            let of = |experiment: &str| Record::new(experiment, BTreeMap::new());
            let other = experiment_of(&self.path).and_then(|other| of(&other).difference(&of(&self.plan.experiment)));
            let why = other.map_or_else(String::new, |difference| format!(" ({difference})"));
            let message = format!("is not an unfinished simulation of this experiment{why}");
            return Err(Error::exists(&self.path, message, "use --force to start afresh, or another --out"));
        }
        let bytes = record_bytes(self.plan.cases, self.plan.components) as usize;
        let (mut record, mut good) = (vec![0; bytes], Vec::new());
        while read_up_to(&mut reader, &mut record).map_err(|e| Error::io(&self.path, "read it", &e))? == bytes {
            let Some(step) = step_of(&record).filter(|&step| self.follows(step)) else { break };
            self.checkpoints += u64::from(step < self.plan.spin_up as u64);
            self.last = Some(step);
            std::mem::swap(&mut record, &mut good);
            record.resize(bytes, 0);
        }
        let Some(last) = self.last else { return Ok(None) };
        let kept = (last + 1).saturating_sub(self.plan.spin_up as u64);
        let end = self.place(self.checkpoints + kept);
        self.file.set_len(end).map_err(|e| Error::io(&self.path, "write it", &e))?;
        let values = good[8..bytes - 8].as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word)).collect();
        let states = Array2::from_shape_vec((self.plan.cases, self.plan.components), values);
        let states = states.map_err(|e| Error::content(&self.path, e.to_string()))?;
        Ok(Some((last as usize, states)))
    }

    /// Whether a record of this lead step may come next.
    fn follows(&self, step: u64) -> bool {
        let spin_up = self.plan.spin_up as u64;
        match self.last {
            Some(last) if last >= spin_up => step == last + 1,
            Some(last) => step > last && step <= spin_up,
            None => step <= spin_up,
        }
    }
}

fn record_bytes(cases: usize, components: usize) -> u64 {
    (cases as u64).saturating_mul(components as u64).saturating_add(2).saturating_mul(8)
}

/// The lead step of a record whose hash fits.
fn step_of(record: &[u8]) -> Option<u64> {
    let (content, stored) = record.split_last_chunk::<8>()?;
    let step = content.first_chunk::<8>()?;
    (hash(content) == u64::from_le_bytes(*stored)).then(|| u64::from_le_bytes(*step))
}

fn hash(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    words.fold(0xcbf2_9ce4_8422_2325, |h, word| (h ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}

fn header(plan: &LogPlan) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    let numbers = [plan.cases, plan.components, plan.spin_up, plan.experiment.len()];
    header.extend(numbers.iter().flat_map(|&number| (number as u64).to_le_bytes()));
    header.extend(plan.experiment.as_bytes());
    header
}

/// As many bytes as there are.
fn read_up_to(reader: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match reader.read(&mut bytes[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

fn lock(path: &Path) -> Result<File> {
    try_lock(path).map_err(|e| Error::io(path, "write it", &e))?.file(path, "file")
}

/// The experiment of a log, where it is one.
fn experiment_of(path: &Path) -> Option<String> {
    let mut reader = BufReader::new(File::open(path).ok()?);
    let mut start = [0; MAGIC.len() + 32];
    reader.read_exact(&mut start).ok()?;
    let (magic, numbers) = start.split_at(MAGIC.len());
    let length = u64::from_le_bytes(*numbers.last_chunk::<8>()?);
    let mut text = String::new();
    reader.take(length.min(LONGEST)).read_to_string(&mut text).ok()?;
    (magic == MAGIC).then_some(text)
}

/// The longest experiment that is read to be compared.
const LONGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> LogPlan {
        LogPlan { experiment: "seed = 1\n".into(), cases: 3, components: 2, spin_up: 4 }
    }

    fn states(step: usize) -> Array2<f64> {
        Array2::from_shape_fn((3, 2), |(case, component)| ((100 * step + 10 * case + component) as f64).sin())
    }

    /// A log with a checkpoint of the spin-up at step 2 and the kept steps 4 to 9.
    fn written(out: &Path) {
        let (mut log, checkpoint) = StateLog::open(out, plan(), false, false).unwrap();
        assert!(checkpoint.is_none());
        [2, 4, 5, 6, 7, 8, 9].iter().for_each(|&step| log.append(step, states(step).view()).unwrap());
        log.sync().unwrap();
    }

    #[test]
    fn what_was_kept_is_read_in_any_block_and_the_last_step_is_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data.nc");
        written(&out);
        let (mut log, checkpoint) = StateLog::open(&out, plan(), false, true).unwrap();
        assert_eq!(checkpoint, Some((9, states(9))));
        log.append(10, states(10).view()).unwrap();
        let block = log.read(1..3, 2..7).unwrap();
        let expected = Array3::from_shape_fn((2, 5, 2), |(case, time, i)| states(4 + 2 + time)[[1 + case, i]]);
        assert_eq!(block, expected);
        log.discard().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_torn_tail_is_cut_off_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data.nc");
        written(&out);
        let whole = std::fs::read(log_path(&out)).unwrap();
        let record = record_bytes(3, 2) as usize;
        for lost in 1..=whole.len() {
            std::fs::write(log_path(&out), &whole[..whole.len() - lost]).unwrap();
            let (_, checkpoint) = StateLog::open(&out, plan(), false, true).unwrap();
            let expected = [9, 8, 7, 6, 5, 4, 2].get(lost.div_ceil(record)).copied();
            assert_eq!(checkpoint, expected.map(|step| (step, states(step))), "{lost} bytes lost");
        }
        // A flipped bit in the record of step 7: what follows it is not trusted either.
        let mut flipped = whole.clone();
        flipped[whole.len() - 3 * record + 20] ^= 4;
        std::fs::write(log_path(&out), &flipped).unwrap();
        assert_eq!(StateLog::open(&out, plan(), false, true).unwrap().1, Some((6, states(6))));
    }

    #[test]
    fn another_experiment_another_process_and_a_forgotten_flag_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data.nc");
        written(&out);
        let refused = |plan: LogPlan, resume: bool, says: &str| {
            let error = StateLog::open(&out, plan, false, resume).unwrap_err();
            assert!(matches!(error, Error::Exists(_)) && error.to_string().contains(says), "{error}");
        };
        refused(plan(), false, "use --resume");
        let other = || LogPlan { experiment: "seed = 2\n".into(), ..plan() };
        refused(other(), true, "not an unfinished simulation of this");
        refused(other(), true, "it has `seed = 1`, this one `seed = 2`");
        let held = StateLog::open(&out, plan(), false, true).unwrap();
        refused(plan(), true, "another process");
        drop(held);
        assert!(StateLog::open(&out, plan(), true, false).unwrap().1.is_none());
    }
}
