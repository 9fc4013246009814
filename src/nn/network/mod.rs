//! Neural networks: one file each, one line in [`NETWORKS`].

mod causal;
mod composite;
mod conv;
mod conv2d;
mod filmed;
mod fourier_mlp;
mod grid;
mod layer_by_layer;
mod mlp;
mod neural_network;
mod normed_mlp;
mod pyramid;
mod residual;
mod sizes;
mod tokens;
mod transformer;
mod unet;
mod unet2d;
mod usual;

use candle_core::DType;
use scorecast_systems::registry::find;
use scorecast_systems::{Entry, Key};

use composite::Composite;
use filmed::trunk;

use super::ops::Processor;
pub use super::ops::trunk::Operations;
pub use causal::{Causal, CausalLayer, Stepwise};
pub use filmed::Film;
pub use grid::Grid;
pub use neural_network::{NetworkBuild, NetworkConfig, NeuralNetwork};
pub use usual::{HEADS, RESOLUTIONS};

use super::weights::{Given, Source, Tensors, Weights};
use super::{Error, Result};

/// Every network, in the order in which they are listed.
pub const NETWORKS: &[Entry<NetworkBuild>] = &[
    mlp::ENTRY,
    conv::ENTRY,
    conv2d::ENTRY,
    unet::ENTRY,
    unet2d::ENTRY,
    transformer::ENTRY,
    fourier_mlp::ENTRY,
    normed_mlp::ENTRY,
];

impl NetworkConfig {
    /// The network with tensors from a source.
    ///
    /// # Errors
    /// When there is no such network, or the source does not have its tensors.
    pub fn network(&self, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
        let known = find(NETWORKS, "neural network", &self.kind).map_err(|error| Error::Model(error.to_string()))?;
        if let Some((key, problem)) = (known.build.refuses)(self) {
            return Err(Error::Model(format!("the `{key}` of a {} network {problem}", self.kind)));
        }
        match (self.copies, &self.causal) {
            (1, None) => trunk(self, &known.build, source),
            _ => Ok(Box::new(Composite::new(self, &known.build, source)?)),
        }
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
        self.frozen_on(weights, &Processor::Cpu)
    }

    /// The network with these weights, as plain tensors of a processor.
    ///
    /// # Errors
    /// When the weights are not those of this network.
    pub fn frozen_on(&self, weights: &Weights, processor: &Processor) -> Result<Box<dyn NeuralNetwork>> {
        let tensors = weights.frozen_on(processor.device(), DType::F32)?;
        let mut given = Given { tensors, processor: processor.clone() };
        let network = self.network(&mut given)?;
        match given.tensors.keys().next() {
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
