//! Errors over several lead steps, each taken from where the network itself came to. With z_j the scaled increment of lead step
//! j and f_j what the network gives for it, x_{k+j} is missed by s sum_{i<=j} (f_i - z_i), s the sd of increments; the loss is
//! the mean over the lead steps of a rule of sum f_i against sum z_i ([`Rule`]).

use candle_core::{Device, Tensor};
use ndarray::Array2;

use super::{Draws, Objective};
use crate::nn::data::{Batch, Scales};
use crate::nn::{NeuralNetwork, Result};

/// How the draws of a lead step are made of a network, and scored.
pub trait Rule: Send + Sync {
    /// Draws of each pair.
    fn members(&self) -> usize;

    /// The fields of noise of lead step `step`, counted from 0, `[row x member, component]` each, those of a row's members one
    /// after the other.
    fn noise(&self, shape: (usize, usize), step: usize, draws: Draws) -> Vec<Array2<f64>>;

    /// The mean loss of draws `[row, member, component]` against what came, `[row, 1, component]`.
    ///
    /// # Errors
    /// When Candle fails.
    fn score(&self, drawn: &Tensor, came: &Tensor) -> Result<Tensor>;
}

/// A rule over several lead steps.
pub struct Rollout<'a> {
    rule: &'a dyn Rule,
    /// a/S and s/S: increments in units of states.
    offset: Vec<f64>,
    scale: Vec<f64>,
    /// How many fields at the end of the input are parameters.
    parameters: usize,
}

impl<'a> Rollout<'a> {
    /// Of a network on data of these scales.
    pub fn new(rule: &'a dyn Rule, Scales { states, increments, parameters }: &Scales) -> Self {
        let offset = (&increments.mean / &states.sd).to_vec();
        Self { rule, offset, scale: (&increments.sd / &states.sd).to_vec(), parameters: parameters.len() }
    }
}

