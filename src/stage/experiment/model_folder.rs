//! Where the models of a run are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::failure::{Failure, FailureKind, Result};
use crate::stage::file_name::file_stem;
use crate::stage::output::make_folder;
use crate::store;

/// What a finished training took, by label: kept as long as the run is unfinished, for one that goes on with it.
const SECONDS: &str = ".seconds.json";

/// The folders of models and of checkpoints, a file a label in each.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    /// The folder of finished models.
    pub models: PathBuf,
    /// The folder of checkpoints.
    pub checkpoints: PathBuf,
}

impl ModelFolder {
    /// The file of a finished model.
    pub fn model(&self, label: &str) -> PathBuf {
        self.models.join(format!("{}.safetensors", file_stem(label)))
    }

    /// The file of an unfinished training.
    pub fn checkpoint(&self, label: &str) -> PathBuf {
        self.checkpoints.join(format!("{}.checkpoint", file_stem(label)))
    }

    /// The folder of the log of a training.
    pub fn log(&self, label: &str) -> PathBuf {
        self.models.join("training").join(file_stem(label))
    }

    /// Makes both folders.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make(&self) -> Result<()> {
        make_folder(&self.models)?;
        make_folder(&self.checkpoints)
    }

    /// The seconds of a training that an earlier process finished in this run.
    pub fn seconds(&self, label: &str) -> Option<f64> {
        self.all_seconds().get(label).copied()
    }

    /// Notes the seconds of a training that is finished.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn note_seconds(&self, label: &str, seconds: f64) -> Result<()> {
        let mut all = self.all_seconds();
        all.insert(label.to_owned(), seconds);
        let text = serde_json::to_string(&all).map_err(|error| Failure::new(FailureKind::Bug, error.to_string()))?;
        Ok(store::write_atomic(&self.checkpoints.join(SECONDS), text.as_bytes())?)
    }

    fn all_seconds(&self) -> BTreeMap<String, f64> {
        let text = std::fs::read_to_string(self.checkpoints.join(SECONDS)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Removes what only an unfinished run needs.
    pub fn finish(&self) {
        let _ = std::fs::remove_file(self.checkpoints.join(SECONDS));
        if self.checkpoints != self.models {
            let _ = std::fs::remove_dir(&self.checkpoints);
        }
    }
}
