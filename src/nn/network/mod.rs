//! Neural networks: one file each, one line in [`NETWORKS`].

mod causal;
mod composite;
mod conv;
mod conv2d;
mod fourier_mlp;
mod grid;
mod layer_by_layer;
mod mlp;
mod neural_network;
mod normed_mlp;
mod pyramid;
mod residual;
mod tokens;
mod transformer;
mod unet;
mod unet2d;
mod usual;

use candle_core::DType;
use scorecast_systems::registry::find;
use scorecast_systems::{Entry, Key};

use composite::Composite;

use super::ops::Processor;
pub use super::ops::trunk::Operations;
pub use causal::{Causal, CausalLayer, Stepwise};
pub use grid::Grid;
pub use neural_network::{NetworkBuild, NetworkConfig, NeuralNetwork};
pub use usual::{HEADS, RESOLUTIONS};

use super::weights::{Counted, Given, Source, Tensors, Weights};
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
            (1, None) => (known.build.make)(self, source),
            _ => Ok(Box::new(Composite::new(self, known.build.make, source)?)),
        }
    }

    /// How many parameters the network has; none of them is drawn. The largest number there is stands for all that are
    /// larger. Blocks have the same number each, so that those beyond the second are not gone through.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn parameters(&self) -> Result<usize> {
        let count = |blocks: usize| -> Result<usize> {
            let mut counted = Counted::default();
            Self { blocks, ..self.clone() }.network(&mut counted)?;
            Ok(counted.0)
        };
        let (one, two) = (count(self.blocks.min(1))?, count(self.blocks.min(2))?);
        Ok(two.saturating_add((two - one).saturating_mul(self.blocks.saturating_sub(2))))
    }

    /// Floating-point operations of the network; nothing of it is drawn. Blocks have the same number each, so that those
    /// beyond the second are not gone through.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn operations(&self) -> Result<Operations> {
        let of = |blocks: usize| -> Result<Operations> {
            Ok(Self { blocks, ..self.clone() }.network(&mut Counted::default())?.operations())
        };
        let (one, two) = (of(self.blocks.min(1))?, of(self.blocks.min(2))?);
        let more = self.blocks.saturating_sub(2) as f64;
        let all = |of: fn(&Operations) -> f64| of(&two) + more * (of(&two) - of(&one));
        Ok(Operations { evaluation: all(|o| o.evaluation), level: all(|o| o.level), training: all(|o| o.training) })
    }

    /// The width at which the network has nearest to so many parameters; its own where these are beyond all numbers.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn nearest_width(&self, parameters: usize) -> Result<usize> {
        let count = |width: usize| Self { width, ..self.clone() }.parameters();
        if parameters == usize::MAX {
            return Ok(self.width);
        }
        let mut width = 1;
        while count(width + 1)? <= parameters {
            width += 1;
        }
        let nearer = count(width + 1)?.abs_diff(parameters) < count(width)?.abs_diff(parameters);
        Ok(width + usize::from(nearer))
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
