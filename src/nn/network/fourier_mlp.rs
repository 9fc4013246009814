//! `fourier_mlp`: a residual perceptron that sees the noise level and its conditions by random waves: the network of FlowDAS
//! (Chen et al. 2025) for Lorenz-63, with the random Fourier features of Tancik et al. (2020).
//!
//! With h = stem(x) of the first field x, for each block h <- h + silu(layer(h)) + e, and out = head(h). What is known
//! beside x, c, which are the other fields and the time s of the noise level, one number after the other, is embedded by
//! e = silu(embed(sin(2 pi w c), cos(2 pi w c))) for `width` / 2 frequencies w of each. A network of one field and no level
//! sees that field both ways. s is that of the interpolant ([`Interpolant`]) whose noise stands to its data as the level says, 1 for
//! data.
//!
//! The frequencies are normals of sd `frequency`, 30 as published, drawn at a fixed address: no weights, and the same in all
//! trainings. Such waves are shorter than what states differ by: two conditions that are not near each other have nothing to do
//! with each other. All weights and biases start as normals of the variance of the uniform law that PyTorch starts them from.

use std::f64::consts::TAU;

use candle_core::{D, DType, Tensor};
use scorecast_systems::noising::Schedule;
use scorecast_systems::noising::schedule::Interpolant;
use scorecast_systems::{Domain, Entry, Key};

use super::filmed::no_film;
use super::residual::Layer;
use super::{NetworkBuild, NetworkConfig, NeuralNetwork, Operations};
use crate::nn::Result;
use crate::nn::init::Init;
use crate::nn::ops::{Activation, Processor};
use crate::nn::weights::Source;

/// The registry's line.
pub(super) const ENTRY: Entry<NetworkBuild> = Entry {
    name: "fourier_mlp",
    about: "residual perceptron that sees noise level and conditions by random waves, as published for FlowDAS",
    reference: "Chen et al. (2025), arXiv:2501.16642",
    params: &[],
    build: NetworkBuild {
        width: 128,
        suits: |_| true,
        layout: "any layout",
        on_grid: false,
        refuses: no_film,
        positions: |config| known(config).saturating_add(1),
        make,
    },
};

/// The published sd of frequencies, in waves a unit.
const FREQUENCY: f64 = 30.0;

/// Where the frequencies are drawn.
const ADDRESS: &str = "fourier_mlp.frequencies";

#[derive(Debug)]
struct FourierMlp {
    config: NetworkConfig,
    /// 2 pi w, `[number, wave]`.
    frequencies: Tensor,
    embed: Layer,
    stem: Layer,
    blocks: Vec<Layer>,
    head: Layer,
    processor: Processor,
}

/// Numbers that are known of a row beside its first field; of a row of one field and no level that field.
fn known(config: &NetworkConfig) -> usize {
    let fields = config.inputs.saturating_sub(1).saturating_mul(config.components);
    match fields.saturating_add(config.levels_of_row()) {
        0 => config.components,
        count => count,
    }
}

/// Waves of each number.
const fn waves(config: &NetworkConfig) -> usize {
    config.width.div_ceil(2)
}

/// s of a level: 1 where there are but data.
fn time(feature: f64) -> f64 {
    1.0 - Interpolant.time((4.0 * feature).exp())
}

/// A layer that starts with the variances of PyTorch's.
pub(super) fn usual_layer(source: &mut dyn Source, path: String, [outputs, inputs]: [usize; 2]) -> Result<Layer> {
    let bias = Init::Normal(1.0 / (3.0 * inputs as f64).sqrt());
    Layer::with_bias(source, path, &[outputs, inputs], 1.0 / 3f64.sqrt(), bias)
}

fn make(config: &NetworkConfig, source: &mut dyn Source) -> Result<Box<dyn NeuralNetwork>> {
    let (width, components) = (config.width, config.components);
    let features = known(config).saturating_mul(waves(config)).saturating_mul(2);
    let embed = usual_layer(source, "embed".to_owned(), [width, features])?;
    let stem = usual_layer(source, "stem".to_owned(), [width, components])?;
    let block = |index: usize| format!("block.{index:02}");
    let blocks = (0..config.blocks).map(|index| usual_layer(source, block(index), [width, width]));
    let blocks = blocks.collect::<Result<_>>()?;
    let head = usual_layer(source, "head".to_owned(), [config.outputs.saturating_mul(components), width])?;
    let (processor, config) = (source.processor(), config.clone());
    let frequencies = source.constant(&[known(&config), waves(&config)], &mut |count| {
        let sd = TAU * config.frequency.unwrap_or(FREQUENCY);
        Init::Normal(sd).draw(Key::new(0, Domain::Training), ADDRESS, count)
    })?;
    let frequencies = frequencies.to_device(processor.device())?.to_dtype(head.weight.dtype())?;
    Ok(Box::new(FourierMlp { config, frequencies, embed, stem, blocks, head, processor }))
}

impl FourierMlp {
    /// What is known beside x, `[row, number]`, of the fields of all rows `[row, component, field]`.
    fn known(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        let ((rows, components, inputs), config) = (x.dims3()?, &self.config);
        let fields = match inputs {
            1 => None,
            _ => Some(x.narrow(2, 1, inputs - 1)?.contiguous()?.reshape((rows, components * (inputs - 1)))?),
        };
        let times = match levels {
            Some(levels) => {
                let times: Vec<f64> = levels.iter().map(|level| time(*level)).collect();
                let of_row = config.levels_of_row();
                let times = Tensor::from_vec(times, (levels.len() / of_row, of_row), x.device())?;
                Some(times.to_dtype(x.dtype())?.broadcast_as((rows, of_row))?.contiguous()?)
            }
            None => None,
        };
        Ok(match (times, fields) {
            (Some(times), Some(fields)) => Tensor::cat(&[times, fields], 1)?,
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => x.reshape((rows, components))?,
        })
    }

