//! Training objectives: one file each, one line in [`OBJECTIVES`].
//!
//! An objective is a loss of a network's output on some steps, and by that what the output means. Where it is the
//! denoiser of the increment, the objective gives the [`Preconditioning`] that its loss and the denoiser share.

mod denoising;
mod likelihood;
mod preconditioning;
mod velocity;

use candle_core::Tensor;
use scorecast_systems::{Entry, Key, Level, Param, Purpose, Settings, Stream};

pub use likelihood::log_variance;
pub use preconditioning::Preconditioning;

use super::data::Batch;
use super::{NeuralNetwork, Result};

/// Every objective, in the order in which they are listed.
pub const OBJECTIVES: &[Entry<ObjectiveBuild>] = &[likelihood::ENTRY, denoising::ENTRY, velocity::ENTRY];

/// What a network is trained for.
pub trait Objective: Send + Sync {
    /// The mean loss over these steps, a scalar tensor.
    ///
    /// # Errors
    /// When Candle fails.
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor>;
}

/// How an objective is made, and what its network takes and gives.
#[derive(Clone, Copy)]
pub struct ObjectiveBuild {
    /// What the network takes and gives for each component.
    pub fields: Fields,
    /// Makes it with the settings of the forecaster, which has those of the entry among its own.
    pub make: fn(&Settings) -> Box<dyn Objective>,
    /// From the network's output to D(x_t), at a level; none where the network is no denoiser.
    pub preconditioning: Option<fn(Level) -> Preconditioning>,
}

/// What a network takes and gives for each component.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Input fields.
    pub inputs: usize,
    /// Output fields.
    pub outputs: usize,
    /// Whether it is given a noise level.
    pub time_features: bool,
}

/// The random numbers of some rows of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: Key,
    first: u64,
}

impl Draws {
    /// The rows from `first` on of a batch whose noise is at `key`.
    pub fn new(key: Key, first: u64) -> Self {
        Self { key: key.purpose(Purpose::DiffusionNoise), first }
    }

    /// The stream of the i-th of these rows.
    pub fn stream(&self, i: usize) -> Stream {
        self.key.stream(self.first + i as u64)
    }
}

const fn denoises(entry: &Entry<ObjectiveBuild>) -> bool {
    entry.build.preconditioning.is_some()
}

/// How many objectives give a denoiser, and how many settings they have together.
pub const DENOISERS: (usize, usize) = {
    let (mut names, mut settings, mut i) = (0, 0, 0);
    while i < OBJECTIVES.len() {
        if denoises(&OBJECTIVES[i]) {
            names += 1;
            settings += OBJECTIVES[i].params.len();
        }
        i += 1;
    }
    (names, settings)
};

/// The names of the objectives that give a denoiser.
pub const DENOISER_NAMES: [&str; DENOISERS.0] = {
    let (mut names, mut count, mut i) = ([""; DENOISERS.0], 0, 0);
    while i < OBJECTIVES.len() {
        if denoises(&OBJECTIVES[i]) {
            names[count] = OBJECTIVES[i].name;
            count += 1;
        }
        i += 1;
    }
    names
};

/// The settings of the objectives that give a denoiser.
pub const DENOISER_SETTINGS: [Param; DENOISERS.1] = {
    let (mut settings, mut count, mut i) = ([Param::flag("", ""); DENOISERS.1], 0, 0);
    while i < OBJECTIVES.len() {
        let mut own = 0;
        while denoises(&OBJECTIVES[i]) && own < OBJECTIVES[i].params.len() {
            settings[count] = OBJECTIVES[i].params[own];
            count += 1;
            own += 1;
        }
        i += 1;
    }
    settings
};

#[cfg(test)]
mod tests;
