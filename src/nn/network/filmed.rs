//! A network that is told constants by its film, not as fields: the parameters of a system, one number for each row.
//!
//! Beside the noise levels they are embedded, and move gains and shifts of every block (FiLM, Perez et al. 2018), so that the
//! network can bend to them everywhere, where a constant field only shifts what the first layer gives. Around any kind that
//! takes levels; a constant c of unit variance is embedded as a level c / 16 would be, so that the fastest wave of its features
//! goes round once in six standard deviations: with waves four times as fast the networks learned each trajectory's constant
//! by heart, and were worse between them.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::{NetworkBuild, NetworkConfig, NeuralNetwork, Operations};
use crate::nn::Result;
use crate::nn::weights::Source;

/// The size of a feature of a constant, beside that of a level.
const SHARE: f64 = 1.0 / 16.0;

/// Which input fields are constants that the film is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Film {
    /// The first of them.
    pub first: usize,
    /// How many stand side by side.
    pub count: usize,
}

/// A network around one that is given the constants as levels.
#[derive(Debug)]
struct Filmed {
    config: NetworkConfig,
    film: Film,
    inner: Box<dyn NeuralNetwork>,
}

/// What a network refuses whose embedding of levels is the published one, and of nothing else.
pub(super) fn no_film(config: &NetworkConfig) -> Option<(&'static str, String)> {
    config.film.map(|_| {
        let problem = format!("is \"film\", which a {} network does not have; set it to \"fields\"", config.kind);
        ("condition_by", problem)
    })
}

/// One trunk of a description, told constants by its film where it has one.
pub(super) fn trunk(
    config: &NetworkConfig,
    build: &NetworkBuild,
    source: &mut dyn Source,
) -> Result<Box<dyn NeuralNetwork>> {
    match config.film {
        Some(film) => Ok(Box::new(Filmed::new(config, film, build, source)?)),
        None => (build.make)(config, source),
    }
}

impl Filmed {
    fn new(config: &NetworkConfig, film: Film, build: &NetworkBuild, source: &mut dyn Source) -> Result<Self> {
        let Some(inputs) = config.inputs.checked_sub(film.count).filter(|rest| film.first <= *rest) else {
            let message = format!(
                "the {} fields of a film from field {} on are no part of the {} inputs of a network; its description is damaged",
                film.count, film.first, config.inputs
            );
            return Err(crate::nn::Error::Model(message));
        };
        let levels = config.levels_of_row().saturating_add(film.count);
        let inner = NetworkConfig { inputs, levels, time_features: true, film: None, ..config.clone() };
        Ok(Self { config: config.clone(), film, inner: (build.make)(&inner, source)? })
    }

    /// The levels of each row with its constants behind them.
    fn levels(&self, constants: &Tensor, levels: Option<&[f64]>) -> Result<Vec<f64>> {
        let constants = constants.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let (levels, of_row) = (levels.unwrap_or_default(), self.config.levels_of_row());
        let mut all = Vec::with_capacity(constants.len() / self.film.count.max(1) * (of_row + self.film.count));
        for (row, own) in constants.chunks_exact(self.film.count.max(1)).enumerate() {
            // one row of levels is that of all
            let from = if levels.len() == of_row { 0 } else { row * of_row };
            all.extend(&levels[from..from + of_row]);
            all.extend(own.iter().map(|constant| constant * SHARE));
        }
        Ok(all)
    }
}

