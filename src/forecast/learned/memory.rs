//! What a learned forecaster holds while it is trained and used, in bytes.
//!
//! Of W weights of 4 bytes there are: the weights, two moments, their average, the best average, a gradient, what passes
//! read, forward and backward, a checkpoint as arrays and as bytes ([`WEIGHTS`]). Of an example, 4 bytes a channel at each
//! position, there are the results of each operation of the trunk and their gradients ([`LAYERS`] of each block), which all
//! shards of a batch keep until the gradients of the weights are gathered.

use super::super::fitting::FitSize;
use super::rollout::Rolled;
use super::settings::{self, BATCH};
use crate::nn::network::NETWORKS;
use crate::nn::objective::Fields;
use crate::nn::train::SHARD;
use crate::systems::memory_use::{MemoryUse, product};
use crate::systems::registry::{Settings, find};

/// Copies of the weights of a training.
const WEIGHTS: usize = 24;

/// Arrays of the size of a layer that a block makes, forward and backward.
const LAYERS: usize = 8;

/// Bytes of a number of single precision.
const SINGLE: usize = 4;

/// What a training of a network with these settings holds; nothing where they contradict each other, as the fit will say.
pub fn held(settings: &Settings, size: &FitSize, fields: Fields) -> Vec<MemoryUse> {
    held_by(settings, size, fields, 1)
}

/// What a training holds that makes so many `members` of each pair, and at the end each over several lead steps.
pub fn rolled_held(settings: &Settings, size: &FitSize, fields: Fields, members: usize) -> Vec<MemoryUse> {
    let lead_steps = Rolled::new(settings).ok().flatten().map_or(1, |rolled| rolled.lead_steps);
    held_by(settings, size, fields, members.saturating_mul(lead_steps))
}

/// What a training holds that makes so many `members` of each pair; nothing where the settings contradict each other.
pub fn held_by(settings: &Settings, size: &FitSize, fields: Fields, members: usize) -> Vec<MemoryUse> {
    let Ok(network) = settings::network(settings, size, fields) else { return Vec::new() };
    let (Ok(weights), Ok(kind)) = (network.parameters(), find(NETWORKS, "neural network", &network.kind)) else {
        return Vec::new();
    };
    let batch = settings.count(BATCH.key);
    let (width, blocks) = (network.width, network.blocks);
    let layers = blocks.saturating_add(2).saturating_mul(LAYERS).saturating_mul(network.copies);
    let positions = (kind.build.positions)(&network);
    let examples = batch.max(SHARD).saturating_mul(members);
    vec![
        MemoryUse {
            what: format!("a network of {weights} weights (width {width}, {blocks} blocks) in training"),
            bytes: product(&[SINGLE, WEIGHTS, weights]),
        },
        MemoryUse {
            what: format!("layers of {examples} examples ({positions} positions x {width} channels, {blocks} blocks)"),
            bytes: product(&[SINGLE, layers, examples, positions, width]),
        },
        MemoryUse { what: format!("a batch ({batch} pairs)"), bytes: product(&[2 * size_of::<usize>(), batch]) },
        MemoryUse::reals(format!("examples ({} components)", size.components), &[EXAMPLES, size.components]),
    ]
}

/// States in double precision that a validation and the width of a law take.
const EXAMPLES: usize = 16 * 1024;
