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
use super::filmed::Film;
use super::grid::Grid;
use super::usual::{is_one, is_usual_heads, is_usual_resolutions, one, usual_heads, usual_resolutions};
use crate::nn::ops::trunk::Operations;
use crate::nn::weights::Source;
use crate::nn::{Error, Result, array};

/// A network with its tensors, tracked or plain.
pub trait NeuralNetwork: Debug + Send + Sync {
    /// Its description.
    fn config(&self) -> &NetworkConfig;

    /// From `[batch, component, input]` to `[batch, component, output]`. `levels` are the values c_noise of the noise
    /// level: one for each row, or one for all (then the embedding is computed once); of several levels a row, those of a row
    /// stand together.
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
    /// The sd of the frequencies of a network that sees by random waves; none for the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<f64>,
    /// Whether it is given a noise level.
    pub time_features: bool,
    /// Noise levels of a row, where it is given any: one, or one for each frame of a window.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub levels: usize,
    /// The input fields that are constants, of which its film is made; none where all inputs are fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub film: Option<Film>,
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

impl NetworkConfig {
    /// Noise levels of a row; 0 where it is given none.
    pub(super) fn levels_of_row(&self) -> usize {
        if self.time_features { self.levels } else { 0 }
    }

    /// Holds what a pass is given against the description.
    ///
    /// # Errors
    /// When the shapes do not fit, or a noise level is given to a network without one.
    pub(super) fn check(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<()> {
        let (_, components, inputs) = x.dims3()?;
        if levels.is_some() != self.time_features {
            return Err(candle_core::Error::Msg("a noise level is given to the wrong network".to_owned()).into());
        }
        if levels.is_some_and(|levels| !levels.len().is_multiple_of(self.levels.max(1))) {
            let message = format!("a network of {} noise levels a row was not given rows of them", self.levels);
            return Err(candle_core::Error::Msg(message).into());
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
