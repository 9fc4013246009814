//! `transformer`: layers of attention over the tokens of a state ([`Tokens`]), norms first (Vaswani et al. 2017; Xiong et
//! al. 2020).
//!
//! With h_0 = stem(patch) + position, for each block h <- h + out(attention(qkv(N_1(h)))) and
//! h <- h + second(silu(first(N_2(h)))), and head(h) gives the patch its fields. N is a layer norm whose gain and shift are
//! tensors of each block, or affine in the embedding of the noise level, e = silu(W_2 silu(W_1 f + b_1) + b_2) of its
//! features f (adaptive norm, Peebles and Xie 2023). `first` has twice the width; a head has width / heads channels, rounded
//! up. There is no norm on the way from stem to head: an affine map of a patch is learned at once. The head, and the
//! gains and shifts, start at zero, so that training starts from the zero function; the bias of the stem does not, or a norm would
//! leave of a patch of one component nothing but its sign.
//!
//! On a ring or a torus attention has a table of all shifts for each head and there are no positions: the network commutes
//! with shifts by a patch. Elsewhere each token has a position of its own, a learned vector.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Tensor};
use scorecast_systems::Entry;

use super::residual::Layer;
use super::tokens::Tokens;
use super::{NetworkBuild, NetworkConfig, NeuralNetwork, Operations};
use crate::nn::init::Init;
use crate::nn::level::{FEATURES, features};
use crate::nn::ops::{Activation, Processor};
use crate::nn::weights::Source;
use crate::nn::{Error, Result};

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "transformer",
    about: "attention over components or patches of them",
    reference: "Vaswani et al. (2017)",
    params: &[],
    build: NetworkBuild {
        width: 32,
        suits: |_| true,
        layout: "any layout",
        on_grid: true,
        refuses: |config| Tokens::of(config).err(),
        positions,
        make,
    },
};

/// Channels of `first`, of one of `width`.
const EXPANSION: usize = 2;

/// Positions of all members of a pass, at most, and members.
const CHUNK: [usize; 2] = [640, 64];

#[derive(Debug)]
struct Transformer {
    config: NetworkConfig,
    tokens: Tokens,
    embedding: Option<[Layer; 2]>,
    stem: Layer,
    /// `[token, channel]`, where tokens have places of their own.
    position: Option<Tensor>,
    blocks: Vec<Block>,
    head: Layer,
    processor: Processor,
    /// The place of each pair of tokens in the tables; made in the first pass.
    places: OnceLock<Arc<Vec<u32>>>,
}

#[derive(Debug)]
struct Block {
    /// What makes gains and shifts of an embedding, where there is one.
    film: Option<Tensor>,
    /// Gains and shifts of both norms, of no embedding.
    film_bias: Tensor,
    qkv: Layer,
    /// `[head, shift]`; zeros for one place where there are positions.
    table: Tensor,
    out: Layer,
    first: Layer,
    second: Layer,
}

/// Channels of all heads.
fn inner(config: &NetworkConfig) -> usize {
    config.width.div_ceil(config.heads).saturating_mul(config.heads)
}

/// About 20 arrays of the width for each token and block, and two of the shares of attention, where a residual block has 8
/// of the width.
fn positions(config: &NetworkConfig) -> usize {
    let Ok(tokens) = Tokens::of(config) else { return 0 };
    let (count, width) = (tokens.count(), config.width.max(1));
    let shares = config.heads.saturating_mul(2).saturating_mul(count);
    count.saturating_mul(width.saturating_mul(20).saturating_add(shares).div_ceil(width.saturating_mul(8)))
}

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    let tokens = Tokens::of(config).map_err(|(key, problem)| Error::Model(format!("`{key}` {problem}")))?;
    let (width, each) = (config.width, tokens.each());
    let layer = |source: &mut dyn Source, path: &str, [outputs, inputs]: [usize; 2], gain| {
        Layer::new(source, path.to_owned(), &[outputs, inputs], gain)
    };
    let embedding = if config.time_features {
        let first = layer(source, "level.first", [width, config.levels_of_row().saturating_mul(FEATURES)], 1.0)?;
        Some([first, layer(source, "level.second", [width, width], 1.0)?])
    } else {
        None
    };
    let of_patch = config.inputs.saturating_mul(each);
    let stem = Layer::with_bias(source, "stem".to_owned(), &[width, of_patch], 1.0, Init::Normal(1.0))?;
    let position = if tokens.periodic {
        None
    } else {
        Some(source.tensor("position", &[tokens.count(), width], Init::Normal(1.0))?)
    };
    let blocks = (0..config.blocks).map(|index| Block::new(config, tokens, index, source)).collect::<Result<_>>()?;
    let head = layer(source, "head", [config.outputs.saturating_mul(each), width], 0.0)?;
    let (processor, places, config) = (source.processor(), OnceLock::new(), config.clone());
    Ok(Box::new(Transformer { config, tokens, embedding, stem, position, blocks, head, processor, places }))
}

