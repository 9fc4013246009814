//! The networks of a training: one for each shard of a batch, all with the same weights.
//!
//! The trunks of a network leave what the gradients of their weights are made of until all shards have been pulled back,
//! and then have each gradient over the whole batch at once, in its place of the flat vector
//! ([`trunk`](super::ops::trunk)). Tensors that belong to no trunk have theirs from Candle, shard by shard, summed in
//! order. Networks, weights and workspaces are made once and used in all steps.
//!
//! On another processor a batch is one shard, and all gradients are Candle's.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;

use super::init::Init;
use super::ops::Processor;
use super::ops::trunk::{Gathered, Shard};
use super::weights::{Slot, Source, Tensors};
use super::{NetworkConfig, NeuralNetwork, Result, Weights};

/// One network for each shard, and their gradient.
pub struct Shards {
    networks: Vec<Box<dyn NeuralNetwork>>,
    gathered: Arc<Gathered>,
    /// Tensors that belong to no trunk.
    loose: Vec<(Slot, Var)>,
    processor: Processor,
    gradient: Vec<f32>,
}

/// The tensors of a training as the networks of one shard take them.
struct Training<'a> {
    tensors: &'a mut Tensors,
    slots: &'a [Slot],
    shard: Shard,
    processor: &'a Processor,
}

impl Source for Training<'_> {
    /// A tensor that is gathered keeps the values of the start here: its trunk has those of the step.
    fn tensor(&mut self, path: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        self.tensors.tensor(path, shape, init)
    }

    fn gathered(&mut self, paths: &[String]) -> Option<(Shard, Vec<Range<usize>>)> {
        if !self.processor.is_usual() {
            return None;
        }
        let place = |path: &String| {
            let index = self.slots.binary_search_by(|slot| slot.path.as_str().cmp(path)).ok()?;
            Some(self.slots[index].range.clone())
        };
        Some((self.shard.clone(), paths.iter().map(place).collect::<Option<_>>()?))
    }

    fn processor(&self) -> Processor {
        self.processor.clone()
    }
}

impl Shards {
    /// The networks of so many shards.
    ///
    /// # Errors
    /// When the weights are not those of the network.
    pub fn new(config: &NetworkConfig, weights: &Weights, count: usize, processor: &Processor) -> Result<Self> {
        Self::of(weights, (count, processor), |source| config.network(source))
    }

    /// So many networks that are built from these weights.
    fn of(
        weights: &Weights,
        (count, processor): (usize, &Processor),
        build: impl Fn(&mut dyn Source) -> Result<Box<dyn NeuralNetwork>>,
    ) -> Result<Self> {
        let gathered = Gathered::new(count);
        let vars: BTreeMap<String, Var> = weights
            .frozen_on(processor.device(), DType::F32)?
            .into_iter()
            .map(|(path, tensor)| Ok((path, Var::from_tensor(&tensor)?)))
            .collect::<Result<_>>()?;
        let mut tensors: Tensors = vars.iter().map(|(path, var)| (path.clone(), var.as_tensor().clone())).collect();
        let network = |index| {
            let (slots, shard) = (weights.slots.as_slice(), gathered.shard(index));
            build(&mut Training { tensors: &mut tensors, slots, shard, processor })
        };
        let networks = (0..count).map(network).collect::<Result<_>>()?;
        let places = gathered.places();
        let loose = weights.slots.iter().filter(|slot| !places.contains(&slot.range));
        let loose = loose.filter_map(|slot| Some((slot.clone(), vars.get(&slot.path)?.clone()))).collect();
        let (processor, gradient) = (processor.clone(), vec![0.0; weights.count()]);
        Ok(Self { networks, gathered, loose, processor, gradient })
    }

