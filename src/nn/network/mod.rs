//! Neural networks: one file each, one line in [`NETWORKS`].

mod conv;
mod conv2d;
mod mlp;
mod neural_network;
mod residual;

use candle_core::DType;
use scorecast_systems::registry::find;
use scorecast_systems::{Entry, Key};

pub use neural_network::{Grid, NetworkBuild, NetworkConfig, NeuralNetwork};

use super::weights::{Given, Source, Tensors, Weights};
use super::{Error, Result};

/// Every network, in the order in which they are listed.
pub const NETWORKS: &[Entry<NetworkBuild>] = &[mlp::ENTRY, conv::ENTRY, conv2d::ENTRY];

impl NetworkConfig {
    /// The network with tensors from a source.
    ///
    /// # Errors
    /// When there is no such network, or the source does not have its tensors.
    pub fn network(&self, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
        let known = find(NETWORKS, "neural network", &self.kind).map_err(|error| Error::Model(error.to_string()))?;
        (known.build.make)(self, source)
    }

    /// Draws the initial weights of the network.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn seeded(&self, key: Key) -> Result<Weights> {
        Weights::seeded(key, |source| self.network(source))
    }

    /// The network with these weights, as plain tensors.
    ///
    /// # Errors
    /// When the weights are not those of this network.
    pub fn frozen(&self, weights: &Weights) -> Result<Box<dyn NeuralNetwork>> {
        let mut given = Given(weights.frozen(DType::F32)?);
        let network = self.network(&mut given)?;
        match given.0.keys().next() {
            Some(path) => {
                Err(Error::Model(format!("the weight `{path}` is no part of the network; the model is damaged")))
            }
            None => Ok(network),
        }
    }

    /// The network with these tensors.
    ///
    /// # Errors
    /// When they are not those of this network.
    pub fn from_tensors(&self, tensors: &Tensors) -> Result<Box<dyn NeuralNetwork>> {
        self.network(&mut tensors.clone())
    }
}

#[cfg(test)]
pub(crate) mod tests;
