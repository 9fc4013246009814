//! The buffers of a pass, which are used again by later passes: none grows after the first pass of its size.
//!
//! Each is `[example, position with halo, channel]` with room for a strip behind its end, or `[level, channel]`.

use super::super::real::Real;
use super::super::tile::LANES;
use super::layers::{Layers, Shape};
use crate::nn::level::FEATURES;

/// What a pass computes and, where it is pulled back, what it keeps.
#[derive(Debug, Default)]
pub(super) struct Workspace<T> {
    /// Examples of the pass.
    pub examples: usize,
    /// Its rows of noise levels: one for each example, or one for all; 0 where there are none.
    pub levels: usize,
    /// x.
    pub input: Vec<T>,
    /// What the network is told of the levels.
    pub features: Vec<T>,
    /// The embedding of the levels, layer by layer.
    pub embedding: [Vec<T>; 2],
    /// The slopes of their activations.
    pub embedding_slope: [Vec<T>; 2],
    /// Gains and shifts, block by block.
    pub film: Vec<Vec<T>>,
    /// h, before the first block and after each.
    pub hidden: Vec<Vec<T>>,
    /// What the film modulates, block by block.
    pub z: Vec<Vec<T>>,
    /// What `second` reads, block by block.
    pub inner: Vec<Vec<T>>,
    /// The slope of its activation.
    pub slope: Vec<Vec<T>>,
    /// What the head gives.
    pub output: Vec<T>,
    /// The gradient of `output`.
    pub d_output: Vec<T>,
    /// The gradient of `hidden`, which is that of what `second` adds.
    pub d_hidden: Vec<Vec<T>>,
    /// The gradient of what `first` gives.
    pub d_first: Vec<Vec<T>>,
    /// The gradient of `film`.
    pub d_film: Vec<Vec<T>>,
    /// The gradients before the activations of the embedding.
    pub d_embedding: [Vec<T>; 2],
    /// The gradient of the embedding, summed over blocks in turns.
    pub sum: [Vec<T>; 2],
    /// The gradient of `input`.
    pub d_input: Vec<T>,
    /// How often a buffer has grown.
    pub grown: usize,
}

/// The place of a block's buffer: its own where it is kept, and otherwise one of two in turns.
pub(super) const fn turn(block: usize, kept: bool) -> usize {
    if kept { block } else { block % 2 }
}

impl<T: Real> Workspace<T> {
    /// Makes room for a pass that is pulled back if it is `kept`.
    pub fn forward(&mut self, layers: &Layers, examples: usize, levels: usize, kept: bool) {
        let Shape { field, inputs, width, blocks, outputs, .. } = layers.shape;
        (self.examples, self.levels) = (examples, levels);
        let positions = examples * field.padded();
        let (own, grown) = (if kept { blocks } else { 1 }, &mut self.grown);
        fit(&mut self.input, positions * inputs, grown);
        fit(&mut self.output, positions * outputs, grown);
        fit_all(&mut self.hidden, if kept { blocks + 1 } else { 2 }, positions * width, grown);
        fit_all(&mut self.inner, own, positions * width, grown);
        fit_all(&mut self.slope, if kept { blocks } else { 0 }, positions * width, grown);
        if levels > 0 {
            fit_all(&mut self.z, own, positions * width, grown);
            fit_all(&mut self.film, blocks, levels * 2 * width, grown);
            fit(&mut self.features, levels * layers.shape.levels * FEATURES, grown);
            for buffer in self.embedding.iter_mut().chain(&mut self.embedding_slope) {
                fit(buffer, levels * width, grown);
            }
        }
    }

    /// Makes room for a pullback, with or without the gradients of weights.
    pub fn backward(&mut self, layers: &Layers, weights: bool) {
        let Shape { field, inputs, width, blocks, outputs, .. } = layers.shape;
        let (positions, levels, grown) = (self.examples * field.padded(), self.levels, &mut self.grown);
        fit(&mut self.d_output, positions * outputs, grown);
        fit(&mut self.d_input, positions * inputs, grown);
        fit_all(&mut self.d_hidden, if weights { blocks + 1 } else { 2 }, positions * width, grown);
        fit_all(&mut self.d_first, if weights { blocks } else { 1 }, positions * width, grown);
        if weights && levels > 0 {
            fit_all(&mut self.d_film, blocks, levels * 2 * width, grown);
            for buffer in self.d_embedding.iter_mut().chain(&mut self.sum) {
                fit(buffer, levels * width, grown);
            }
        }
    }
}

/// Makes `count` buffers of so many elements.
fn fit_all<T: Real>(buffers: &mut Vec<Vec<T>>, count: usize, length: usize, grown: &mut usize) {
    if buffers.len() < count {
        *grown += 1;
        buffers.resize_with(count, Vec::new);
    }
    buffers[..count].iter_mut().for_each(|buffer| fit(buffer, length, grown));
}

/// Makes a buffer of so many elements, and room for a strip behind them. What is there stays: halos beyond walls are zero
/// from the start.
fn fit<T: Real>(buffer: &mut Vec<T>, length: usize, grown: &mut usize) {
    if buffer.len() < length + LANES {
        *grown += 1;
        buffer.resize(length + LANES, T::zero());
    }
}
