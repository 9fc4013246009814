//! What a neural network is, and its whole description.
//!
//! A network maps fields `[batch, component, input]` and, if it is made for one, a noise level to fields
//! `[batch, component, output]`. It takes its tensors by path from a [`Source`], which draws them, loads them or tracks
//! them: each weight is drawn from a stream of its own, named by its path, so that a new layer changes no other's start.

use std::fmt::Debug;

use candle_core::{DType, Tensor};
use ndarray::{ArrayView2, Axis};
use scorecast_systems::Geometry;
use serde::{Deserialize, Serialize};

use super::causal::{Causal, CausalLayer};
use crate::nn::ops::Boundary;
use crate::nn::ops::trunk::Operations;
use crate::nn::weights::Source;
use crate::nn::{Error, Result, array};

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

    /// What it takes: fields of `[row, component]` each, or several of them side by side (`[row, field x component]`),
    /// interleaved to `[row, component, field]`.
    ///
    /// # Errors
    /// When Candle fails.
    fn input(&self, fields: &[ArrayView2<f64>]) -> Result<Tensor> {
        let components = self.config().components;
        let each: Vec<_> = fields.iter().flat_map(|field| field.axis_chunks_iter(Axis(1), components)).collect();
        array::interleave(&each, self.dtype())
    }

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
    /// Whether it must be told the [`Grid`], where the components stand on one; a ring is one of a single row.
    pub on_grid: bool,
    /// What no network of this kind can be: the key of a setting, and what is wrong with it.
    pub refuses: fn(&NetworkConfig) -> Option<(&'static str, String)>,
    /// Positions of one example, with the halo of a kernel; of a network that has layers of several kinds, as many as make
    /// residual blocks of its width as large.
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
    /// Residual blocks; of a U-Net, at each resolution on the way down and on the way up.
    pub blocks: usize,
    /// Positions that a convolution sees in each direction (odd; unused by `mlp` and `transformer`).
    pub kernel: usize,
    /// Resolutions of a U-Net, at most.
    #[serde(default = "usual_resolutions", skip_serializing_if = "is_usual_resolutions")]
    pub resolutions: usize,
    /// Heads of the attention of a transformer.
    #[serde(default = "usual_heads", skip_serializing_if = "is_usual_heads")]
    pub heads: usize,
    /// Components of a token of a transformer, along each direction of a grid; none for as few as make few tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<usize>,
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

/// The usual number of resolutions of a U-Net.
pub const RESOLUTIONS: usize = 3;

/// The usual number of heads of a transformer.
pub const HEADS: usize = 4;

const fn usual_resolutions() -> usize {
    RESOLUTIONS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_usual_resolutions(resolutions: &usize) -> bool {
    *resolutions == RESOLUTIONS
}

const fn usual_heads() -> usize {
    HEADS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_usual_heads(heads: &usize) -> bool {
    *heads == HEADS
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_one(copies: &usize) -> bool {
    *copies == 1
}

impl NetworkConfig {
    /// Holds what a pass is given against the description.
    ///
    /// # Errors
    /// When the shapes do not fit, or a noise level is given to a network without one.
    pub(super) fn check(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<()> {
        let (_, components, inputs) = x.dims3()?;
        if levels.is_some() != self.time_features {
            return Err(candle_core::Error::Msg("a noise level is given to the wrong network".to_owned()).into());
        }
        if (components, inputs) != (self.components, self.inputs) {
            return Err(candle_core::Error::Msg(format!(
                "a network of {} components of {} fields was given {components} of {inputs}",
                self.components, self.inputs
            ))
            .into());
        }
        Ok(())
    }

    /// Its grid, of as many positions as there are components.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn own_grid(&self) -> Result<Grid> {
        self.grid.filter(|grid| grid.rows.checked_mul(grid.columns) == Some(self.components)).ok_or_else(|| {
            Error::Model(format!(
                "a {} network of {} components needs a grid of as many positions; train it again",
                self.kind, self.components
            ))
        })
    }
}

/// Positions of all members of a pass over a grid, at most.
const POSITIONS: usize = 640;

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

    /// The grid of so many components of a layout; those of a ring are one row that closes.
    pub fn laid(geometry: Geometry, components: usize) -> Option<Self> {
        match geometry {
            Geometry::Ring => Some(Self { rows: 1, columns: components, periodic: true }),
            _ => Self::of(geometry),
        }
    }

    /// Members of a pass over its positions.
    pub(super) fn chunk(self) -> usize {
        (POSITIONS / (self.rows * self.columns).max(1)).clamp(1, 16)
    }

    /// What a convolution sees beyond its edge.
    pub const fn boundary(self) -> Boundary {
        if self.periodic { Boundary::Periodic } else { Boundary::Zero }
    }
}
