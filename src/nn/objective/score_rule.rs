//! `score_rule`: the network takes x_k and noise e ~ N(0, I), and gives a draw of z. Of each pair it makes M members
//! z_j = f(x_k, e_j) that are scored against z by a proper rule, almost fair to an ensemble of M:
//!
//! S = (1/M) sum_j |z_j - z| - (1 - (1 - a)/M) / (2 M (M - 1)) sum_jk |z_j - z_k|
//!
//! (Lang et al. 2024). a = 1 is the fair score, whose expectation is least where each member is a draw from the law of z
//! given x_k, for any M, but which says nothing of one member where the M - 1 others are z; a = 0 is the score of the M
//! members themselves, which wants too little spread. |.| is the absolute value, averaged over components (`crps`), the Euclidean norm over
//! the root of the number of components (`energy`), or half of each (`both`). The first sees each component by itself:
//! any dependence between components scores alike.
//!
//! The norm is sqrt(sum + 1e-12), whose gradient is 0 where two members coincide.

use candle_core::{Device, Tensor};
use ndarray::Array2;
use scorecast_systems::{Entry, Param, Settings};

use super::rollout::Rule;
use super::{Draws, Fields, Objective, ObjectiveBuild, REGRESSION_FIELDS};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

const RULES: [&str; 3] = ["crps", "energy", "both"];

const RULE: Param = Param::choice(
    "rule",
    "both",
    &RULES,
    "what members are scored by in training: crps sees each component by itself, energy their dependence too",
);
const ALPHA: Param = Param::share("alpha", 0.95, "1: the fair score, 0: that of the members themselves");
/// Members of each pair in training.
pub const TRAIN_MEMBERS: Param = Param::int("train_members", 4, 2, "members of each pair in training").up_to(1000);
/// Normal numbers for each component of a draw.
pub const NOISE_FIELDS: Param =
    Param::int("noise_fields", 1, 1, "normal numbers that a draw takes for each component").up_to(1000);
const PRETRAIN: Param = Param::choice(
    "pretrain",
    "none",
    &["none", "mse"],
    "mse: the first half of the training steps makes the squared error of each member least",
);

/// The settings of a score rule.
pub const SCORE_RULE_SETTINGS: [Param; 5] = [RULE, ALPHA, TRAIN_MEMBERS, NOISE_FIELDS, PRETRAIN];

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "score_rule",
    about: "almost fair CRPS or energy score of members that noise makes",
    reference: "Gneiting and Raftery (2007); Lang et al. (2024), arXiv:2412.15832",
    params: &SCORE_RULE_SETTINGS,
    build: ObjectiveBuild {
        fields: |settings, _| fields(settings.count(NOISE_FIELDS.key)),
        make,
        preconditioning: None,
    },
};

/// The part of the training steps that `pretrain` takes.
const PRETRAINED: f64 = 0.5;
/// What keeps the gradient of a norm finite, in scaled units.
const TINY: f64 = 1e-12;

/// What the network of a score rule takes and gives.
pub const fn fields(noise: usize) -> Fields {
    Fields { inputs: 1 + noise, ..REGRESSION_FIELDS }
}

struct ScoreRule {
    /// Weights of the CRPS and of the energy score.
    weights: [f64; 2],
    alpha: f64,
    members: usize,
    noise_fields: usize,
    pretrained: bool,
}

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(of_settings(settings))
}

/// The rule that the settings ask for, over several lead steps.
pub fn score_rule(settings: &Settings) -> impl Rule {
    of_settings(settings)
}

fn of_settings(settings: &Settings) -> ScoreRule {
    let weights = match settings.text(RULE.key) {
        "crps" => [1.0, 0.0],
        "energy" => [0.0, 1.0],
        _ => [0.5, 0.5],
    };
    ScoreRule {
        weights,
        alpha: settings.number(ALPHA.key),
        members: settings.count(TRAIN_MEMBERS.key),
        noise_fields: settings.count(NOISE_FIELDS.key),
        pretrained: settings.text(PRETRAIN.key) == "mse",
    }
}