impl NeuralNetwork for Filmed {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
        self.config.check(x, levels)?;
        let Film { first, count } = self.film;
        let behind = first + count;
        let constants = x.narrow(2, first, count)?.narrow(1, 0, 1)?;
        let rest = [x.narrow(2, 0, first)?, x.narrow(2, behind, self.config.inputs - behind)?];
        self.inner.forward(&Tensor::cat(&rest, 2)?, Some(&self.levels(&constants, levels)?))
    }

    fn tensors(&self) -> Vec<&Tensor> {
        self.inner.tensors()
    }

    /// Rows have constants of their own, so that each is embedded for itself.
    fn operations(&self) -> Operations {
        let inner = self.inner.operations();
        Operations { evaluation: inner.evaluation + inner.level, level: 0.0, training: inner.training }
    }

    fn chunk(&self) -> usize {
        self.inner.chunk()
    }

    fn dtype(&self) -> DType {
        self.inner.dtype()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::nn::network::tests::{config, moved};
    use crate::nn::network::{Causal, NETWORKS};

    /// Fields `[row, component, field]` whose field `first + j` is the constant j of its row.
    fn rows(inputs: usize, first: usize, constants: &[[f64; 2]]) -> Tensor {
        let value = |row: usize, component: usize, field: usize| match field.checked_sub(first) {
            Some(j) if j < 2 => constants[row][j],
            _ => ((row * 31 + component * 7 + field) as f64).sin(),
        };
        let all = (0..constants.len()).flat_map(|row| (0..6).map(move |component| (row, component)));
        let all: Vec<f64> = all.flat_map(|(row, c)| (0..inputs).map(move |field| value(row, c, field))).collect();
        Tensor::from_vec(all, (constants.len(), 6, inputs), &Device::Cpu).unwrap()
    }

    #[test]
    fn constants_are_levels_of_the_network_inside() {
        let constants = [[0.8, -2.0], [0.0, 1.2], [0.8, 1.2]];
        for (entry, noised) in NETWORKS.iter().flat_map(|entry| [(entry, false), (entry, true)]) {
            let plain = config(entry.name, noised);
            let told = NetworkConfig { film: Some(Film { first: 0, count: 2 }), ..plain.clone() };
            if let Some((key, problem)) = (entry.build.refuses)(&told) {
                assert!(key == "condition_by" && problem.contains("is \"film\""), "{}: {problem}", entry.name);
                continue;
            }
            for first in [0, 1, plain.inputs] {
                let inputs = plain.inputs + 2;
                let filmed = NetworkConfig { inputs, film: Some(Film { first, count: 2 }), ..plain.clone() };
                let network = moved(&filmed, 0.3);
                let of_row = usize::from(noised);
                let inner = moved(&NetworkConfig { levels: of_row + 2, time_features: true, ..plain.clone() }, 0.3);
                let x = rows(inputs, first, &constants);
                let without: Vec<u32> =
                    (0..inputs).filter(|i| !(first..first + 2).contains(i)).map(|i| i as u32).collect();
                let without = Tensor::new(without, &Device::Cpu).unwrap();
                let rest = x.index_select(&without, 2).unwrap();
                // a level for each row, and one for all
                for levels in [vec![-0.3, 0.1, 0.4], vec![0.2]].into_iter().take(1 + of_row) {
                    let own = |row: usize| noised.then(|| levels[row % levels.len()]);
                    let by_hand: Vec<f64> =
                        (0..3).flat_map(|i| own(i).into_iter().chain(constants[i].map(|c| c / 16.0))).collect();
                    let out = network.forward(&x, noised.then_some(levels.as_slice())).unwrap();
                    let expected = inner.forward(&rest, Some(&by_hand)).unwrap();
                    let [out, expected] = [out, expected].map(|t| t.flatten_all().unwrap().to_vec1::<f64>().unwrap());
                    assert_eq!(out, expected, "{} {first}", entry.name);
                    assert!(out[..12] != out[24..], "{}", entry.name);
                }
                let [own, other] = [&network, &inner].map(|network| network.operations());
                assert_eq!((own.evaluation, own.level), (other.evaluation + other.level, 0.0));
            }
        }
    }

    #[test]
    fn every_trunk_of_several_has_its_film_and_fields_that_are_none_are_refused() {
        let plain = config("mlp", false);
        let film = Some(Film { first: 2, count: 2 });
        let several = NetworkConfig {
            inputs: 4,
            film,
            copies: 2,
            causal: Some(Causal { outputs: 2, reach: 6 }),
            ..plain.clone()
        };
        let network = moved(&several, 0.3);
        let out = |constants: &[[f64; 2]], trunk: usize| {
            let out = network.trunk(trunk).unwrap().forward(&rows(4, 2, constants), None).unwrap();
            out.flatten_all().unwrap().to_vec1::<f64>().unwrap()
        };
        for trunk in [0, 1] {
            assert_ne!(out(&[[0.5, 0.5]], trunk), out(&[[0.5, 0.6]], trunk));
        }
        let beyond = NetworkConfig { film: Some(Film { first: 1, count: 2 }), ..plain };
        let said = beyond.parameters().unwrap_err().to_string();
        assert!(said.contains("2 fields of a film from field 1 on are no part of the 2 inputs"), "{said}");
    }
}
