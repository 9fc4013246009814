//! A network of several trunks of one description, each with weights of its own (`trunk.00.`, `trunk.01.`, ...), or of a
//! trunk with a causal layer behind it (`causal.`), or of both. What becomes of them together is a matter of the objective.

use std::ops::Range;

use candle_core::{DType, Tensor};

use super::causal::CausalLayer;
use super::filmed::trunk;
use super::{NetworkBuild, NetworkConfig, NeuralNetwork, Operations};
use crate::nn::init::Init;
use crate::nn::ops::Processor;
use crate::nn::ops::trunk::Shard;
use crate::nn::weights::Source;
use crate::nn::{Error, Result};

/// Trunks, and what stands behind them.
#[derive(Debug)]
pub(super) struct Composite {
    config: NetworkConfig,
    trunks: Vec<Box<dyn NeuralNetwork>>,
    causal: Option<CausalLayer>,
}

/// A source whose paths all begin alike.
pub(super) struct Prefixed<'a> {
    pub source: &'a mut dyn Source,
    pub prefix: String,
}

impl Source for Prefixed<'_> {
    fn tensor(&mut self, path: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        self.source.tensor(&format!("{}{path}", self.prefix), shape, init)
    }

    fn gathered(&mut self, paths: &[String]) -> Option<(Shard, Vec<Range<usize>>)> {
        self.source.gathered(&paths.iter().map(|path| format!("{}{path}", self.prefix)).collect::<Vec<_>>())
    }

    fn constant(&mut self, shape: &[usize], make: &mut dyn FnMut(usize) -> Vec<f32>) -> Result<Tensor> {
        self.source.constant(shape, make)
    }

    fn processor(&self) -> Processor {
        self.source.processor()
    }
}

impl Composite {
    /// Takes the tensors of all from a source.
    ///
    /// # Errors
    /// When there is no trunk, or the source does not have its tensors.
    pub fn new(config: &NetworkConfig, build: &NetworkBuild, source: &mut dyn Source) -> Result<Self> {
        if config.copies == 0 {
            return Err(Error::Model("a network of 0 trunks gives nothing; its description is damaged".to_owned()));
        }
        let several = config.copies > 1;
        let made = |index: usize| {
            let prefix = if several { format!("trunk.{index:02}.") } else { String::new() };
            trunk(config, build, &mut Prefixed { source: &mut *source, prefix })
        };
        let trunks = (0..config.copies).map(made).collect::<Result<_>>()?;
        let causal = config.causal.map(|causal| CausalLayer::new(causal, config, source)).transpose()?;
        Ok(Self { config: config.clone(), trunks, causal })
    }
}

impl NeuralNetwork for Composite {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// What the first trunk gives.
    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        self.trunks[0].forward(x, levels)
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let behind = self.causal.iter().flat_map(CausalLayer::tensors);
        self.trunks.iter().flat_map(|trunk| trunk.tensors()).chain(behind).collect()
    }

    /// Of all trunks, one after the other: those behind the first are given what hangs on the ones before.
    fn operations(&self) -> Operations {
        let one = self.trunks[0].operations();
        let count = self.trunks.len() as f64;
        let behind = self.causal.as_ref().map_or(0.0, |causal| causal.operations(self.config.components));
        let inputs = one.whole_training() - one.training;
        Operations {
            evaluation: count * one.evaluation + behind,
            level: count * one.level,
            training: count * one.training + (count - 1.0) * inputs + 3.0 * behind,
        }
    }

    fn chunk(&self) -> usize {
        self.trunks[0].chunk()
    }

    fn dtype(&self) -> DType {
        self.trunks[0].dtype()
    }

    fn trunk(&self, index: usize) -> Option<&dyn NeuralNetwork> {
        self.trunks.get(index).map(AsRef::as_ref)
    }

    fn causal(&self) -> Option<&CausalLayer> {
        self.causal.as_ref()
    }
}