impl ScoreRule {
    /// The members of each row, `[row, member, component]`.
    fn members(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        let ((rows, dim), m) = (batch.increments.dim(), self.members);
        let states = Array2::from_shape_fn((rows * m, batch.states.ncols()), |(i, c)| batch.states[[i / m, c]]);
        let noise = self.noise((rows * m, dim), 0, draws);
        let fields: Vec<_> = std::iter::once(&states).chain(&noise).map(|field| field.view()).collect();
        let out = network.forward(&network.input(&fields)?, None)?;
        Ok(out.reshape((rows, m, dim))?)
    }

    /// S of members `[row, member, component]` against z `[row, 1, component]`, its mean over rows.
    fn score(&self, members: &Tensor, z: &Tensor) -> Result<Tensor> {
        let m = self.members as f64;
        let among = (1.0 - (1.0 - self.alpha) / m) / (m * (m - 1.0));
        let mut sum = (self.distances(&members.broadcast_sub(z)?)? * (1.0 / m))?;
        // by the difference in place: each pair once, never a member and itself
        for lag in 1..self.members {
            let count = self.members - lag;
            let differences = (members.narrow(1, lag, count)? - members.narrow(1, 0, count)?)?;
            sum = (sum - (self.distances(&differences)? * among)?)?;
        }
        Ok((sum / z.dim(0)? as f64)?)
    }

    /// The sum of |d| over rows and members, of differences d `[row, member, component]`.
    fn distances(&self, differences: &Tensor) -> Result<Tensor> {
        let dim = differences.dim(2)? as f64;
        let [of_components, of_vectors] = self.weights;
        let mut sum = Tensor::zeros((), differences.dtype(), &Device::Cpu)?;
        if of_components > 0.0 {
            sum = (sum + (differences.abs()?.sum_all()? * (of_components / dim))?)?;
        }
        if of_vectors > 0.0 {
            let norms = (differences.sqr()?.sum(2)? + TINY)?.sqrt()?;
            sum = (sum + (norms.sum_all()? * (of_vectors / dim.sqrt()))?)?;
        }
        Ok(sum)
    }
}

impl Rule for ScoreRule {
    fn members(&self) -> usize {
        self.members
    }

    /// A row's stream holds the noise of the first lead step, of all members, and then that of the second.
    fn noise(&self, (draws_of_all, dim): (usize, usize), step: usize, draws: Draws) -> Vec<Array2<f64>> {
        let m = self.members;
        let mut noise = vec![Array2::zeros((draws_of_all, dim)); self.noise_fields];
        for row in 0..draws_of_all / m {
            let mut stream = draws.row(row).stream;
            (0..step * m * self.noise_fields * dim).for_each(|_| {
                stream.normal();
            });
            for member in row * m..(row + 1) * m {
                noise.iter_mut().for_each(|field| field.row_mut(member).mapv_inplace(|_: f64| stream.normal()));
            }
        }
        noise
    }

    fn score(&self, drawn: &Tensor, came: &Tensor) -> Result<Tensor> {
        Self::score(self, drawn, came)
    }
}

