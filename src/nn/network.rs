//! Two networks with one trunk. With h_0 = stem(x), for each block
//! h <- h + second(silu((1 + g) first(h) + s)), and out = head(h). The gain g and shift s (FiLM, Perez et al. 2018) are
//! affine in an embedding of the noise level, and 0 where there is none. There is no activation on the way from stem to
//! head, so that an affine map is learned at once.
//! - `mlp`: stem, first, second and head are matrices over all components (residual network, He et al. 2016);
//! - `conv`: stem, first and second are circular convolutions over the grid, head is a matrix at each position.
//!
//! The head, `second` and the FiLM start at zero or small, so that training starts from the zero function.

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::Result;
use super::init::Init;
use super::level::{FEATURES, features};
use super::ops::{Activation, circular_conv, linear, modulate};
use super::weights::{Source, Tensors, Weights};
use scorecast_systems::{Geometry, Key};

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// Residual multilayer perceptron over all components.
    Mlp,
    /// Residual circular convolutions over a periodic grid.
    Conv,
}

impl NetworkKind {
    /// What `"auto"`, `"mlp"` or `"conv"` means for a state: convolutions for a ring of 8 components or more.
    pub fn named(name: &str, geometry: Geometry, components: usize) -> Self {
        match name {
            "mlp" => Self::Mlp,
            "conv" => Self::Conv,
            _ if geometry == Geometry::Ring && components >= 8 => Self::Conv,
            _ => Self::Mlp,
        }
    }

    /// The usual width.
    pub const fn width(self) -> usize {
        match self {
            Self::Mlp => 128,
            Self::Conv => 32,
        }
    }
}

/// The whole description of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Which network.
    pub kind: NetworkKind,
    /// Components of a state (positions of a grid).
    pub components: usize,
    /// Input fields for each component.
    pub inputs: usize,
    /// Output fields for each component.
    pub outputs: usize,
    /// Hidden channels.
    pub width: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Positions that a convolution sees (odd; unused by `mlp`).
    pub kernel: usize,
    /// Whether it is given a noise level.
    pub time_features: bool,
}

/// A network: its layers hold tensors, tracked or plain.
#[derive(Clone, Debug)]
pub struct NeuralNetwork {
    config: NetworkConfig,
    embedding: Option<[Layer; 2]>,
    stem: Layer,
    blocks: Vec<Block>,
    head: Layer,
}

#[derive(Clone, Debug)]
struct Layer {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Clone, Debug)]
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

    fn apply(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match self.weight.rank() {
            3 => Ok(circular_conv(x, &self.weight, &self.bias, activation)?),
            _ => Ok(linear(x, &self.weight, &self.bias, activation)?),
        }
    }
}

impl NeuralNetwork {
    /// Takes the tensors of a network from a source.
    ///
    /// # Errors
    /// When the source does not have them.
    pub fn new(config: &NetworkConfig, source: &mut dyn Source) -> Result<Self> {
        let (width, size) = (config.width, config.clone());
        let mixing = |inputs: usize| match size.kind {
            NetworkKind::Mlp => vec![width, inputs],
            NetworkKind::Conv => vec![width, size.kernel, inputs],
        };
        let (inputs, outputs) = match config.kind {
            NetworkKind::Mlp => (config.inputs * config.components, config.outputs * config.components),
            NetworkKind::Conv => (config.inputs, config.outputs),
        };
        let embedding = match config.time_features {
            true => Some([
                Layer::new(source, "level.first", &[width, FEATURES], 1.0)?,
                Layer::new(source, "level.second", &[width, width], 1.0)?,
            ]),
            false => None,
        };
        let stem = Layer::new(source, "stem", &mixing(inputs), 1.0)?;
        let mut blocks = Vec::with_capacity(config.blocks);
        for index in 0..config.blocks {
            let path = |name: &str| format!("block.{index:02}.{name}");
            let film = match config.time_features {
                true => Some(Layer::new(source, &path("film"), &[2 * width, width], 0.0)?),
                false => None,
            };
            let first = Layer::new(source, &path("first"), &mixing(width), 1.4)?;
            blocks.push(Block { first, film, second: Layer::new(source, &path("second"), &mixing(width), 0.5)? });
        }
        let head = Layer::new(source, "head", &[outputs, width], 0.0)?;
        Ok(Self { config: config.clone(), embedding, stem, blocks, head })
    }

