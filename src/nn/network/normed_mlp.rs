//! `normed_mlp`: a residual perceptron with a norm before each block, the network of score-based data assimilation for
//! Lorenz-63 (Rozet and Louppe 2023).
//!
//! All fields of a row lie side by side, with an embedding e of the noise level behind them: h = stem(x, e), for each block
//! h <- h + second(silu(first(N(h)))), out = head(h), and one more such block of the width of out. N is a layer norm without
//! gain and shift. e = W_2 silu(W_1 f + b_1) + b_2 of the waves f = cos(pi j t), sin(pi j t), j = 1 to 16, of the time t of
//! the noise level on their schedule ([`VpSquaredCosine`]), with 256 hidden numbers and 32 out, whatever the width; of several levels a
//! row each has its waves. All weights and biases start as normals of the variance of the uniform law that PyTorch starts
//! them from.

use std::f64::consts::PI;

use candle_core::{DType, Tensor};
use scorecast_systems::Entry;
use scorecast_systems::noising::Schedule;
use scorecast_systems::noising::schedule::VpSquaredCosine;

use super::filmed::no_film;
use super::fourier_mlp::usual_layer;
use super::residual::Layer;
use super::{NetworkBuild, NetworkConfig, NeuralNetwork, Operations};
use crate::nn::Result;
use crate::nn::ops::{Activation, Processor};
use crate::nn::weights::Source;

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "normed_mlp",
    about: "residual perceptron with layer norms, as published for score-based data assimilation",
    reference: "Rozet and Louppe (2023), arXiv:2306.10574",
    params: &[],
    build: NetworkBuild {
        width: 128,
        suits: |_| true,
        layout: "any layout",
        on_grid: false,
        refuses: no_film,
        positions: |_| 2,
        make,
    },
};

/// Waves of a noise level, j = 1 to this.
const WAVES: usize = 16;
/// Hidden numbers of its embedding, and numbers out.
const EMBEDDING: [usize; 2] = [256, 32];

#[derive(Debug)]
struct NormedMlp {
    config: NetworkConfig,
    embedding: Option<[Layer; 2]>,
    stem: Layer,
    /// `first` and `second`; the last block is behind the head.
    blocks: Vec<[Layer; 2]>,
    head: Layer,
    /// No gain and no shift, of the width of each kind of block.
    films: [Tensor; 2],
    processor: Processor,
}

/// Numbers of a row.
const fn numbers(config: &NetworkConfig, fields: usize) -> usize {
    config.components.saturating_mul(fields)
}

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    let (width, out) = (config.width, numbers(config, config.outputs));
    let [hidden, embedded] = EMBEDDING;
    let embedding = if config.time_features {
        let features = config.levels_of_row().saturating_mul(2 * WAVES);
        let first = usual_layer(source, "level.first".to_owned(), [hidden, features])?;
        Some([first, usual_layer(source, "level.second".to_owned(), [embedded, hidden])?])
    } else {
        None
    };
    let beside = if config.time_features { embedded } else { 0 };
    let inputs = numbers(config, config.inputs).saturating_add(beside);
    let stem = usual_layer(source, "stem".to_owned(), [width, inputs])?;
    let mut block = |path: String, width: usize| -> Result<[Layer; 2]> {
        let first = usual_layer(source, format!("{path}.first"), [width, width])?;
        Ok([first, usual_layer(source, format!("{path}.second"), [width, width])?])
    };
    let mut blocks =
        (0..config.blocks).map(|index| block(format!("block.{index:02}"), width)).collect::<Result<Vec<_>>>()?;
    blocks.push(block("end".to_owned(), out)?);
    let head = usual_layer(source, "head".to_owned(), [out, width])?;
    let mut film = |width: usize| -> Result<Tensor> {
        let zeros = source.constant(&[1, width.saturating_mul(2)], &mut |count| vec![0.0; count])?;
        Ok(zeros.to_device(head.weight.device())?.to_dtype(head.weight.dtype())?)
    };
    let films = [film(width)?, film(out)?];
    let (processor, config) = (source.processor(), config.clone());
    Ok(Box::new(NormedMlp { config, embedding, stem, blocks, head, films, processor }))
}

/// The waves of levels, row by row.
fn waves(levels: &[f64]) -> Vec<f64> {
    let of = |level: &f64| {
        let t = VpSquaredCosine::PUBLISHED.time((4.0 * level).exp());
        let phase = move |j: usize| PI * j as f64 * t;
        (1..=WAVES).map(move |j| phase(j).cos()).chain((1..=WAVES).map(move |j| phase(j).sin()))
    };
    levels.iter().flat_map(of).collect()
}

impl NormedMlp {
    /// e, `[row, number]`.
    fn embedded(&self, rows: usize, levels: Option<&[f64]>) -> Result<Option<Tensor>> {
        let (Some([first, second]), Some(levels)) = (&self.embedding, levels) else { return Ok(None) };
        let (on, of_row) = (&self.processor, self.config.levels_of_row());
        let waves = Tensor::from_vec(waves(levels), (levels.len() / of_row, of_row * 2 * WAVES), on.device())?;
        let hidden = first.apply(on, &waves.to_dtype(self.dtype())?, Activation::Silu)?;
        let e = second.apply(on, &hidden, Activation::Identity)?;
        Ok(Some(e.broadcast_as((rows, EMBEDDING[1]))?.contiguous()?))
    }

    fn block(&self, [first, second]: &[Layer; 2], h: &Tensor, film: &Tensor) -> Result<Tensor> {
        let on = &self.processor;
        let inner = first.apply(on, &on.normalize(h, film)?, Activation::Silu)?;
        Ok((h + second.apply(on, &inner, Activation::Identity)?)?)
    }
}

