//! What a neural network is, and its whole description.
//!
//! A network maps fields `[batch, component, input]` and, if it is made for one, a noise level to fields
//! `[batch, component, output]`. It takes its tensors by path from a [`Source`], which draws them, loads them or tracks
//! them: each weight is drawn from a stream of its own, named by its path, so that a new layer changes no other's start.

use std::fmt::Debug;

use candle_core::{DType, Tensor};
use scorecast_systems::Geometry;
use serde::{Deserialize, Serialize};

use super::causal::{Causal, CausalLayer};
use crate::nn::Result;
use crate::nn::ops::Boundary;
use crate::nn::ops::trunk::Operations;
use crate::nn::weights::Source;

/// A network with its tensors, tracked or plain.
pub trait NeuralNetwork: Debug + Send + Sync {
    /// Its description.
    fn config(&self) -> &NetworkConfig;

    /// From `[batch, component, input]` to `[batch, component, output]`. `levels` are the values c_noise of the noise
    /// level: one for each row, or one for all (then the embedding is computed once).
    ///
    /// # Errors
    /// When the shapes do not fit, or a noise level is given to a network without one.
    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor>;

    /// Its tensors, layer by layer.
    fn tensors(&self) -> Vec<&Tensor>;

    /// Floating-point operations.
    fn operations(&self) -> Operations;

    /// Members that are one pass, on one thread: about 10 to 40 million operations, so that two threads share an
    /// ensemble of 40 on a grid, and small networks are not all overhead.
    fn chunk(&self) -> usize;

    /// The precision of its weights.
    fn dtype(&self) -> DType;

    /// One of several trunks, each with weights of its own, where it is made of several ([`NetworkConfig::copies`]).
    fn trunk(&self, index: usize) -> Option<&dyn NeuralNetwork> {
        let _ = index;
        None
    }

    /// The causal layer behind it, where it has one.
    fn causal(&self) -> Option<&CausalLayer> {
        None
    }
}

/// How a kind of network is made.
#[derive(Clone, Copy)]
pub struct NetworkBuild {
    /// The usual number of hidden channels.
    pub width: usize,
    /// Whether it runs on states of this layout.
    pub suits: fn(Geometry) -> bool,
    /// The layout that it needs, such as "a periodic grid".
    pub layout: &'static str,
    /// Whether it must be told the [`Grid`].
    pub on_grid: bool,
    /// Positions of one example, with the halo of a kernel.
    pub positions: fn(&NetworkConfig) -> usize,
    /// Takes its tensors from a source.
    pub make: fn(&NetworkConfig, &mut dyn Source) -> Result<Box<dyn NeuralNetwork>>,
}

/// The whole description of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Its name in [`NETWORKS`](super::NETWORKS).
    pub kind: String,
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
    /// Positions that a convolution sees in each direction (odd; unused by `mlp`).
    pub kernel: usize,
    /// Whether it is given a noise level.
    pub time_features: bool,
    /// The grid of the components, where they stand on one in two directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// Trunks like this side by side, each with weights of its own.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub copies: usize,
    /// The layer that takes the outputs of the trunk and the components before each component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causal: Option<Causal>,
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_one(copies: &usize) -> bool {
    *copies == 1
}

/// A grid in two directions, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Positions in the first direction.
    pub rows: usize,
    /// Positions in the second direction.
    pub columns: usize,
    /// Whether it is a torus; otherwise it has walls.
    pub periodic: bool,
}

impl Grid {
    /// The grid of a layout, where it has one in two directions.
    pub fn of(geometry: Geometry) -> Option<Self> {
        match geometry {
            Geometry::Torus { rows, columns } => Some(Self { rows, columns, periodic: true }),
            Geometry::Plane { rows, columns } => Some(Self { rows, columns, periodic: false }),
            _ => None,
        }
    }

    /// What a convolution sees beyond its edge.
    pub const fn boundary(self) -> Boundary {
        if self.periodic { Boundary::Periodic } else { Boundary::Zero }
    }
}
