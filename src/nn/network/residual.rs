//! The trunk that the networks of this folder share: they differ in how positions are mixed ([`Mixing`]).
//!
//! With h_0 = stem(x), for each block h <- h + second(silu((1 + g) first(h) + s)), and out = head(h). The gain g and shift
//! s (FiLM, Perez et al. 2018) are affine in an embedding of the noise level, and 0 where there is none. There is no
//! activation on the way from stem to head, so that an affine map is learned at once.
//!
//! The head, `second` and the FiLM start at zero or small, so that training starts from the zero function.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Tensor, Var};

use super::{NetworkConfig, NeuralNetwork, layer_by_layer};
use crate::nn::Result;
use crate::nn::init::Init;
use crate::nn::level::FEATURES;
use crate::nn::ops::real::Real;
use crate::nn::ops::trunk::{Field, Operations, Place, Route, Shape, SharedWorkspaces, Trunk};
use crate::nn::ops::{Activation, Processor};
use crate::nn::weights::Source;

/// How stem, first and second mix positions.
#[derive(Clone, Debug)]
pub(super) struct Mixing {
    /// The positions that channels stand on; one place where all components are channels.
    pub field: Field,
    /// The positions that one output sees, direction by direction, as the shape of a weight has them.
    pub kernel: Vec<usize>,
    /// Members of one pass (see [`NeuralNetwork::chunk`]).
    pub chunk: usize,
}

impl Mixing {
    /// The shape of a weight.
    fn weight(&self, outputs: usize, inputs: usize) -> Vec<usize> {
        [&[outputs], self.kernel.as_slice(), &[inputs]].concat()
    }
}

/// A network of residual blocks.
#[derive(Debug)]
pub(super) struct Residual {
    config: NetworkConfig,
    mixing: Mixing,
    /// In the order of the maps of the trunk.
    layers: Vec<Layer>,
    processor: Processor,
    /// Made in the first pass on the CPU.
    trunk: OnceLock<Precision>,
}

/// An affine map.
#[derive(Debug)]
pub(super) struct Layer {
    path: String,
    pub weight: Tensor,
    pub bias: Tensor,
}

/// The trunk in the precision of the weights.
#[derive(Debug)]
enum Precision {
    Single(Run<f32>),
    Double(Run<f64>),
}

/// A trunk, the workspaces of its passes, and how the gradient of its weights goes.
#[derive(Debug)]
struct Run<T: Real> {
    trunk: Arc<Trunk<T>>,
    workspaces: SharedWorkspaces<T>,
    route: Route,
}

impl Layer {
    /// Takes its tensors from a source; outputs have the sd `gain` of inputs at the start.
    ///
    /// # Errors
    /// When the source does not have them.
    pub fn new(source: &mut dyn Source, path: String, shape: &[usize], gain: f64) -> Result<Self> {
        Self::with_bias(source, path, shape, gain, Init::Zero)
    }

    /// Takes its tensors from a source, with a start of its bias.
    ///
    /// # Errors
    /// When the source does not have them.
    pub fn with_bias(source: &mut dyn Source, path: String, shape: &[usize], gain: f64, bias: Init) -> Result<Self> {
        let fan_in: usize = shape.iter().skip(1).product();
        let init = if gain == 0.0 { Init::Zero } else { Init::Normal(gain / (fan_in as f64).sqrt()) };
        let weight = source.tensor(&format!("{path}.weight"), shape, init)?;
        let bias = source.tensor(&format!("{path}.bias"), &shape[..1], bias)?;
        Ok(Self { path, weight, bias })
    }

    /// a(x W^T + b), where x lies.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn apply(&self, on: &Processor, x: &Tensor, activation: Activation) -> Result<Tensor> {
        Ok(on.linear(x, &self.weight, &self.bias, activation)?)
    }
}

impl<T: Real + Send + Sync> Run<T> {
    /// Of plain weights, or of tracked ones, whose gradient goes the way of Candle.
    fn new(shape: Shape, layers: &[Layer]) -> Result<Self> {
        let tensors: Vec<_> = layers.iter().map(|layer| (&layer.weight, &layer.bias)).collect();
        let all = || tensors.iter().flat_map(|(weight, bias)| [*weight, *bias]);
        let route = if all().any(Tensor::track_op) {
            let flat: Vec<_> = all().map(|tensor| tensor.flatten_all()).collect::<candle_core::Result<_>>()?;
            Route::Flat(Tensor::cat(&flat, 0)?)
        } else {
            Route::Plain
        };
        let trunk = Arc::new(Trunk::with_tensors(shape, &tensors)?);
        Ok(Self { trunk, workspaces: SharedWorkspaces::default(), route })
    }

    fn apply(&self, x: &Tensor, levels: Option<&[f64]>, dims: (usize, usize, usize)) -> candle_core::Result<Tensor> {
        self.trunk.apply(x, levels, &self.route, &self.workspaces, dims)
    }
}

impl Residual {
    /// Takes the tensors of a network from a source; it starts from the zero function.
    ///
    /// # Errors
    /// When the source does not have them.
    pub fn new(config: &NetworkConfig, mixing: Mixing, source: &mut dyn Source) -> Result<Self> {
        Self::with_head(config, mixing, 0.0, source)
    }

