//! The checkpoint of one training, in a file.

use std::path::PathBuf;

use super::load::MODEL_BYTES;
use crate::failure::{Failure, FailureKind, Result};
use crate::model::{Checkpoints, Model};
use crate::store;

/// The file of a checkpoint.
pub struct CheckpointFile(pub PathBuf);

impl CheckpointFile {
    /// Removes it, where it is there.
    ///
    /// # Errors
    /// [`FailureKind::Io`].
    pub fn discard(&self) -> Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::new(FailureKind::Io, format!("cannot remove the old checkpoint: {error}"))
                    .at(self.0.display().to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl Checkpoints for CheckpointFile {
    fn load(&self) -> Result<Option<Model>, String> {
        if !self.0.exists() {
            return Ok(None);
        }
        store::model::read(&self.0, &store::Limits::bytes(MODEL_BYTES)).map(Some).map_err(|error| error.to_string())
    }

    fn save(&self, state: &Model) -> Result<(), String> {
        store::model::write(&self.0, state).map_err(|error| error.to_string())
    }
}
