//! Progress of one training: said with the name of its forecaster, and logged in a folder of its own.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::failure::Result;
use crate::progress::{Progress, TrainingEvent};
use crate::stage::output::make_folder;
use crate::store::training_log::{LoggedEvent, TrainingLog};

/// Progress that says which forecaster it is about, and keeps the log of its training.
pub struct LoggedProgress<'a> {
    inner: &'a dyn Progress,
    label: &'a str,
    /// Where the log is kept, if anywhere.
    folder: Option<PathBuf>,
    log: Mutex<Log>,
}

/// The log, and since when it waits for an event.
struct Log {
    open: Option<TrainingLog>,
    since: Instant,
    /// Why it could not be written.
    failed: Option<crate::failure::Failure>,
}

impl<'a> LoggedProgress<'a> {
    /// Of a forecaster whose training is logged in `folder`, if that is given.
    pub fn new(inner: &'a dyn Progress, label: &'a str, folder: Option<PathBuf>) -> Self {
        let log = Log { open: None, since: Instant::now(), failed: None };
        Self { inner, label, folder, log: Mutex::new(log) }
    }

    /// Says whether all was logged.
    ///
    /// # Errors
    /// When the system refused to write.
    pub fn finished(&self) -> Result<()> {
        let failed = self.log.lock().ok().and_then(|mut log| log.failed.take());
        failed.map_or(Ok(()), Err)
    }

    /// Opens the log of a training that goes on after `step` steps; one that is open goes on.
    fn open(&self, step: u64) -> Result<Option<TrainingLog>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        make_folder(folder)?;
        Ok(Some(TrainingLog::open(folder, step, now())?))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Progress for LoggedProgress<'_> {
    fn start(&self, what: &str, total: u64) {
        self.inner.start(&format!("{what} {}", self.label), total);
    }

    fn at(&self, done: u64, note: &str) {
        self.inner.at(done, note);
    }

    fn finish(&self) {
        self.inner.finish();
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }

    fn trained(&self, step: u64) {
        let Ok(mut log) = self.log.lock() else { return };
        log.since = Instant::now();
        match self.open(step) {
            Ok(open) => log.open = open,
            Err(failure) => log.failed = Some(failure),
        }
    }

    fn training(&self, event: TrainingEvent) {
        let Ok(mut log) = self.log.lock() else { return };
        let seconds = log.since.elapsed().as_secs_f64();
        log.since = Instant::now();
        let known = |value: f64| Some(value).filter(|value| value.is_finite());
        let logged = LoggedEvent {
            step: event.point.step,
            loss: known(event.point.train),
            validation: known(event.point.valid),
            gradient_norm: known(event.gradient_norm),
            learning_rate: known(event.learning_rate),
            samples_per_second: known(event.pairs as f64 / seconds),
            time: now(),
        };
        let written = log.open.as_mut().map_or(Ok(()), |open| open.add(&logged));
        if let Err(error) = written {
            log.open = None;
            log.failed = Some(error.into());
        }
    }
}
