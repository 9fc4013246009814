//! Trajectories of an experiment: simulated or the user's own, cut into training, validation and test by trajectory, with
//! the climate that the training ones show; the log of a long simulation, and the files of both.
//!
//! Nothing here knows forecasters or methods.

mod climate;
pub mod export;
mod file;
pub mod health;
mod held;
mod history;
mod leaks;
mod logged;
mod source;
mod split;

pub use climate::TrainingClimate;
pub use file::write_trajectories;
pub use held::look_through;
pub use history::Pasts;
pub use leaks::{leaks, leaks_of, shared_states};
pub use logged::{LoggedSimulation, needs};
pub use source::{Said, geometry, said_in, same_step, simulated, state_dim, step_of, trajectories};
pub use split::{SplitParameters, SplitTrajectories, held_by};
