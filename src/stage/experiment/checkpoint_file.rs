//! The checkpoint of one training, in a file, with what it is made from and how many seconds went into it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use super::load::MODEL_BYTES;
use super::provenance::difference;
use crate::failure::{Failure, FailureKind, Result};
use crate::model::{Checkpoints, Model, Provenance, Tensor, Values};
use crate::store;

/// The array of the seconds.
const SECONDS: &str = "seconds";

/// The file of a checkpoint.
pub struct CheckpointFile {
    path: PathBuf,
    made_from: Provenance,
    begun: Instant,
    /// Seconds before this process went on with it.
    before: Mutex<f64>,
}

impl CheckpointFile {
    /// The file of a training that begins, or goes on, now.
    pub fn new(path: PathBuf, made_from: Provenance) -> Self {
        Self { path, made_from, begun: Instant::now(), before: Mutex::new(0.0) }
    }

    /// Wall-clock seconds that went into the training, those of processes before this one too.
    pub fn seconds(&self) -> f64 {
        self.before.lock().map_or(0.0, |before| *before) + self.begun.elapsed().as_secs_f64()
    }

    /// Removes it, where it is there.
    ///
    /// # Errors
    /// [`FailureKind::Io`].
    pub fn discard(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::new(FailureKind::Io, format!("cannot remove the old checkpoint: {error}"))
                    .at(self.path.display().to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl Checkpoints for CheckpointFile {
    fn load(&self) -> Result<Option<Model>, String> {
        if !self.path.exists() {
            return Ok(None);
        }
        let limits = store::Limits::bytes(MODEL_BYTES);
        let mut saved = store::model::read(&self.path, &limits).map_err(|error| error.to_string())?;
        let other = saved.made_from.as_ref().and_then(|was| difference(was, &self.made_from));
        if let Some(other) = other {
            return Err(format!(
                "{}: is the checkpoint of another training: {other}; resume with what it was made with, or remove it to \
                 train anew",
                self.path.display()
            ));
        }
        if let Some(Values::F64(seconds)) = saved.tensors.remove(SECONDS).map(|tensor| tensor.values)
            && let Ok(mut before) = self.before.lock()
        {
            *before = seconds.first().copied().unwrap_or(0.0);
        }
        Ok(Some(saved))
    }

    fn save(&self, mut state: Model) -> Result<(), String> {
        state.made_from = Some(self.made_from.clone());
        let seconds = Tensor { shape: vec![1], values: Values::F64(vec![self.seconds()]) };
        state.tensors.insert(SECONDS.to_owned(), seconds);
        store::model::write(&self.path, &state).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn made_from(seed: u64) -> Provenance {
        Provenance {
            seed,
            system: None,
            settings: serde_json::Map::new(),
            dt: 0.1,
            unit: "model time".into(),
            unit_seconds: None,
            components: 2,
            geometry: "ring".into(),
            data: "ab".into(),
        }
    }

    #[test]
    fn the_seconds_of_all_processes_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = || CheckpointFile::new(folder.path().join("a.checkpoint"), made_from(1));
        let tensors = BTreeMap::from([("m".into(), Tensor { shape: vec![1], values: Values::F32(vec![1.0]) })]);
        let state = Model { kind: "checkpoint".into(), config: "identity".into(), made_from: None, tensors };
        let mut least = 0.0;
        for _ in 0..3 {
            let leg = file();
            let saved = leg.load().unwrap();
            assert!(saved.is_none_or(|saved| saved.tensors == state.tensors && saved.config == state.config));
            std::thread::sleep(Duration::from_millis(30));
            leg.save(state.clone()).unwrap();
            least += 0.03;
            assert!(leg.seconds() >= least, "{} s after {least} s", leg.seconds());
        }
        // a training of its own, and its time
        file().discard().unwrap();
        let fresh = file();
        assert!(fresh.load().unwrap().is_none() && fresh.seconds() < least);
    }

    #[test]
    fn the_checkpoint_of_another_training_is_refused_with_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let of = |seed| CheckpointFile::new(folder.path().join("a.checkpoint"), made_from(seed));
        let state = Model { kind: "c".into(), config: "i".into(), made_from: None, tensors: BTreeMap::new() };
        of(1).save(state.clone()).unwrap();
        let said = of(2).load().unwrap_err();
        assert!(said.contains("another training") && said.contains("its seed is 1, and here 2"), "{said}");
        assert!(of(1).load().unwrap().is_some());
    }
}