    /// Draws the initial weights of a network.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn seeded(config: &NetworkConfig, key: Key) -> Result<Weights> {
        Weights::seeded(key, |source| Self::new(config, source))
    }

    /// The network with these weights, as plain tensors.
    ///
    /// # Errors
    /// When the weights are not those of this network.
    pub fn frozen(config: &NetworkConfig, weights: &Weights) -> Result<Self> {
        Self::new(config, &mut weights.frozen(DType::F32)?)
    }

    /// The network with these tensors.
    ///
    /// # Errors
    /// When they are not those of this network.
    pub fn from_tensors(config: &NetworkConfig, tensors: &Tensors) -> Result<Self> {
        Self::new(config, &mut tensors.clone())
    }

    /// The precision of its weights.
    pub fn dtype(&self) -> DType {
        self.head.weight.dtype()
    }

    /// Its description.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Its tensors, layer by layer.
    pub fn tensors(&self) -> Vec<&Tensor> {
        let blocks =
            self.blocks.iter().flat_map(|block| [Some(&block.first), block.film.as_ref(), Some(&block.second)]);
        let layers = self.embedding.iter().flatten().chain([&self.stem]).chain(blocks.flatten()).chain([&self.head]);
        layers.flat_map(|layer| [&layer.weight, &layer.bias]).collect()
    }

    /// From `[batch, components, inputs]` to `[batch, components, outputs]`. `levels` are the values c_noise of the
    /// noise level: one for each row, or one for all (then the embedding is computed once).
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        let size = &self.config;
        let (batch, _, _) = x.dims3()?;
        let embedding = match (&self.embedding, levels) {
            (Some(layers), Some(levels)) => Some(self.embed(layers, levels)?),
            (None, None) => None,
            _ => return Err(candle_core::Error::Msg("a noise level is given to the wrong network".to_owned()).into()),
        };
        let mut h = match size.kind {
            NetworkKind::Mlp => {
                self.stem.apply(&x.reshape((batch, size.components * size.inputs))?, Activation::Identity)?
            }
            NetworkKind::Conv => self.stem.apply(x, Activation::Identity)?,
        };
        for block in &self.blocks {
            h = (&h + block.apply(&h, embedding.as_ref())?)?;
        }
        Ok(self.head.apply(&h, Activation::Identity)?.reshape((batch, size.components, size.outputs))?)
    }

    fn embed(&self, [first, second]: &[Layer; 2], levels: &[f64]) -> Result<Tensor> {
        let input =
            Tensor::from_vec(features(levels), (levels.len(), FEATURES), &Device::Cpu)?.to_dtype(self.dtype())?;
        second.apply(&first.apply(&input, Activation::Silu)?, Activation::Silu)
    }
}

