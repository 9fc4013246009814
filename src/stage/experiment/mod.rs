//! The prepared experiment: trajectories, their climate, and the forecasters fitted to them, which every stage starts from.
//!
//! [`Experiment::prepare`] makes all of it once. Models and checkpoints are files of a [`ModelFolder`].
//! Nothing here knows scores or methods.

mod checkpoint_file;
mod fitted;
mod load;
mod logged_progress;
mod model_folder;
mod prepare;
mod provenance;

pub use fitted::FittedForecaster;
pub use load::{kind_of_model, load, made_from, read as read_model, rebuild};
pub use model_folder::ModelFolder;
pub use prepare::{Experiment, with_models};
pub use provenance::Service;
