//! The log of one training, in a folder of its own: `events.jsonl`, an object a line, and the same figures as a file of
//! TensorBoard, `events.out.tfevents.0.scorecast`. Both grow as the training goes, so that they can be looked at meanwhile.
//!
//! They tell of clocks, which nothing else that is written does: two equal trainings have equal steps, losses and norms, and
//! other seconds. A training that is gone on with from step s keeps what was logged up to s and writes the rest anew: each
//! step stands once. What a killed process left of a last line is dropped with it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::{tensorboard, write_atomic};

/// The file of lines.
pub const EVENTS: &str = "events.jsonl";

/// The file of TensorBoard. Its name has no clock: two trainings that begin in one second must not share a file, and one
/// that goes on must find its own.
pub const TENSORBOARD: &str = "events.out.tfevents.0.scorecast";

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedEvent {
    /// The training step.
    pub step: u64,
    /// Mean training loss since the line before.
    pub loss: Option<f64>,
    /// Validation loss of the averaged weights; none where nothing is validated.
    pub validation: Option<f64>,
    /// The norm of the last gradient, before it is clipped.
    pub gradient_norm: Option<f64>,
    /// The learning rate of the last step.
    pub learning_rate: Option<f64>,
    /// Training pairs a second since the line before.
    pub samples_per_second: Option<f64>,
    /// Seconds since 1970.
    pub time: f64,
}

impl LoggedEvent {
    fn line(&self, path: &Path) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self).map_err(|error| Error::content(path, error.to_string()))?;
        line.push(b'\n');
        Ok(line)
    }

    fn record(&self) -> Vec<u8> {
        let values = [
            ("loss/train", self.loss),
            ("loss/validation", self.validation),
            ("gradient_norm", self.gradient_norm),
            ("learning_rate", self.learning_rate),
            ("samples_per_second", self.samples_per_second),
        ];
        let known: Vec<(&str, f64)> = values.into_iter().filter_map(|(tag, value)| Some((tag, value?))).collect();
        tensorboard::scalars(self.time, self.step, &known)
    }
}

/// The two files of a training that is under way.
#[derive(Debug)]
pub struct TrainingLog {
    lines: (PathBuf, File),
    records: (PathBuf, File),
}

impl TrainingLog {
    /// The log in `folder` (which exists) of a training that begins, or goes on, after `step` steps; `time` is now, in
    /// seconds since 1970.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(folder: &Path, step: u64, time: f64) -> Result<Self> {
        let (lines, records) = (folder.join(EVENTS), folder.join(TENSORBOARD));
        let kept: Vec<LoggedEvent> = read(folder)?.into_iter().take_while(|event| event.step <= step).collect();
        let text: Vec<Vec<u8>> = kept.iter().map(|event| event.line(&lines)).collect::<Result<_>>()?;
        write_atomic(&lines, &text.concat())?;
        let first = kept.first().map_or(time, |event| event.time);
        let framed: Vec<Vec<u8>> =
            std::iter::once(tensorboard::version(first)).chain(kept.iter().map(LoggedEvent::record)).collect();
        write_atomic(&records, &framed.concat())?;
        let grow = |path: PathBuf| match OpenOptions::new().append(true).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(Error::io(&path, "write it", &error)),
        };
        Ok(Self { lines: grow(lines)?, records: grow(records)? })
    }

    /// Adds an event to both files.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&mut self, event: &LoggedEvent) -> Result<()> {
        let line = event.line(&self.lines.0)?;
        for ((path, file), bytes) in [(&mut self.lines, line), (&mut self.records, event.record())] {
            file.write_all(&bytes).map_err(|error| Error::io(path, "write it", &error))?;
        }
        Ok(())
    }
}

/// The events that a folder holds, up to the first line that is none; none where there is no log.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(folder: &Path) -> Result<Vec<LoggedEvent>> {
    let path = folder.join(EVENTS);
    match std::fs::read(&path) {
        Ok(bytes) => {
            Ok(bytes.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io(&path, "read it", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(step: u64) -> LoggedEvent {
        let some = |x: f64| Some(x * step as f64);
        let (validation, samples_per_second) = (None, some(3.0));
        LoggedEvent {
            step,
            loss: some(0.5),
            validation,
            gradient_norm: some(2.0),
            learning_rate: some(1e-3),
            samples_per_second,
            time: 1e9 + step as f64,
        }
    }

    /// The steps of the records of a file of TensorBoard, whose frames must be whole.
    fn steps(folder: &Path) -> Vec<u64> {
        let (bytes, mut at, mut steps) = (std::fs::read(folder.join(TENSORBOARD)).unwrap(), 0, Vec::new());
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            let event = &bytes[at + 12..at + 12 + length];
            // time is 9 bytes; a step is the varint of field 2, the version of the file field 3
            if event[9] == 16 {
                let digits = event[10..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
                let step = event[10..10 + digits].iter().rev().fold(0, |step, byte| step << 7 | u64::from(byte & 0x7f));
                steps.push(step);
            }
            at += 16 + length;
        }
        assert_eq!(at, bytes.len());
        steps
    }

    #[test]
    fn a_training_that_was_killed_and_goes_on_has_each_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = TrainingLog::open(folder.path(), 0, 1e9).unwrap();
        (1..=70).for_each(|step| log.add(&event(step)).unwrap());
        // half of a line and half of a record, as a killed process leaves them
        for (name, half) in [(EVENTS, &b"{\"step\":71,\"lo"[..]), (TENSORBOARD, &[30, 0, 0, 0][..])] {
            let mut file = OpenOptions::new().append(true).open(folder.path().join(name)).unwrap();
            file.write_all(half).unwrap();
        }
        let mut log = TrainingLog::open(folder.path(), 50, 2e9).unwrap();
        (51..=100).for_each(|step| log.add(&event(step)).unwrap());
        let all: Vec<u64> = (1..=100).collect();
        assert_eq!(steps(folder.path()), all);
        assert_eq!(read(folder.path()).unwrap(), all.iter().map(|step| event(*step)).collect::<Vec<_>>());
        // a training that begins anew has nothing of the one before
        TrainingLog::open(folder.path(), 0, 3e9).unwrap();
        assert!(read(folder.path()).unwrap().is_empty() && steps(folder.path()).is_empty());
    }
}
