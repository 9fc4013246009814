//! A network of several trunks of one description, each with weights of its own (`trunk.00.`, `trunk.01.`, ...), or of a
//! trunk with a causal layer behind it (`causal.`), or of both. What becomes of them together is a matter of the objective.

use candle_core::{DType, Tensor};

use super::causal::CausalLayer;
use super::{NetworkConfig, NeuralNetwork};
use crate::nn::init::Init;
use crate::nn::weights::Source;
use crate::nn::{Error, Result};

/// Trunks, and what stands behind them.
#[derive(Debug)]
pub(super) struct Composite {
    config: NetworkConfig,
    trunks: Vec<Box<dyn NeuralNetwork>>,
    causal: Option<CausalLayer>,
}

/// Makes one trunk.
type Make = fn(&NetworkConfig, &mut dyn Source) -> Result<Box<dyn NeuralNetwork>>;

/// A source whose paths all begin alike.
struct Prefixed<'a> {
    source: &'a mut dyn Source,
    prefix: String,
}

impl Source for Prefixed<'_> {
    fn tensor(&mut self, path: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        self.source.tensor(&format!("{}{path}", self.prefix), shape, init)
    }
}

impl Composite {
    /// Takes the tensors of all from a source.
    ///
    /// # Errors
    /// When there is no trunk, or the source does not have its tensors.
    pub fn new(config: &NetworkConfig, make: Make, source: &mut dyn Source) -> Result<Self> {
        if config.copies == 0 {
            return Err(Error::Model("a network of 0 trunks gives nothing; its description is damaged".to_owned()));
        }
        let several = config.copies > 1;
        let trunk = |index: usize| {
            let prefix = if several { format!("trunk.{index:02}.") } else { String::new() };
            make(config, &mut Prefixed { source: &mut *source, prefix })
        };
        let trunks = (0..config.copies).map(trunk).collect::<Result<_>>()?;
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
