//! The trunk that the networks of this folder share: they differ in how positions are mixed ([`Mixing`]).
//!
//! With h_0 = stem(x), for each block h <- h + second(silu((1 + g) first(h) + s)), and out = head(h). The gain g and shift
//! s (FiLM, Perez et al. 2018) are affine in an embedding of the noise level, and 0 where there is none. There is no
//! activation on the way from stem to head, so that an affine map is learned at once.
//!
//! The head, `second` and the FiLM start at zero or small, so that training starts from the zero function.

use candle_core::{DType, Device, Tensor};

use super::{NetworkConfig, NeuralNetwork};
use crate::nn::Result;
use crate::nn::init::Init;
use crate::nn::level::{FEATURES, features};
use crate::nn::ops::{Activation, linear, modulate};
use crate::nn::weights::Source;

/// How stem, first and second mix positions.
#[derive(Clone, Debug)]
pub(super) struct Mixing {
    /// The positions that channels stand on, direction by direction; none where all components are channels.
    pub positions: Vec<usize>,
    /// The positions that one output sees, direction by direction.
    pub kernel: Vec<usize>,
    /// a(x * w + b): x `[batch, positions, inputs]`, w `[outputs, kernel, inputs]`, b `[outputs]`.
    pub apply: fn(&Tensor, &Tensor, &Tensor, Activation) -> candle_core::Result<Tensor>,
    /// Members of one pass (see [`NeuralNetwork::chunk`]).
    pub chunk: usize,
}

impl Mixing {
    /// The shape of a weight.
    fn weight(&self, outputs: usize, inputs: usize) -> Vec<usize> {
        [&[outputs], self.kernel.as_slice(), &[inputs]].concat()
    }

    /// The shape of `channels` channels for `batch` examples.
    fn channels(&self, batch: usize, channels: usize) -> Vec<usize> {
        [&[batch], self.positions.as_slice(), &[channels]].concat()
    }
}

/// A network of residual blocks.
#[derive(Debug)]
pub(super) struct Residual {
    config: NetworkConfig,
    mixing: Mixing,
    embedding: Option<[Layer; 2]>,
    stem: Layer,
    blocks: Vec<Block>,
    head: Layer,
}

#[derive(Debug)]
struct Layer {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
struct Block {
    first: Layer,
    film: Option<Layer>,
    second: Layer,
}

impl Layer {
    fn new(source: &mut dyn Source, path: &str, shape: &[usize], gain: f64) -> Result<Self> {
        let fan_in: usize = shape.iter().skip(1).product();
        let init = if gain == 0.0 { Init::Zero } else { Init::Normal(gain / (fan_in as f64).sqrt()) };
        Ok(Self {
            weight: source.tensor(&format!("{path}.weight"), shape, init)?,
            bias: source.tensor(&format!("{path}.bias"), &shape[..1], Init::Zero)?,
        })
    }

    /// Channel by channel, at each position by itself.
    fn linear(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        Ok(linear(x, &self.weight, &self.bias, activation)?)
    }

    /// Across positions.
    fn mix(&self, mixing: &Mixing, x: &Tensor, activation: Activation) -> Result<Tensor> {
        Ok((mixing.apply)(x, &self.weight, &self.bias, activation)?)
    }
}

impl Block {
    fn new(config: &NetworkConfig, mixing: &Mixing, source: &mut dyn Source, index: usize) -> Result<Self> {
        let (width, weight) = (config.width, mixing.weight(config.width, config.width));
        let path = |name: &str| format!("block.{index:02}.{name}");
        let film = match config.time_features {
            true => Some(Layer::new(source, &path("film"), &[width.saturating_mul(2), width], 0.0)?),
            false => None,
        };
        let first = Layer::new(source, &path("first"), &weight, 1.4)?;
        Ok(Self { first, film, second: Layer::new(source, &path("second"), &weight, 0.5)? })
    }

    fn apply(&self, mixing: &Mixing, h: &Tensor, embedding: Option<&Tensor>) -> Result<Tensor> {
        let inner = match (&self.film, embedding) {
            (Some(film), Some(embedding)) => {
                let film = film.linear(embedding, Activation::Identity)?;
                modulate(&self.first.mix(mixing, h, Activation::Identity)?, &film)?
            }
            _ => self.first.mix(mixing, h, Activation::Silu)?,
        };
        self.second.mix(mixing, &inner, Activation::Identity)
    }
}

impl Residual {
    /// Takes the tensors of a network from a source.
    ///
    /// # Errors
    /// When the source does not have them.
    pub fn new(config: &NetworkConfig, mixing: Mixing, source: &mut dyn Source) -> Result<Self> {
        let width = config.width;
        let embedding = match config.time_features {
            true => Some([
                Layer::new(source, "level.first", &[width, FEATURES], 1.0)?,
                Layer::new(source, "level.second", &[width, width], 1.0)?,
            ]),
            false => None,
        };
        // the components that share a position are channels
        let shared = config.components / mixing.positions.iter().product::<usize>().max(1);
        let stem = Layer::new(source, "stem", &mixing.weight(width, config.inputs.saturating_mul(shared)), 1.0)?;
        let blocks: Result<_> = (0..config.blocks).map(|index| Block::new(config, &mixing, source, index)).collect();
        let head = Layer::new(source, "head", &[config.outputs * shared, width], 0.0)?;
        Ok(Self { config: config.clone(), mixing, embedding, stem, blocks: blocks?, head })
    }

    fn embed(&self, [first, second]: &[Layer; 2], levels: &[f64]) -> Result<Tensor> {
        let input =
            Tensor::from_vec(features(levels), (levels.len(), FEATURES), &Device::Cpu)?.to_dtype(self.dtype())?;
        second.linear(&first.linear(&input, Activation::Silu)?, Activation::Silu)
    }

    /// x with the components that share a position as channels.
    fn on_positions(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, components, inputs) = x.dims3()?;
        let shared = components / self.mixing.positions.iter().product::<usize>().max(1);
        let shape = self.mixing.channels(batch, inputs * shared);
        Ok(if x.dims() == shape { x.clone() } else { x.reshape(shape)? })
    }
}

impl NeuralNetwork for Residual {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        let embedding = match (&self.embedding, levels) {
            (Some(layers), Some(levels)) => Some(self.embed(layers, levels)?),
            (None, None) => None,
            _ => return Err(candle_core::Error::Msg("a noise level is given to the wrong network".to_owned()).into()),
        };
        let mut h = self.stem.mix(&self.mixing, &self.on_positions(x)?, Activation::Identity)?;
        for block in &self.blocks {
            h = (&h + block.apply(&self.mixing, &h, embedding.as_ref())?)?;
        }
        let out = self.head.linear(&h, Activation::Identity)?;
        Ok(out.reshape((x.dims3()?.0, self.config.components, self.config.outputs))?)
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let blocks =
            self.blocks.iter().flat_map(|block| [Some(&block.first), block.film.as_ref(), Some(&block.second)]);
        let layers = self.embedding.iter().flatten().chain([&self.stem]).chain(blocks.flatten()).chain([&self.head]);
        layers.flat_map(|layer| [&layer.weight, &layer.bias]).collect()
    }

    fn chunk(&self) -> usize {
        self.mixing.chunk
    }

    fn dtype(&self) -> DType {
        self.head.weight.dtype()
    }
}
