//! Where the models of a run are kept.

use std::path::PathBuf;

use crate::failure::Result;
use crate::stage::file_name::file_stem;
use crate::stage::output::make_folder;

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

    /// Makes both folders.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make(&self) -> Result<()> {
        make_folder(&self.models)?;
        make_folder(&self.checkpoints)
    }
}