impl Objective for Rollout<'_> {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        let ((rows, dim), members) = (batch.increments.dim(), self.rule.members());
        let fields = batch.states.ncols() / dim;
        let history = fields - self.parameters;
        let constant =
            |values: &[f64]| Tensor::from_slice(values, (1, dim, 1), &Device::Cpu)?.to_dtype(network.dtype());
        let (offset, scale) = (constant(&self.offset)?, constant(&self.scale)?);
        let repeated =
            Array2::from_shape_fn((rows * members, batch.states.ncols()), |(i, c)| batch.states[[i / members, c]]);
        let mut states = network.input(&[repeated.view()])?;
        let mut drawn: Option<Tensor> = None;
        let (mut came, mut loss) = (Array2::zeros((rows, dim)), Tensor::zeros((), network.dtype(), &Device::Cpu)?);
        let steps = 1 + batch.later.len();
        for (step, increments) in std::iter::once(&batch.increments).chain(&batch.later).enumerate() {
            let noise = self.rule.noise((rows * members, dim), step, draws);
            let input = match noise.is_empty() {
                true => states.clone(),
                false => {
                    let noise: Vec<_> = noise.iter().map(|field| field.view()).collect();
                    Tensor::cat(&[&states, &network.input(&noise)?], 2)?
                }
            };
            let given = network.forward(&input.contiguous()?, None)?;
            came += increments;
            let sum = match drawn {
                None => given.clone(),
                Some(before) => (before + &given)?,
            };
            let target = network.input(&[came.view()])?.transpose(1, 2)?.contiguous()?;
            loss = (loss + self.rule.score(&sum.reshape((rows, members, dim))?, &target)?)?;
            drawn = Some(sum);
            // increments are in units of their own; the oldest state goes
            let newest = (states.narrow(2, 0, 1)? + given.broadcast_mul(&scale)?.broadcast_add(&offset)?)?;
            states = match fields {
                1 => newest,
                _ => {
                    let [earlier, parameters] = [(0, history - 1), (history, self.parameters)];
                    let [earlier, parameters] = [earlier, parameters].map(|(at, count)| states.narrow(2, at, count));
                    Tensor::cat(&[newest, earlier?, parameters?], 2)?
                }
            };
        }
        Ok((loss / steps as f64)?)
    }

    fn draws(&self) -> bool {
        self.rule.members() > 1
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::nn::network::tests::config;
    use crate::nn::objective::{Fields, OBJECTIVES, regression_rule};
    use crate::nn::windows::Windows;
    use crate::nn::{NetworkConfig, array};

    /// Four trajectories of random states.
    fn states() -> ndarray::Array3<f64> {
        let values = Key::new(1, Domain::Data).normals(4 * 8, 6).into_raw_vec_and_offset().0;
        ndarray::Array3::from_shape_vec((4, 8, 6), values).unwrap()
    }

    #[test]
    fn the_loss_is_that_of_states_stepped_one_by_one_and_its_gradient_agrees_with_finite_differences() {
        let data = states();
        let own = Key::new(4, Domain::Training).normals(4, 2);
        let names = ["a", "b"].map(str::to_owned);
        for (history, parameters) in [(1, 0), (2, 0), (1, 2), (2, 2)] {
            let one = crate::nn::data::Data::new(data.view(), data.view(), true, history).unwrap();
            let one = match parameters {
                0 => one,
                _ => one.with_parameters([own.view(), own.view()], &names).unwrap(),
            };
            let batch = one.ahead(3).unwrap().batch(crate::nn::data::Subset::Train, &[0, 3, 7]);
            let fields = Fields::new(1, 1).with_history(history).with_parameters(history, parameters, false);
            let config = NetworkConfig { width: 5, ..fields.given(&config("mlp", false)) };
            let mut weights = config.seeded(Key::new(2, Domain::Training)).unwrap();
            weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += 0.2 * (i as f32 * 1.3).sin());
            let tensors = weights.tracked(DType::F64).unwrap();
            let network = config.from_tensors(&tensors).unwrap();
            let rule = regression_rule();
            let rollout = Rollout::new(&rule, one.scales());
            let draws = Draws::new(Key::new(3, Domain::Training), 0);
            let loss = rollout.loss(network.as_ref(), &batch, draws).unwrap();
            // by hand: states in their own units
            let scales = one.scales();
            let windows = Windows::new(data.view(), history + 3, 1);
            let (mut sum, mut count) = (0.0, 0.0);
            for row in [0, 3, 7] {
                let window = windows.get(row).to_owned();
                let mut known: Vec<Vec<f64>> =
                    (0..history).map(|back| window.row(history - 1 - back).to_vec()).collect();
                for step in 0..3 {
                    let scaled = Array2::from_shape_fn((1, 6 * (history + parameters)), |(_, i)| match i / 6 {
                        back if back < history => scales.states.scaled(known[back][i % 6], i % 6),
                        field => {
                            let j = field - history;
                            let of = own.column(j);
                            (own[[windows.case(row), j]] - of.mean().unwrap()) / of.std(0.0)
                        }
                    });
                    let input = network.as_ref().input(&[scaled.view()]).unwrap();
                    let given = array::field(&network.forward(&input, None).unwrap(), 0).unwrap();
                    let of =
                        |c: usize| known[0][c] + scales.increments.mean[c] + scales.increments.sd[c] * given[[0, c]];
                    let next: Vec<f64> = (0..6).map(of).collect();
                    for c in 0..6 {
                        sum += ((next[c] - window[[history + step, c]]) / scales.increments.sd[c]).powi(2);
                        count += 1.0;
                    }
                    known.insert(0, next);
                    known.pop();
                }
            }
            let found = loss.to_scalar::<f64>().unwrap();
            assert!((found - sum / count).abs() < 1e-12 * found, "{found} {}", sum / count);
            let gradients = loss.backward().unwrap();
            let (path, tensor) = tensors.iter().find(|(path, _)| path.ends_with("weight")).unwrap();
            let gradient = gradients.get(tensor).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let values = tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for at in [0, values.len() / 2] {
                let moved = |h: f64| {
                    let mut values = values.clone();
                    values[at] += h;
                    let mut other = tensors.clone();
                    other.insert(path.clone(), Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap());
                    let network = config.from_tensors(&other).unwrap();
                    rollout.loss(network.as_ref(), &batch, draws).unwrap().to_scalar::<f64>().unwrap()
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!(
                    (difference - gradient[at]).abs() < 1e-7 * (1.0 + difference.abs()),
                    "{difference} {}",
                    gradient[at]
                );
            }
        }
    }

    #[test]
    fn one_lead_step_is_the_objective_itself() {
        let data = states();
        let one = crate::nn::data::Data::new(data.view(), data.view(), true, 1).unwrap();
        let batch = one.batch(crate::nn::data::Subset::Train, &[0, 3, 7]);
        let config = NetworkConfig { width: 5, ..Fields::new(1, 1).given(&config("mlp", false)) };
        let weights = config.seeded(Key::new(2, Domain::Training)).unwrap();
        let network = config.frozen(&weights).unwrap();
        let draws = Draws::new(Key::new(3, Domain::Training), 0);
        let rule = regression_rule();
        let settings = scorecast_systems::Settings::check("x", &[], &std::collections::BTreeMap::new()).unwrap();
        let regression = OBJECTIVES.iter().find(|entry| entry.name == "regression").unwrap();
        let [a, b] =
            [&Rollout::new(&rule, one.scales()) as &dyn Objective, (regression.build.make)(&settings).as_ref()]
                .map(|objective| objective.loss(network.as_ref(), &batch, draws).unwrap().to_scalar::<f32>().unwrap());
        assert!((a - b).abs() < 1e-6 * a.abs(), "{a} {b}");
    }
}