impl Block {
    fn new(config: &NetworkConfig, tokens: Tokens, index: usize, source: &mut dyn Source) -> Result<Self> {
        let path = |name: &str| format!("block.{index:02}.{name}");
        let (width, inner) = (config.width, inner(config));
        let (norms, wide) = (width.saturating_mul(4), width.saturating_mul(EXPANSION));
        let film = if config.time_features {
            Some(source.tensor(&path("film.weight"), &[norms, width], Init::Zero)?)
        } else {
            None
        };
        let film_bias = source.tensor(&path("film.bias"), &[norms], Init::Zero)?;
        let table = if tokens.periodic {
            source.tensor(&path("table"), &[config.heads, tokens.count()], Init::Normal(1.0))?
        } else {
            Tensor::zeros((config.heads, 1), film_bias.dtype(), film_bias.device())?
        };
        let qkv = Layer::new(source, path("qkv"), &[inner.saturating_mul(3), width], 1.0)?;
        let out = Layer::new(source, path("out"), &[width, inner], 0.5)?;
        let first = Layer::new(source, path("first"), &[wide, width], 1.4)?;
        let second = Layer::new(source, path("second"), &[width, wide], 0.5)?;
        Ok(Self { film, film_bias, qkv, table, out, first, second })
    }

    /// Gain and shift of both norms, `[level or 1, 4 width]`.
    fn film(&self, on: &Processor, embedding: Option<&Tensor>) -> Result<Tensor> {
        match (&self.film, embedding) {
            (Some(film), Some(e)) => Ok(on.linear(e, film, &self.film_bias, Activation::Identity)?),
            _ => Ok(self.film_bias.unsqueeze(0)?),
        }
    }

    fn apply(&self, on: &Processor, h: &Tensor, embedding: Option<&Tensor>, places: &Arc<Vec<u32>>) -> Result<Tensor> {
        let film = self.film(on, embedding)?;
        let half = film.dims2()?.1 / 2;
        let qkv = self.qkv.apply(on, &on.normalize(h, &film.narrow(1, 0, half)?)?, Activation::Identity)?;
        let h = (h + self.out.apply(on, &on.attention(&qkv, &self.table, places)?, Activation::Identity)?)?;
        let wide = self.first.apply(on, &on.normalize(&h, &film.narrow(1, half, half)?)?, Activation::Silu)?;
        Ok((&h + self.second.apply(on, &wide, Activation::Identity)?)?)
    }

    fn tensors(&self, periodic: bool) -> impl Iterator<Item = &Tensor> {
        let layers = [&self.qkv, &self.out, &self.first, &self.second];
        let table = periodic.then_some(&self.table);
        let own = self.film.iter().chain([&self.film_bias]).chain(table);
        own.chain(layers.into_iter().flat_map(|layer| [&layer.weight, &layer.bias]))
    }
}

impl Transformer {
    /// e of each level.
    fn embedded(&self, levels: Option<&[f64]>) -> Result<Option<Tensor>> {
        let (Some([first, second]), Some(levels)) = (&self.embedding, levels) else { return Ok(None) };
        let of_row = self.config.levels.max(1);
        let shape = (levels.len() / of_row, of_row * FEATURES);
        let on = &self.processor;
        let features = Tensor::from_vec(features(levels), shape, on.device())?;
        let hidden = first.apply(on, &features.to_dtype(self.dtype())?, Activation::Silu)?;
        second.apply(on, &hidden, Activation::Silu).map(Some)
    }

    fn places(&self) -> &Arc<Vec<u32>> {
        self.places.get_or_init(|| {
            let pairs = || self.tokens.count() * self.tokens.count();
            Arc::new(if self.tokens.periodic { self.tokens.shifts() } else { vec![0; pairs()] })
        })
    }
}

impl NeuralNetwork for Transformer {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        self.config.check(x, levels)?;
        let embedding = self.embedded(levels)?;
        let (on, from) = (&self.processor, x.device());
        let mut h = self.stem.apply(on, &self.tokens.cut(&x.to_device(on.device())?)?, Activation::Identity)?;
        if let Some(position) = &self.position {
            h = h.broadcast_add(position)?;
        }
        for block in &self.blocks {
            h = block.apply(on, &h, embedding.as_ref(), self.places())?;
        }
        Ok(self.tokens.joined(&self.head.apply(on, &h, Activation::Identity)?)?.to_device(from)?)
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let embedding = self.embedding.iter().flatten().flat_map(|layer| [&layer.weight, &layer.bias]);
        let stem = [&self.stem.weight, &self.stem.bias].into_iter().chain(&self.position);
        let blocks = self.blocks.iter().flat_map(|block| block.tensors(self.tokens.periodic));
        embedding.chain(stem).chain(blocks).chain([&self.head.weight, &self.head.bias]).collect()
    }

    fn operations(&self) -> Operations {
        let NetworkConfig { width, blocks, inputs, outputs, .. } = self.config;
        let [tokens, each, inner, width, blocks, inputs, outputs] =
            [self.tokens.count(), self.tokens.each(), inner(&self.config), width, blocks, inputs, outputs]
                .map(|count| count as f64);
        let stem = 2.0 * tokens * each * inputs * width;
        // queries, keys, values and out; their products with each other; first and second
        let block = 8.0 * inner * width + 4.0 * tokens * inner + 4.0 * EXPANSION as f64 * width * width;
        let evaluation = stem + tokens * (blocks * block + 2.0 * width * each * outputs);
        let levels = self.config.time_features;
        let features = 2.0 * (self.config.levels_of_row() * FEATURES) as f64 * width;
        let level = if levels { features + 2.0 * width * width * (1.0 + 4.0 * blocks) } else { 0.0 };
        Operations { evaluation, level, training: 3.0 * (evaluation + level) - stem - features }
    }

    fn chunk(&self) -> usize {
        let [positions, members] = CHUNK;
        (positions / self.tokens.count().max(1)).clamp(1, members)
    }

    fn dtype(&self) -> DType {
        self.stem.weight.dtype()
    }
}
