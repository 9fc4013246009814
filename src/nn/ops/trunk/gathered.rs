//! The trunks of a training: one set of weights for the networks of all shards, and the gradient of the weights over all
//! shards at once, each weight in its place of the flat vector.
//!
//! A backward pass leaves x and g of each map in its workspace. When all shards have been pulled back, the gradient of a
//! weight is the sum over shards, in their order, of one product each: for any number of threads the same sum, no matter
//! who computes it. It is cut into blocks of rows of weights, which threads share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::affine::{COPIES, ROWS};
use super::layers::Shape;
use super::operation::SharedWorkspaces;
use super::operation::Trunk;
use super::workspaces::locked;

/// The trunks of all shards of a training.
#[derive(Debug)]
pub struct Gathered {
    shards: usize,
    /// By the place of the first weight.
    trunks: Mutex<BTreeMap<usize, Member>>,
}

/// The networks of one shard.
#[derive(Clone, Debug)]
pub struct Shard {
    gathered: Arc<Gathered>,
    index: usize,
}

/// Where a map has its weight and its bias in the flat vector.
pub type Place = [Range<usize>; 2];

#[derive(Clone, Debug)]
struct Member {
    trunk: Arc<Trunk<f32>>,
    places: Vec<Place>,
    /// Shard by shard.
    workspaces: Vec<SharedWorkspaces<f32>>,
}

thread_local! {
    /// What a thread copies for one gradient after the other.
    static COPIED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Some rows of the weight of a map.
struct Block<'a> {
    member: &'a Member,
    map: usize,
    first: usize,
    weight: &'a mut [f32],
    bias: &'a mut [f32],
}

impl Gathered {
    /// Of a training with so many shards.
    pub fn new(shards: usize) -> Arc<Self> {
        Arc::new(Self { shards, trunks: Mutex::default() })
    }

    /// The networks of a shard.
    pub fn shard(self: &Arc<Self>, index: usize) -> Shard {
        Shard { gathered: self.clone(), index }
    }

    /// The places of all weights that are gathered.
    pub fn places(&self) -> Vec<Range<usize>> {
        locked(&self.trunks).values().flat_map(|member| member.places.iter().flatten().cloned()).collect()
    }

    /// Gives all trunks their weights, from the flat vector.
    pub fn load(&self, values: &[f32]) {
        for member in locked(&self.trunks).values() {
            let Ok(()) = member.trunk.load::<Infallible>(|index, map, packed| {
                let [weight, bias] = &member.places[index];
                map.pack(&values[weight.clone()], &values[bias.clone()], packed);
                Ok(())
            });
        }
    }

    /// Writes the gradient of all weights of trunks to their places: the sum over all passes that were pulled back since.
    pub fn gradient(&self, gradient: &mut [f32]) {
        let trunks = locked(&self.trunks);
        blocks(&trunks, gradient).into_par_iter().for_each(Block::fill);
        trunks.values().flat_map(|member| &member.workspaces).for_each(|workspaces| workspaces.release());
    }

    /// How often a buffer of a trunk has grown.
    #[cfg(test)]
    pub fn grown(&self) -> usize {
        locked(&self.trunks).values().flat_map(|member| &member.workspaces).map(|workspaces| workspaces.grown()).sum()
    }
}

impl Shard {
    /// The trunk at these places, shared by all shards, and the workspaces of this one.
    pub(in crate::nn) fn join(&self, shape: Shape, places: Vec<Place>) -> (Arc<Trunk<f32>>, SharedWorkspaces<f32>) {
        let first = places.first().map_or(0, |[weight, _]| weight.start);
        let mut trunks = locked(&self.gathered.trunks);
        let member = trunks.entry(first).or_insert_with(|| Member {
            trunk: Arc::new(Trunk::new(shape)),
            places,
            workspaces: (0..self.gathered.shards).map(|_| SharedWorkspaces::default()).collect(),
        });
        (member.trunk.clone(), member.workspaces[self.index].clone())
    }
}

/// All blocks of all weights, with their places cut out of the flat gradient.
fn blocks<'a>(trunks: &'a BTreeMap<usize, Member>, gradient: &'a mut [f32]) -> Vec<Block<'a>> {
    let mut places: Vec<(usize, usize, bool, Range<usize>)> = Vec::new();
    let members: Vec<&Member> = trunks.values().collect();
    for (index, member) in members.iter().enumerate() {
        for (map, [weight, bias]) in member.places.iter().enumerate() {
            places.extend([(index, map, false, weight.clone()), (index, map, true, bias.clone())]);
        }
    }
    places.sort_by_key(|(.., range)| range.start);
    let (mut rest, mut at) = (gradient, 0);
    let mut cut: BTreeMap<(usize, usize), [&mut [f32]; 2]> = BTreeMap::new();
    for (index, map, bias, range) in places {
        let (_, from) = rest.split_at_mut(range.start - at);
        let (slice, after) = from.split_at_mut(range.len());
        (rest, at) = (after, range.end);
        cut.entry((index, map)).or_default()[usize::from(bias)] = slice;
    }
    let mut blocks = Vec::new();
    for ((index, map), [weight, bias]) in cut {
        let terms = members[index].trunk.layers.maps[map].terms();
        let pieces = weight.chunks_mut((ROWS * terms).max(1)).zip(bias.chunks_mut(ROWS));
        let block = |(at, (weight, bias))| Block { member: members[index], map, first: at * ROWS, weight, bias };
        blocks.extend(pieces.enumerate().map(block));
    }
    blocks
}

impl Block<'_> {
    fn fill(self) {
        let layers = &self.member.trunk.layers;
        let kept: Vec<_> = self.member.workspaces.iter().map(|workspaces| workspaces.kept()).collect();
        let passes = kept.iter().enumerate().flat_map(|(shard, kept)| kept.iter().map(move |pass| (shard, pass)));
        let factors = passes.map(|(shard, pass)| (shard, layers.factors(pass, self.map)));
        COPIED.with_borrow_mut(|copies| {
            copies.resize(COPIES, 0.0);
            layers.maps[self.map].weight_gradient(factors, self.first, (self.weight, self.bias), copies);
        });
    }
}
