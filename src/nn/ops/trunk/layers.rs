//! The sizes of a trunk, its affine maps in their order, and how many operations they are.

use super::affine::{Affine, Packed};
use super::field::Field;
use crate::nn::level::FEATURES;

/// The sizes of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Where channels stand.
    pub field: Field,
    /// Channels of x.
    pub inputs: usize,
    /// Channels of h.
    pub width: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Channels of out.
    pub outputs: usize,
    /// Noise levels of a row, which are embedded together; 0 where there is none.
    pub levels: usize,
}

/// Floating-point operations of a network: two for each element of a matrix and example (a product and a sum).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operations {
    /// Of one evaluation of one member, whose noise level has been embedded.
    pub evaluation: f64,
    /// Of the embedding of one noise level, or of those of one row, and of what it gives to all blocks; 0 for a network without.
    pub level: f64,
    /// Of the forward and backward passes of one training row with a noise level of its own: thrice those of both, less the
    /// gradients of x and of the features of the level, which nobody wants.
    pub training: f64,
}

impl Operations {
    /// Of one training row, with the gradients of x and of the features of the level.
    pub fn whole_training(&self) -> f64 {
        3.0 * (self.evaluation + self.level)
    }
}

impl Shape {
    /// Floating-point operations.
    pub fn operations(&self) -> Operations {
        let [positions, window] = [self.field.positions(), self.field.window()].map(|count| count as f64);
        let [inputs, width, blocks, outputs] =
            [self.inputs, self.width, self.blocks, self.outputs].map(|count| count as f64);
        let stem = 2.0 * positions * window * inputs * width;
        let evaluation = stem + positions * (4.0 * blocks * window * width * width + 2.0 * width * outputs);
        let features = 2.0 * (self.levels * FEATURES) as f64 * width;
        let level = if self.levels > 0 { features + 2.0 * width * width * (1.0 + 2.0 * blocks) } else { 0.0 };
        Operations { evaluation, level, training: 3.0 * (evaluation + level) - stem - features }
    }
}

/// The affine maps of a trunk, in the order of its tensors: embedding, stem, then first, film and second of each block,
/// and the head.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    pub shape: Shape,
    pub maps: Vec<Affine>,
}

/// Maps of the embedding.
pub(super) const EMBEDDING: usize = 2;

impl Layers {
    pub fn new(shape: Shape) -> Self {
        let Shape { field, inputs, width, blocks, outputs, levels } = shape;
        let place = |inputs, outputs| Affine { field: Field::PLACE, mixes: false, inputs, outputs };
        let mixing = |inputs| Affine { field, mixes: true, inputs, outputs: width };
        let mut maps = Vec::new();
        if levels > 0 {
            maps.extend([place(levels.saturating_mul(FEATURES), width), place(width, width)]);
        }
        maps.push(mixing(inputs));
        for _ in 0..blocks {
            maps.push(mixing(width));
            if levels > 0 {
                maps.push(place(width, 2 * width));
            }
            maps.push(mixing(width));
        }
        maps.push(Affine { field, mixes: false, inputs: width, outputs });
        Self { shape, maps }
    }

    pub const fn stem(&self) -> usize {
        if self.shape.levels > 0 { EMBEDDING } else { 0 }
    }

    pub const fn first(&self, block: usize) -> usize {
        self.stem() + 1 + block * if self.shape.levels > 0 { 3 } else { 2 }
    }

    /// Of a block, where there are levels.
    pub const fn film(&self, block: usize) -> usize {
        self.first(block) + 1
    }

    pub const fn second(&self, block: usize) -> usize {
        self.first(block + 1) - 1
    }

    pub const fn head(&self) -> usize {
        self.first(self.shape.blocks)
    }

    /// Examples that go through all layers before the next do, so that what they hold stays in a near cache; all where
    /// channels have no positions, so that each weight is read once.
    pub fn together(&self, examples: usize) -> usize {
        const POSITIONS: usize = 192;
        match self.shape.field.window() {
            1 => examples.max(1),
            _ => (POSITIONS / self.shape.field.padded().max(1)).max(1),
        }
    }
}

/// The weights of all maps, packed.
pub(super) type Weights<T> = Vec<Packed<T>>;