    /// Takes the tensors of a network whose head starts with this gain: others go on from what it gives.
    ///
    /// # Errors
    /// When the source does not have them.
    pub fn with_head(config: &NetworkConfig, mixing: Mixing, head: f64, source: &mut dyn Source) -> Result<Self> {
        let width = config.width;
        let mut layers = Vec::new();
        let mut layer = |source: &mut dyn Source, path: String, shape: &[usize], gain: f64| -> Result<()> {
            layers.push(Layer::new(source, path, shape, gain)?);
            Ok(())
        };
        if config.time_features {
            layer(source, "level.first".to_owned(), &[width, config.levels_of_row().saturating_mul(FEATURES)], 1.0)?;
            layer(source, "level.second".to_owned(), &[width, width], 1.0)?;
        }
        let shared = shared(config, &mixing);
        layer(source, "stem".to_owned(), &mixing.weight(width, config.inputs.saturating_mul(shared)), 1.0)?;
        for block in 0..config.blocks {
            let path = |name: &str| format!("block.{block:02}.{name}");
            layer(source, path("first"), &mixing.weight(width, width), 1.4)?;
            if config.time_features {
                layer(source, path("film"), &[width.saturating_mul(2), width], 0.0)?;
            }
            layer(source, path("second"), &mixing.weight(width, width), 0.5)?;
        }
        layer(source, "head".to_owned(), &[config.outputs.saturating_mul(shared), width], head)?;
        let processor = source.processor();
        let network = Self { config: config.clone(), mixing, layers, processor, trunk: OnceLock::new() };
        network.gather(source)?;
        Ok(network)
    }

    /// Joins the training that gathers the gradients of the weights itself, if the source is of one.
    fn gather(&self, source: &mut dyn Source) -> Result<()> {
        let paths =
            self.layers.iter().flat_map(|layer| ["weight", "bias"].map(|name| format!("{}.{name}", layer.path)));
        if let Some((shard, places)) = source.gathered(&paths.collect::<Vec<_>>()) {
            let places = places.chunks_exact(2).map(|pair| -> Place { [pair[0].clone(), pair[1].clone()] }).collect();
            let (trunk, workspaces) = shard.join(self.shape(), places);
            let route = Route::Gathered(Var::zeros(1, DType::F32, &Device::Cpu)?.into_inner());
            let _ = self.trunk.set(Precision::Single(Run { trunk, workspaces, route }));
        }
        Ok(())
    }

    /// The sizes of the trunk.
    fn shape(&self) -> Shape {
        let (config, shared) = (&self.config, shared(&self.config, &self.mixing));
        Shape {
            field: self.mixing.field,
            inputs: config.inputs.saturating_mul(shared),
            width: config.width,
            blocks: config.blocks,
            outputs: config.outputs.saturating_mul(shared),
            levels: config.levels_of_row(),
        }
    }

    /// Checks that the kernel has a middle.
    fn check_kernel(&self) -> Result<()> {
        if self.mixing.kernel.iter().any(|kernel| kernel % 2 == 0) {
            let message = format!("the kernel of a convolution must be odd, not {}", self.config.kernel);
            return Err(candle_core::Error::Msg(message).into());
        }
        Ok(())
    }

    fn trunk(&self) -> Result<&Precision> {
        if let Some(trunk) = self.trunk.get() {
            return Ok(trunk);
        }
        self.check_kernel()?;
        let made = match self.dtype() {
            DType::F32 => Precision::Single(Run::new(self.shape(), &self.layers)?),
            DType::F64 => Precision::Double(Run::new(self.shape(), &self.layers)?),
            other => {
                return Err(candle_core::Error::Msg(format!("networks know f32 and f64, not {other:?}")).into());
            }
        };
        Ok(self.trunk.get_or_init(|| made))
    }
}

/// Components that share a position, which are channels.
fn shared(config: &NetworkConfig, mixing: &Mixing) -> usize {
    config.components / mixing.field.positions().max(1)
}

impl NeuralNetwork for Residual {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        self.config.check(x, levels)?;
        let (batch, config) = (x.dims3()?.0, &self.config);
        let dims = (batch, config.components, config.outputs);
        if let Processor::Composed(device) = &self.processor {
            self.check_kernel()?;
            let out = layer_by_layer::forward(self.shape(), &self.layers, &x.to_device(device)?, levels)?;
            return Ok(out.reshape(dims)?.to_device(x.device())?);
        }
        Ok(match self.trunk()? {
            Precision::Single(run) => run.apply(x, levels, dims)?,
            Precision::Double(run) => run.apply(x, levels, dims)?,
        })
    }

    fn tensors(&self) -> Vec<&Tensor> {
        self.layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]).collect()
    }

    fn operations(&self) -> Operations {
        self.shape().operations()
    }

    fn chunk(&self) -> usize {
        self.mixing.chunk
    }

    fn dtype(&self) -> DType {
        self.layers[0].weight.dtype()
    }
}
