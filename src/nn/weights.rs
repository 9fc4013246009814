//! The weights of a network as one flat vector, in the order of their paths: what the optimizer updates, what a
//! checkpoint holds, and what becomes tensors for a pass.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{DType, Device, Tensor, Var};
use scorecast_systems::Key;

use super::init::Init;
use super::ops::Processor;
use super::ops::trunk::Shard;
use super::{Error, Result};
use crate::model;

/// Where a network takes its tensors from.
pub trait Source {
    /// The tensor at `path`.
    ///
    /// # Errors
    /// When it is not there, or has another shape.
    fn tensor(&mut self, path: &str, shape: &[usize], init: Init) -> Result<Tensor>;

    /// The shard of a training that gathers the gradients of the tensors at these paths itself, and their places in the
    /// flat vector, if this is the source of one. A source around another puts its prefix before each path and asks the
    /// other; one that does not has the gradients of all tensors from Candle.
    fn gathered(&mut self, _paths: &[String]) -> Option<(Shard, Vec<Range<usize>>)> {
        None
    }

    /// Numbers that are no weights, as a tensor on the CPU; `make` has so many of them. A source that only counts makes none.
    ///
    /// # Errors
    /// When Candle fails.
    fn constant(&mut self, shape: &[usize], make: &mut dyn FnMut(usize) -> Vec<f32>) -> Result<Tensor> {
        Ok(Tensor::from_vec(make(shape.iter().product()), shape, &Device::Cpu)?)
    }

    /// What computes the passes of the network, where its tensors lie. A source around another asks that.
    fn processor(&self) -> Processor {
        Processor::Cpu
    }
}

/// Draws each tensor at its address.
struct Seeded {
    key: Key,
    drawn: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Source for Seeded {
    fn tensor(&mut self, path: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let values = init.draw(self.key, path, shape.iter().product());
        let tensor = Tensor::from_slice(&values, shape, &Device::Cpu)?;
        self.drawn.insert(path.to_owned(), (shape.to_vec(), values));
        Ok(tensor)
    }
}

/// Counts what is asked for, and holds none of it.
#[derive(Default)]
pub(super) struct Counted(pub usize);

impl Source for Counted {
    fn tensor(&mut self, _path: &str, shape: &[usize], _init: Init) -> Result<Tensor> {
        self.0 = shape.iter().fold(1usize, |product, n| product.saturating_mul(*n)).saturating_add(self.0);
        Ok(Tensor::zeros(1, DType::F32, &Device::Cpu)?.broadcast_as(shape)?)
    }

    fn constant(&mut self, shape: &[usize], _make: &mut dyn FnMut(usize) -> Vec<f32>) -> Result<Tensor> {
        Ok(Tensor::zeros(1, DType::F32, &Device::Cpu)?.broadcast_as(shape)?)
    }
}

/// The sizes of an array: "2 x 3".
fn sizes(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

/// Tensors that are there, by path.
pub type Tensors = BTreeMap<String, Tensor>;

impl Source for Tensors {
    fn tensor(&mut self, path: &str, shape: &[usize], _init: Init) -> Result<Tensor> {
        match self.get(path) {
            Some(tensor) if tensor.dims() == shape => Ok(tensor.clone()),
            Some(tensor) => Err(Error::Model(format!(
                "the weight `{path}` is {} where the network needs {}; the model's configuration does not belong to its \
                 weights",
                sizes(tensor.dims()),
                sizes(shape)
            ))),
            None => {
                Err(Error::Model(format!("the model has no weight `{path}` of {}; it is incomplete", sizes(shape))))
            }
        }
    }
}

/// Tensors that are given away one by one, so that it is known in the end which nobody wanted.
pub struct Given {
    /// What nobody has taken yet.
    pub tensors: Tensors,
    /// Where they lie.
    pub processor: Processor,
}

impl Source for Given {
    fn tensor(&mut self, path: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let tensor = self.tensors.tensor(path, shape, init)?;
        self.tensors.remove(path);
        Ok(tensor)
    }

    fn processor(&self) -> Processor {
        self.processor.clone()
    }
}

/// One tensor's place in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its path, such as `block.00.first.weight`.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its range in the flat vector.
    pub range: Range<usize>,
}

/// All weights of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The tensors in the order of their paths.
    pub slots: Vec<Slot>,
    /// Their values, one after the other.
    pub values: Vec<f32>,
}

impl Weights {
    /// Draws the weights that `build` asks for from `key`.
    ///
    /// # Errors
    /// The errors of `build`.
    pub fn seeded<N>(key: Key, build: impl FnOnce(&mut dyn Source) -> Result<N>) -> Result<Self> {
        let mut source = Seeded { key, drawn: BTreeMap::new() };
        build(&mut source)?;
        Ok(Self::collect(source.drawn))
    }

    fn collect(tensors: impl IntoIterator<Item = (String, (Vec<usize>, Vec<f32>))>) -> Self {
        let (mut slots, mut values) = (Vec::new(), Vec::new());
        for (path, (shape, tensor)) in tensors {
            slots.push(Slot { path, shape, range: values.len()..values.len() + tensor.len() });
            values.extend(tensor);
        }
        Self { slots, values }
    }

    /// The number of parameters.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Plain tensors: a pass through them computes no gradient of a weight.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn frozen(&self, dtype: DType) -> Result<Tensors> {
        self.frozen_on(&Device::Cpu, dtype)
    }

    /// Plain tensors on a device.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn frozen_on(&self, device: &Device, dtype: DType) -> Result<Tensors> {
        let tensor = |slot: &Slot| -> Result<_> {
            let tensor = Tensor::from_slice(&self.values[slot.range.clone()], slot.shape.as_slice(), device)?;
            Ok((slot.path.clone(), tensor.to_dtype(dtype)?))
        };
        self.slots.iter().map(tensor).collect()
    }

    /// Variables: a backward pass gives their gradients.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn tracked(&self, dtype: DType) -> Result<Tensors> {
        let var =
            |(path, tensor): (String, Tensor)| -> Result<_> { Ok((path, Var::from_tensor(&tensor)?.into_inner())) };
        self.frozen(dtype)?.into_iter().map(var).collect()
    }

    /// As arrays by path, each path after `prefix`.
    pub fn to_model(&self, prefix: &str) -> BTreeMap<String, model::Tensor> {
        let tensor = |slot: &Slot| {
            let values = model::Values::F32(self.values[slot.range.clone()].to_vec());
            (format!("{prefix}{}", slot.path), model::Tensor { shape: slot.shape.clone(), values })
        };
        self.slots.iter().map(tensor).collect()
    }

    /// From arrays by path: those whose path starts with `prefix`.
    ///
    /// # Errors
    /// When one of them is not in single precision, or its shape does not have as many elements as it has values.
    pub fn from_model(tensors: &BTreeMap<String, model::Tensor>, prefix: &str) -> Result<Self> {
        let mut found = BTreeMap::new();
        for (name, tensor) in tensors {
            let Some(path) = name.strip_prefix(prefix) else { continue };
            match &tensor.values {
                model::Values::F32(values) if values.len() == tensor.shape.iter().product::<usize>() => {
                    found.insert(path.to_owned(), (tensor.shape.clone(), values.clone()));
                }
                _ => {
                    return Err(Error::Model(format!(
                        "the weight `{name}` is not an array of single precision of {}; the model is damaged",
                        sizes(&tensor.shape)
                    )));
                }
            }
        }
        Ok(Self::collect(found))
    }
}