impl Objective for ScoreRule {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        let members = self.members(network, batch, draws)?;
        let z = network.input(&[batch.increments.view()])?.transpose(1, 2)?;
        if self.pretrained && draws.progress() < PRETRAINED {
            return Ok(members.broadcast_sub(&z)?.sqr()?.mean_all()?);
        }
        self.score(&members, &z)
    }

    fn draws(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::nn::ops::differences::{check, normals};

    fn rule(weights: [f64; 2], alpha: f64, members: usize) -> ScoreRule {
        ScoreRule { weights, alpha, members, noise_fields: 1, pretrained: false }
    }

    fn value(tensor: &Tensor) -> f64 {
        tensor.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn two_members_and_a_value_have_the_scores_that_a_pencil_gives() {
        // members 0 and 1, the value 1/2: .5 - .5 fair, .5 - .25 of the members themselves
        let members = Tensor::from_vec(vec![0.0, 1.0], (1, 2, 1), &Device::Cpu).unwrap();
        let z = Tensor::from_vec(vec![0.5], (1, 1, 1), &Device::Cpu).unwrap();
        for weights in [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]] {
            for (alpha, expected) in [(1.0, 0.0), (0.0, 0.25), (0.95, 0.0125)] {
                let found = value(&rule(weights, alpha, 2).score(&members, &z).unwrap());
                assert!((found - expected).abs() < 2e-6, "{weights:?} {alpha}: {found}");
            }
        }
    }

    #[test]
    fn a_score_is_what_its_formula_says_and_its_gradient_agrees_with_finite_differences() {
        let (members, z) = (normals(1, &[2, 3, 4]), normals(2, &[2, 1, 4]));
        let (x, y) = (members.to_vec3::<f64>().unwrap(), z.to_vec3::<f64>().unwrap());
        let l1 = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 4.0;
        let l2 = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() / 2.0;
        for (weights, distance) in [([1.0, 0.0], &l1 as &dyn Fn(&[f64], &[f64]) -> f64), ([0.0, 1.0], &l2)] {
            let mut expected = 0.0;
            for (x, y) in x.iter().zip(&y) {
                let to_value: f64 = x.iter().map(|x| distance(x, &y[0])).sum::<f64>() / 3.0;
                let pairs: f64 = x.iter().map(|a| x.iter().map(|b| distance(a, b)).sum::<f64>()).sum();
                expected += 0.5 * (to_value - (1.0 - 0.1 / 3.0) * pairs / 12.0);
            }
            let rule = rule(weights, 0.9, 3);
            let found = value(&rule.score(&members, &z).unwrap());
            assert!((found - expected).abs() < 1e-6, "{weights:?}: {found} for {expected}");
            check(&[members.clone(), z.clone()], |a| rule.score(&a[0], &a[1]).map_err(candle_core::Error::wrap));
        }
    }

    #[test]
    fn members_that_coincide_have_a_finite_gradient() {
        let same = candle_core::Var::from_tensor(&Tensor::zeros((1, 3, 2), DType::F32, &Device::Cpu).unwrap()).unwrap();
        let z = Tensor::zeros((1, 1, 2), DType::F32, &Device::Cpu).unwrap();
        let loss = rule([0.5, 0.5], 1.0, 3).score(same.as_tensor(), &z).unwrap();
        let gradients = loss.backward().unwrap();
        let gradient = gradients.get(same.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }

    #[test]
    fn the_crps_of_components_cannot_see_a_dependence_that_the_energy_score_sees() {
        // z and members of correlation .9, and members of independent components: the same margins
        let (rows, members) = (20_000, 4);
        let correlated = |x: &Array2<f64>| {
            Array2::from_shape_fn(x.dim(), |(i, c)| {
                if c == 0 { x[[i, 0]] } else { 0.9 * x[[i, 0]] + 0.19f64.sqrt() * x[[i, 1]] }
            })
        };
        let draw = |seed| scorecast_systems::Key::new(seed, scorecast_systems::Domain::Data).normals(rows * members, 2);
        let tensor = |x: Array2<f64>, count: usize| {
            Tensor::from_vec(x.into_iter().collect::<Vec<f64>>(), (rows, count, 2), &Device::Cpu).unwrap()
        };
        let z = tensor(correlated(&draw(1).slice_move(ndarray::s![..rows, ..])), 1);
        let (right, wrong) = (tensor(correlated(&draw(2)), members), tensor(draw(2), members));
        let excess = |weights| {
            let rule = rule(weights, 1.0, members);
            value(&rule.score(&wrong, &z).unwrap()) - value(&rule.score(&right, &z).unwrap())
        };
        // by 200,000 draws in NumPy the energy score is .0249 +- .0004 worse; the standard error of either difference here is .0014
        let (by_component, by_vector) = (excess([1.0, 0.0]), excess([0.0, 1.0]));
        assert!(by_component.abs() < 0.01, "{by_component}");
        assert!((by_vector - 0.0249).abs() < 0.01, "{by_vector}");
    }
}