impl Block {
    fn apply(&self, h: &Tensor, embedding: Option<&Tensor>) -> Result<Tensor> {
        let inner = match (&self.film, embedding) {
            (Some(film), Some(embedding)) => {
                let film = film.apply(embedding, Activation::Identity)?;
                modulate(&self.first.apply(h, Activation::Identity)?, &film)?
            }
            _ => self.first.apply(h, Activation::Silu)?,
        };
        self.second.apply(&inner, Activation::Identity)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ops::differences::{check, normals};
    use super::*;
    use scorecast_systems::Domain;

    pub(crate) fn config(kind: NetworkKind, time_features: bool) -> NetworkConfig {
        NetworkConfig { kind, components: 6, inputs: 2, outputs: 2, width: 4, blocks: 2, kernel: 3, time_features }
    }

    #[test]
    fn gradients_of_all_weights_and_inputs_agree_with_finite_differences() {
        for (kind, time_features) in
            [(NetworkKind::Mlp, false), (NetworkKind::Mlp, true), (NetworkKind::Conv, false), (NetworkKind::Conv, true)]
        {
            let config = config(kind, time_features);
            let weights = NeuralNetwork::seeded(&config, Key::new(1, Domain::Training)).unwrap();
            // normals in place of the zeros that a network starts with, so that no gradient is zero by construction
            let mut arguments: Vec<Tensor> = weights
                .slots
                .iter()
                .enumerate()
                .map(|(i, slot)| (normals(i as u64, &slot.shape) * 0.5).unwrap())
                .collect();
            arguments.push(normals(77, &[3, 6, 2]));
            let levels = time_features.then_some([-0.4, 0.1, 0.3]);
            check(&arguments, |a| {
                let named = weights.slots.iter().map(|slot| slot.path.clone()).zip(a.iter().cloned()).collect();
                let network = NeuralNetwork::from_tensors(&config, &named).map_err(candle_core::Error::wrap)?;
                network
                    .forward(&a[a.len() - 1], levels.as_ref().map(|levels| levels.as_slice()))
                    .map_err(candle_core::Error::wrap)
            });
        }
    }

    #[test]
    fn a_convolution_commutes_with_rotations_of_the_ring() {
        let config = config(NetworkKind::Conv, false);
        let mut weights = NeuralNetwork::seeded(&config, Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += (i as f32 * 0.7).sin() * 0.1);
        let network = NeuralNetwork::new(&config, &mut weights.frozen(DType::F64).unwrap()).unwrap();
        let x = normals(5, &[2, 6, 2]);
        let turned = network.forward(&x.roll(2, 1).unwrap(), None).unwrap();
        let expected = network.forward(&x, None).unwrap().roll(2, 1).unwrap();
        let error = (turned - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(error < 1e-13, "{error}");
    }

    #[test]
    fn one_level_for_all_is_the_same_level_for_each() {
        let config = config(NetworkKind::Conv, true);
        let mut weights = NeuralNetwork::seeded(&config, Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += (i as f32 * 0.7).sin() * 0.5);
        let network = NeuralNetwork::new(&config, &mut weights.frozen(DType::F64).unwrap()).unwrap();
        let x = normals(5, &[3, 6, 2]);
        let one = network.forward(&x, Some(&[0.2])).unwrap();
        let each = network.forward(&x, Some(&[0.2; 3])).unwrap();
        let error = (&one - each).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(error < 1e-13, "{error}");
        let other = network.forward(&x, Some(&[0.3])).unwrap();
        let change = (one - other).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(change > 1e-3, "the level must matter: {change}");
    }

    #[test]
    fn the_usual_convolution_has_about_37_thousand_parameters() {
        let config = NetworkConfig {
            kind: NetworkKind::Conv,
            components: 40,
            inputs: 1,
            outputs: 2,
            width: 32,
            blocks: 3,
            kernel: 5,
            time_features: false,
        };
        // stem 5 * 32 + 32, six convolutions of 32 * 5 * 32 + 32, head 2 * 32 + 2
        let key = Key::new(0, Domain::Training);
        assert_eq!(NeuralNetwork::seeded(&config, key).unwrap().count(), 192 + 6 * 5152 + 66);
        let diffusion = NetworkConfig { inputs: 2, outputs: 1, time_features: true, ..config };
        // stem 352, the same convolutions, head 33, embedding 32 * 17 + 32 and 32 * 33, three films of 64 * 33
        let expected = 352 + 6 * 5152 + 33 + 32 * (FEATURES + 1) + 32 * 33 + 3 * 64 * 33;
        assert_eq!(NeuralNetwork::seeded(&diffusion, key).unwrap().count(), expected);
    }
}
