//! Where the passes of a network are computed, and by which operations.
//!
//! A network takes its fields from where they lie, and gives what it finds back there: what is around it need not know.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::{Activation, Cells, composed};

/// What computes the passes of a network.
#[derive(Clone, Debug, Default)]
pub enum Processor {
    /// The CPU, by the operations that are written for it.
    #[default]
    Cpu,
    /// A device, by Candle's operations and its gradients.
    Composed(Device),
}

/// Why there is no such processor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// The word names none.
    #[error("`{0}` is no device; write cpu, cuda or cuda:N, where N is the number of the GPU")]
    Unknown(String),
    /// The program was built without it.
    #[error(
        "this scorecast was built without CUDA and cannot train on `{0}`; build it with `cargo build --release --features \
         cuda` where CUDA is installed, or leave --device out"
    )]
    NotBuilt(String),
    /// The driver does not give it.
    #[error("the device `{0}` cannot be used: {1}; name one that `nvidia-smi` lists, or leave --device out")]
    NotThere(String, String),
}

impl Processor {
    /// The CPU by Candle's operations: what a device computes, where there is none.
    pub const fn composed() -> Self {
        Self::Composed(Device::Cpu)
    }

    /// The processor of a word: `cpu`, or `cuda:N` for the N-th GPU, `cuda` being `cuda:0`.
    ///
    /// # Errors
    /// When the word names none, this program was built without CUDA, or there is no such GPU.
    pub fn named(word: &str) -> std::result::Result<Self, ProcessorError> {
        let number = match word.split_once(':') {
            None if word == "cpu" => return Ok(Self::Cpu),
            None if word == "cuda" => Some(0),
            Some(("cuda", number)) => number.parse().ok(),
            _ => None,
        };
        let Some(number) = number else { return Err(ProcessorError::Unknown(word.to_owned())) };
        if !cfg!(feature = "cuda") {
            return Err(ProcessorError::NotBuilt(word.to_owned()));
        }
        let failed = |error: candle_core::Error| {
            let first = error.to_string();
            ProcessorError::NotThere(word.to_owned(), first.lines().next().unwrap_or_default().to_owned())
        };
        Device::new_cuda(number).map(Self::Composed).map_err(failed)
    }

    /// Puts its name into what tells one training from another, where it is not the usual one: on another device the same training
    /// rounds otherwise.
    pub(crate) fn mark(&self, identity: &mut serde_json::Value) {
        if !self.is_usual() {
            identity["device"] = self.name().into();
        }
    }

    /// What it is called in what a run keeps.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => "cpu".to_owned(),
            Self::Composed(device) => match device.location() {
                candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
                _ => "cpu by Candle's operations".to_owned(),
            },
        }
    }

    /// Whether it is the CPU by the operations that are written for it.
    pub const fn is_usual(&self) -> bool {
        matches!(self, Self::Cpu)
    }

    /// Where tensors of a network lie.
    pub fn device(&self) -> &Device {
        match self {
            Self::Cpu => &Device::Cpu,
            Self::Composed(device) => device,
        }
    }

    /// a(x W^T + b).
    ///
    /// # Errors
    /// When the shapes do not fit, as for all operations here.
    pub fn linear(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
        match self {
            Self::Cpu => super::linear(x, weight, bias, activation),
            Self::Composed(_) => composed::linear(x, weight, bias, activation),
        }
    }

    /// n (1 + g) + s.
    ///
    /// # Errors
    /// As [`Self::linear`].
    pub fn normalize(&self, z: &Tensor, film: &Tensor) -> Result<Tensor> {
        match self {
            Self::Cpu => super::normalize(z, film),
            Self::Composed(_) => composed::normalize(z, film),
        }
    }

    /// What all heads of attention find.
    ///
    /// # Errors
    /// As [`Self::linear`].
    pub fn attention(&self, qkv: &Tensor, table: &Tensor, places: &Arc<Vec<u32>>) -> Result<Tensor> {
        match self {
            Self::Cpu => super::attention(qkv, table, places),
            Self::Composed(_) => composed::attention(qkv, table, places),
        }
    }

    /// The means of cells.
    ///
    /// # Errors
    /// As [`Self::linear`].
    pub fn coarser(&self, x: &Tensor, cells: Cells) -> Result<Tensor> {
        match self {
            Self::Cpu => super::coarser(x, cells),
            Self::Composed(_) => composed::coarser(x, cells),
        }
    }

    /// At each position the value of its cell.
    ///
    /// # Errors
    /// As [`Self::linear`].
    pub fn finer(&self, x: &Tensor, cells: Cells) -> Result<Tensor> {
        match self {
            Self::Cpu => super::finer(x, cells),
            Self::Composed(_) => composed::finer(x, cells),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_processors_or_say_what_to_do() {
        assert!(Processor::named("cpu").unwrap().is_usual());
        for word in ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""] {
            assert_eq!(Processor::named(word).unwrap_err(), ProcessorError::Unknown(word.to_owned()));
        }
        if !cfg!(feature = "cuda") {
            let error = Processor::named("cuda:1").unwrap_err();
            assert!(error.to_string().contains("without CUDA and cannot train on `cuda:1`; build it with `cargo"));
        }
    }
}
