//! What a training objective is.

use candle_core::Tensor;
use ndarray::Array2;
use scorecast_systems::{Level, Settings};

use super::Fields;
use super::draws::Draws;
use super::preconditioning::Preconditioning;
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

/// What a network is trained for.
pub trait Objective: Send + Sync {
    /// The mean loss over these steps, a scalar tensor.
    ///
    /// # Errors
    /// When Candle fails.
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor>;

    /// Whether the loss of a step depends on what is drawn for it, so that a step has something to say more than once.
    fn draws(&self) -> bool {
        false
    }

    /// Whether the loss means something of pairs that are not trained on; otherwise nothing is validated.
    fn validates(&self) -> bool {
        true
    }
}

/// What a network gives for the states of a batch alone, and its increments z, `[row, component, field]` each.
pub(super) fn given_states(network: &dyn NeuralNetwork, batch: &Batch) -> Result<(Tensor, Tensor)> {
    let of = |values: &Array2<f64>| network.input(&[values.view()]);
    Ok((network.forward(&of(&batch.states)?, None)?, of(&batch.increments)?))
}

/// How an objective is made, and what its network takes and gives.
#[derive(Clone, Copy)]
pub struct ObjectiveBuild {
    /// What the network takes and gives for each component, with the settings of the forecaster, for states of so many
    /// components.
    pub fields: fn(&Settings, usize) -> Fields,
    /// Makes it with the settings of the forecaster, which has those of the entry among its own.
    pub make: fn(&Settings) -> Box<dyn Objective>,
    /// From the network's output to D(x_t), at a level; none where the network is no denoiser.
    pub preconditioning: Option<fn(Level) -> Preconditioning>,
}