    /// e, `[row, width]`.
    fn embedded(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        let known = self.known(x, levels)?;
        let phases = known.unsqueeze(D::Minus1)?.broadcast_mul(&self.frequencies)?.flatten_from(1)?;
        let features = Tensor::cat(&[phases.sin()?, phases.cos()?], 1)?;
        self.embed.apply(&self.processor, &features, Activation::Silu)
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        [&self.embed, &self.stem].into_iter().chain(&self.blocks).chain([&self.head])
    }
}

impl NeuralNetwork for FourierMlp {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        self.config.check(x, levels)?;
        let (on, from) = (&self.processor, x.device());
        let x = x.to_device(on.device())?;
        let e = self.embedded(&x, levels)?;
        let first = x.narrow(2, 0, 1)?.squeeze(2)?.contiguous()?;
        let mut h = self.stem.apply(on, &first, Activation::Identity)?;
        for block in &self.blocks {
            h = ((h.clone() + block.apply(on, &h, Activation::Silu)?)? + &e)?;
        }
        let out = self.head.apply(on, &h, Activation::Identity)?;
        Ok(out.reshape((out.dim(0)?, self.config.components, self.config.outputs))?.to_device(from)?)
    }

    fn tensors(&self) -> Vec<&Tensor> {
        self.layers().flat_map(|layer| [&layer.weight, &layer.bias]).collect()
    }

    /// The embedding hangs on the conditions, so that it is made anew in each evaluation.
    fn operations(&self) -> Operations {
        let NetworkConfig { width, blocks, components, outputs, .. } = self.config;
        let features = 2 * known(&self.config) * waves(&self.config);
        let [width, blocks, components, outputs, features] =
            [width, blocks, components, outputs, features].map(|count| count as f64);
        let inputs = 2.0 * width * (features + components);
        let evaluation = inputs + 2.0 * width * (blocks * width + components * outputs);
        Operations { evaluation, level: 0.0, training: 3.0 * evaluation - inputs }
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
    use super::super::tests::config;
    use super::*;
    use crate::nn::ops::differences::normals;

    /// The size that was published: a state of three, its drift and its condition, 5 layers of 256.
    fn published() -> NetworkConfig {
        let config = NetworkConfig { components: 3, outputs: 1, width: 256, blocks: 5, ..config("fourier_mlp", true) };
        NetworkConfig { frequency: None, ..config }
    }

    #[test]
    fn the_published_network_has_its_parameters() {
        assert_eq!(published().parameters().unwrap(), 593_155);
    }

    #[test]
    fn it_is_the_formula_of_its_first_lines() {
        let config = NetworkConfig { components: 2, width: 3, blocks: 2, outputs: 1, ..config("fourier_mlp", true) };
        let weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
        let tensors = weights.frozen(DType::F64).unwrap();
        let network = config.from_tensors(&tensors).unwrap();
        let x = normals(3, &[2, 2, 2]);
        // levels of which the time is .36 and .7
        let levels: Vec<f64> = [0.36, 0.7].iter().map(|s| Interpolant.level(1.0 - s).relative().ln() / 4.0).collect();
        let found = network.forward(&x, Some(&levels)).unwrap().to_vec3::<f64>().unwrap();
        let x = x.to_vec3::<f64>().unwrap();
        let silu = |z: f64| z / (1.0 + (-z).exp());
        let layer = |name: &str, input: &[f64]| -> Vec<f64> {
            let weight = tensors[&format!("{name}.weight")].to_vec2::<f64>().unwrap();
            let bias = tensors[&format!("{name}.bias")].to_vec1::<f64>().unwrap();
            let row = |(row, bias): (&Vec<f64>, &f64)| bias + row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>();
            weight.iter().zip(&bias).map(row).collect()
        };
        let drawn = Init::Normal(TAU * 0.1).draw(Key::new(0, Domain::Training), ADDRESS, 6);
        for (row, s) in [0.36, 0.7].into_iter().enumerate() {
            let known = [s, x[row][0][1], x[row][1][1]];
            let phases: Vec<f64> = (0..6).map(|at| f64::from(drawn[at]) * known[at / 2]).collect();
            let features: Vec<f64> = phases.iter().map(|p| p.sin()).chain(phases.iter().map(|p| p.cos())).collect();
            let e: Vec<f64> = layer("embed", &features).into_iter().map(silu).collect();
            let mut h = layer("stem", &[x[row][0][0], x[row][1][0]]);
            for block in ["block.00", "block.01"] {
                let z = layer(block, &h);
                h = (0..3).map(|i| h[i] + silu(z[i]) + e[i]).collect();
            }
            let expected = layer("head", &h);
            assert!((0..2).all(|c| (found[row][c][0] - expected[c]).abs() < 1e-9), "{found:?} {expected:?}");
        }
    }

    #[test]
    fn frequencies_are_the_same_in_all_trainings_and_of_the_sd_that_is_asked_for() {
        let drawn = |sd: f64| Init::Normal(TAU * sd).draw(Key::new(0, Domain::Training), ADDRESS, 512);
        let sd = (drawn(30.0).iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / 512.0).sqrt() / TAU;
        assert!((sd / 30.0 - 1.0).abs() < 5.0 / 32.0, "{sd}");
        assert_eq!(drawn(30.0)[7], drawn(3.0)[7] * 10.0);
    }
}