impl NeuralNetwork for NormedMlp {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        self.config.check(x, levels)?;
        let (on, from, rows) = (&self.processor, x.device(), x.dim(0)?);
        // field by field: a window lies in the order of time
        let flat = x.to_device(on.device())?.transpose(1, 2)?.contiguous()?.reshape((rows, ()))?;
        let flat = match self.embedded(rows, levels)? {
            Some(e) => Tensor::cat(&[flat, e], 1)?,
            None => flat,
        };
        let mut h = self.stem.apply(on, &flat, Activation::Identity)?;
        let (within, [film, end_film]) = (self.config.blocks, &self.films);
        for block in &self.blocks[..within] {
            h = self.block(block, &h, film)?;
        }
        let mut out = self.head.apply(on, &h, Activation::Identity)?;
        for block in &self.blocks[within..] {
            out = self.block(block, &out, end_film)?;
        }
        let out = out.reshape((rows, self.config.outputs, self.config.components))?.transpose(1, 2)?.contiguous()?;
        Ok(out.to_device(from)?)
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let layers = self.embedding.iter().flatten().chain([&self.stem]).chain(self.blocks.iter().flatten());
        layers.chain([&self.head]).flat_map(|layer| [&layer.weight, &layer.bias]).collect()
    }

    fn operations(&self) -> Operations {
        let config = &self.config;
        let [hidden, embedded] = EMBEDDING;
        let levels = config.time_features;
        let beside = if levels { embedded } else { 0 };
        let stem = 2.0 * ((numbers(config, config.inputs) + beside) * config.width) as f64;
        let out = numbers(config, config.outputs) as f64;
        let [width, blocks] = [config.width, config.blocks].map(|count| count as f64);
        let evaluation = stem + 4.0 * blocks * width * width + 2.0 * width * out + 4.0 * out * out;
        let features = 2.0 * (config.levels_of_row() * 2 * WAVES * hidden) as f64;
        let level = if levels { features + 2.0 * (hidden * embedded) as f64 } else { 0.0 };
        // of what the stem is given the gradient of e is wanted alone
        let fields = 2.0 * (numbers(config, config.inputs) * config.width) as f64;
        Operations { evaluation, level, training: 3.0 * (evaluation + level) - fields - features }
    }

    fn chunk(&self) -> usize {
        64
    }

    fn dtype(&self) -> DType {
        self.head.weight.dtype()
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::super::tests::config;
    use super::*;
    use crate::nn::ops::differences::normals;

    #[test]
    fn the_published_network_has_its_parameters() {
        // a window of five states of three, 5 blocks of 128
        let published =
            NetworkConfig { components: 3, inputs: 5, outputs: 5, width: 128, blocks: 5, ..config("normed_mlp", true) };
        let embedding = 32 * 256 + 256 + 256 * 32 + 32;
        let ends = 47 * 128 + 128 + 128 * 15 + 15 + 2 * (15 * 15 + 15);
        assert_eq!(published.parameters().unwrap(), embedding + ends + 5 * 2 * (128 * 128 + 128));
    }

    #[test]
    fn it_is_the_formula_of_its_first_lines() {
        let config = NetworkConfig { components: 2, inputs: 2, outputs: 1, ..config("normed_mlp", true) };
        let tensors = config.seeded(Key::new(1, Domain::Training)).unwrap().frozen(DType::F64).unwrap();
        let network = config.from_tensors(&tensors).unwrap();
        let x = normals(3, &[1, 2, 2]);
        let t = 0.4;
        let level = VpSquaredCosine::PUBLISHED.level(t).relative().ln() / 4.0;
        let found = network.forward(&x, Some(&[level])).unwrap().to_vec3::<f64>().unwrap();
        let x = x.to_vec3::<f64>().unwrap();
        let layer = |name: &str, input: &[f64]| -> Vec<f64> {
            let weight = tensors[&format!("{name}.weight")].to_vec2::<f64>().unwrap();
            let bias = tensors[&format!("{name}.bias")].to_vec1::<f64>().unwrap();
            let row = |(row, bias): (&Vec<f64>, &f64)| bias + row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>();
            weight.iter().zip(&bias).map(row).collect()
        };
        let silu = |z: Vec<f64>| -> Vec<f64> { z.into_iter().map(|z| z / (1.0 + (-z).exp())).collect() };
        let block = |name: &str, h: Vec<f64>| -> Vec<f64> {
            let mean = h.iter().sum::<f64>() / h.len() as f64;
            let variance = h.iter().map(|h| (h - mean).powi(2)).sum::<f64>() / h.len() as f64;
            let n: Vec<f64> = h.iter().map(|h| (h - mean) / (variance + 1e-5).sqrt()).collect();
            let added = layer(&format!("{name}.second"), &silu(layer(&format!("{name}.first"), &n)));
            h.iter().zip(added).map(|(h, added)| h + added).collect()
        };
        let phases: Vec<f64> = (1..=16).map(|j| PI * f64::from(j) * t).collect();
        let waves: Vec<f64> = phases.iter().map(|p| p.cos()).chain(phases.iter().map(|p| p.sin())).collect();
        let e = layer("level.second", &silu(layer("level.first", &waves)));
        let flat = [[x[0][0][0], x[0][1][0], x[0][0][1], x[0][1][1]].as_slice(), &e].concat();
        let h = block("block.01", block("block.00", layer("stem", &flat)));
        let out = block("end", layer("head", &h));
        assert!((0..2).all(|c| (found[0][c][0] - out[c]).abs() < 1e-9), "{found:?} {out:?}");
    }
}