    /// Gives all networks these weights.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn load(&self, weights: &Weights) -> Result<()> {
        self.gathered.load(&weights.values);
        for (slot, var) in &self.loose {
            var.set(&Tensor::from_slice(
                &weights.values[slot.range.clone()],
                slot.shape.as_slice(),
                self.processor.device(),
            )?)?;
        }
        Ok(())
    }

    /// The sum of the losses of all shards, and its gradient in the order of the weights; `loss` has the index of a shard
    /// and its network.
    ///
    /// # Errors
    /// The first error of `loss`, or of Candle.
    pub fn gradient(
        &mut self,
        loss: impl Fn(usize, &dyn NeuralNetwork) -> Result<Tensor> + Sync,
    ) -> Result<(f64, &mut [f32])> {
        let shard = |index: usize| -> Result<(f64, Vec<Vec<f32>>)> {
            let loss = loss(index, self.networks[index].as_ref())?;
            let gradients = loss.backward()?;
            let loose = self.loose.iter().map(|(slot, var)| match gradients.get(var.as_tensor()) {
                Some(gradient) => Ok(gradient.flatten_all()?.to_vec1::<f32>()?),
                None => Ok(vec![0.0; slot.range.len()]),
            });
            Ok((f64::from(loss.to_scalar::<f32>()?), loose.collect::<Result<_>>()?))
        };
        let shards: Vec<_> = (0..self.networks.len()).into_par_iter().map(shard).collect::<Result<_>>()?;
        self.loose.iter().for_each(|(slot, _)| self.gradient[slot.range.clone()].fill(0.0));
        let mut sum = 0.0;
        for (loss, loose) in shards {
            sum += loss;
            for ((slot, _), gradient) in self.loose.iter().zip(loose) {
                self.gradient[slot.range.clone()].iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
            }
        }
        self.gathered.gradient(&mut self.gradient);
        Ok((sum, &mut self.gradient))
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::nn::NETWORKS;
    use crate::nn::network::{Causal, Grid, Operations, tests::config};
    use crate::nn::ops::differences::normals;

    /// Rows of the shards of a batch: the last is smaller.
    const ROWS: [usize; 3] = [5, 5, 2];

    fn moved(config: &NetworkConfig) -> Weights {
        let mut weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += 0.3 * (i as f32 * 1.3).sin());
        weights
    }

    /// The sum of squares of what a network gives for the inputs of a shard.
    fn loss(index: usize, network: &dyn NeuralNetwork) -> Result<Tensor> {
        let x = normals(10 + index as u64, &[ROWS[index], 6, 2]).to_dtype(DType::F32)?;
        let levels: Vec<f64> = (0..ROWS[index]).map(|row| 0.2 * row as f64 - 0.3).collect();
        Ok(network.forward(&x, network.config().time_features.then_some(&levels))?.sqr()?.sum_all()?)
    }

    /// The sum of losses and its gradient as Candle has them, with every tensor tracked.
    fn by_candle(weights: &Weights, build: impl Fn(&mut dyn Source) -> Result<Box<dyn NeuralNetwork>>) -> Vec<f32> {
        let mut tensors = weights.tracked(DType::F32).unwrap();
        let network = build(&mut tensors).unwrap();
        let losses: Vec<Tensor> = (0..ROWS.len()).map(|shard| loss(shard, network.as_ref()).unwrap()).collect();
        let gradients = Tensor::stack(&losses, 0).unwrap().sum_all().unwrap().backward().unwrap();
        let flat = |tensor: &Tensor| gradients.get(tensor).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        tensors.values().flat_map(flat).collect()
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        let size = expected.iter().fold(0.0f32, |largest, g| largest.max(g.abs()));
        assert!(size > 0.1 && found.len() == expected.len());
        // sums of a hundred terms in another order, with a relative error of 2^-24 each
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 100.0 * size / (1 << 24) as f32;
        assert!(found.iter().zip(expected).all(near), "{found:?} {expected:?}");
    }

    #[test]
    fn gathered_gradients_are_those_of_candle_for_any_number_of_threads_in_buffers_that_do_not_grow() {
        for config in NETWORKS.iter().flat_map(|entry| [config(entry.name, false), config(entry.name, true)]) {
            let weights = moved(&config);
            let expected = by_candle(&weights, |source| config.network(source));
            let mut all = Vec::new();
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut shards = Shards::new(&config, &weights, ROWS.len(), &Processor::Cpu).unwrap();
                // those without a trunk have gradients of Candle
                let trunks = !["transformer", "fourier_mlp", "normed_mlp"].contains(&config.kind.as_str());
                assert_eq!(shards.loose.is_empty(), trunks);
                let mut step = |weights: &Weights| {
                    pool.install(|| {
                        shards.load(weights).unwrap();
                        let (loss, gradient) = shards.gradient(loss).unwrap();
                        (loss, gradient.to_vec(), shards.gathered.grown())
                    })
                };
                let (value, gradient, grown) = step(&weights);
                assert_near(&gradient, &expected);
                // another step with other weights in between leaves nothing behind
                let other = Weights { values: weights.values.iter().map(|w| -2.0 * w).collect(), ..weights.clone() };
                assert_ne!(step(&other).1, gradient);
                assert_eq!(step(&weights), (value, gradient.clone(), grown), "{}", config.kind);
                assert_eq!(grown > 0, trunks);
                all.push(gradient);
            }
            assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{}", config.kind);
        }
    }

    #[test]
    fn gradients_composed_of_operations_of_candle_are_those_by_hand() {
        let grid = |periodic| Some(Grid { rows: 2, columns: 3, periodic });
        let causal = Some(Causal { outputs: 3, reach: 1 });
        let others = [
            NetworkConfig { grid: grid(false), ..config("conv2d", true) },
            NetworkConfig { grid: grid(false), ..config("unet2d", false) },
            NetworkConfig { grid: None, patch: Some(3), ..config("transformer", true) },
            NetworkConfig { levels: 2, ..config("conv", true) },
            NetworkConfig { copies: 2, ..config("mlp", false) },
            // pairs of components, shifts on a ring and on a torus
            NetworkConfig { causal, ..config("mlp", false) },
            NetworkConfig { causal, ..config("conv", false) },
            NetworkConfig { causal, ..config("conv2d", false) },
        ];
        let usual = NETWORKS.iter().flat_map(|entry| [config(entry.name, false), config(entry.name, true)]);
        for config in usual.chain(others) {
            let weights = moved(&config);
            let through = |index: usize, network: &dyn NeuralNetwork| -> Result<Tensor> {
                let x = normals(10 + index as u64, &[ROWS[index], 6, 2]).to_dtype(DType::F32)?;
                let levels: Vec<f64> = (0..ROWS[index] * config.levels).map(|i| 0.2 * i as f64 - 0.3).collect();
                let levels = config.time_features.then_some(levels.as_slice());
                let mut out = network.forward(&x, levels)?;
                if let Some(second) = network.trunk(1) {
                    out = (out + second.forward(&x, levels)?)?;
                }
                if let Some(causal) = network.causal() {
                    let z = Key::new(3, Domain::Data).case(index as u64).normals(ROWS[index], 6);
                    out = causal.forward(&out, z.view())?;
                }
                Ok(out.sqr()?.sum_all()?)
            };
            let run = |processor: &Processor| {
                let mut shards = Shards::new(&config, &weights, ROWS.len(), processor).unwrap();
                shards.load(&weights).unwrap();
                assert!(processor.is_usual() || shards.loose.len() == weights.slots.len());
                let (loss, gradient) = shards.gradient(through).unwrap();
                (loss, gradient.to_vec())
            };
            let ((loss, found), (expected, by_hand)) = (run(&Processor::composed()), run(&Processor::Cpu));
            assert!((loss / expected - 1.0).abs() < 1e-6, "{}: {loss} {expected}", config.kind);
            assert_near(&found, &by_hand);
        }
    }

    /// A network that multiplies what another gives by a tensor of its own.
    #[derive(Debug)]
    struct Scaled {
        inner: Box<dyn NeuralNetwork>,
        scale: Tensor,
    }

    /// A source whose paths all start with `inner.`.
    struct Prefixed<'a>(&'a mut dyn Source);

    impl Source for Prefixed<'_> {
        fn tensor(&mut self, path: &str, shape: &[usize], init: Init) -> Result<Tensor> {
            self.0.tensor(&format!("inner.{path}"), shape, init)
        }

        fn gathered(&mut self, paths: &[String]) -> Option<(Shard, Vec<Range<usize>>)> {
            self.0.gathered(&paths.iter().map(|path| format!("inner.{path}")).collect::<Vec<_>>())
        }
    }

    impl NeuralNetwork for Scaled {
        fn config(&self) -> &NetworkConfig {
            self.inner.config()
        }

        fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
            // twice through the same trunk: two passes of one shard, the second of a tracked input
            let once = self.inner.forward(x, levels)?.broadcast_mul(&self.scale)?;
            Ok(self.inner.forward(&once, levels)?.broadcast_mul(&self.scale)?)
        }

        fn tensors(&self) -> Vec<&Tensor> {
            [self.inner.tensors(), vec![&self.scale]].concat()
        }

        fn operations(&self) -> Operations {
            self.inner.operations()
        }

        fn chunk(&self) -> usize {
            self.inner.chunk()
        }

        fn dtype(&self) -> DType {
            self.scale.dtype()
        }
    }

    #[test]
    fn tensors_beside_a_trunk_and_many_passes_through_it_have_their_gradients() {
        let config = config("conv", true);
        let build = |source: &mut dyn Source| -> Result<Box<dyn NeuralNetwork>> {
            let scale = source.tensor("scale", &[2], Init::Normal(1.0))?;
            let inner = config.network(&mut Prefixed(source))?;
            Ok(Box::new(Scaled { inner, scale }))
        };
        let mut weights = Weights::seeded(Key::new(1, Domain::Training), build).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += 0.3 * (i as f32 * 1.3).sin());
        let mut shards = Shards::of(&weights, (ROWS.len(), &Processor::Cpu), build).unwrap();
        assert_eq!(shards.loose.len(), 1);
        for _ in 0..2 {
            shards.load(&weights).unwrap();
            assert_near(shards.gradient(loss).unwrap().1, &by_candle(&weights, build));
        }
    }
}
