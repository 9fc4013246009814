//! `mixture`: the network gives a mixture of K Gaussians of the whole scaled increment z, trained by its exact negative
//! log-likelihood (mixture density network, Bishop 1994).
//!
//! Fields of component c, for each k: a logit, a mean m, a raw log-variance, and the r entries of a row of W. A state has
//! one set of weights: pi = softmax over k of the mean over components of the logit fields, which a rotation of a ring leaves
//! as it is. Means and C_k = diag(exp(l)) + W W^T belong to components, with l and W as in `likelihood` and
//! `low_rank_likelihood`. The loss is -(1/n) log sum_k pi_k N(z; m_k, C_k) less ln(2 pi) / 2, so that K = 1 is the loss of
//! those.
//!
//! A network that starts at zero would give K copies of one Gaussian, which stay one. So m_k starts at q_k / sqrt(n), with q_k
//! the normal quantile of (k + 1/2) / K: within a few sd of each other as whole states, whatever n is, so that each has a
//! share of the data. On a particle in a double well over a long step (the preset `double_well`; exact log density -.813)
//! that gives -.814, and starting at one point -.979, which is what one Gaussian has; on two of them at once -1.70 and -1.98.

use std::ops::RangeInclusive;

use candle_core::{Device, Result as TensorResult, Tensor};
use scorecast_systems::{Entry, Param, Settings};
use statrs::distribution::{ContinuousCDF, Normal};

use super::likelihood::bounded;
use super::low_rank_likelihood::{self, RANK, deviance};
use super::training::given_states;
use super::{Draws, Fields, Objective, ObjectiveBuild, log_variance};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

const COMPONENTS: Param = Param::int("components", 4, 1, "K, the number of Gaussians").up_to(MOST.0 as i64);
const COVARIANCE: Param = Param::choice(
    "covariance",
    "diagonal",
    &["diagonal", "low_rank"],
    "of each Gaussian: independent components, or `rank` directions of correlation on top of them",
);

/// The settings of a mixture.
pub const MIXTURE_SETTINGS: [Param; 3] = [COMPONENTS, COVARIANCE, RANK];

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "mixture",
    about: "negative log-likelihood of a mixture of Gaussians of the whole increment",
    reference: "Bishop (1994), Mixture density networks",
    params: &MIXTURE_SETTINGS,
    build: ObjectiveBuild { fields: |settings, _| MixtureShape::new(settings).fields(), make, preconditioning: None },
};

/// The most Gaussians, and the most columns of W.
const MOST: (usize, usize) = (64, 32);

/// How many Gaussians a mixture has, and of which covariances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixtureShape {
    /// K.
    pub components: usize,
    /// r, 0 where components are independent.
    pub rank: usize,
}

impl MixtureShape {
    /// What the settings ask for.
    pub fn new(settings: &Settings) -> Self {
        let low_rank = settings.text(COVARIANCE.key) == "low_rank";
        let rank = if low_rank { settings.count(RANK.key) } else { 0 };
        Self { components: settings.count(COMPONENTS.key), rank }
    }

    /// What the settings could ask for, in the order of the fields.
    pub const RANGES: [RangeInclusive<usize>; 2] = [1..=MOST.0, 0..=MOST.1];

    /// What its network takes and gives.
    pub const fn fields(self) -> Fields {
        Fields::new(1, self.components * self.each())
    }

    /// Fields of each Gaussian.
    const fn each(self) -> usize {
        3 + self.rank
    }
}

/// Where Gaussian k of a state has its fields, and where its mean starts, in scaled units.
#[derive(Clone, Copy, Debug)]
pub struct GaussianFields {
    first: usize,
    start: f64,
}

impl GaussianFields {
    /// Of Gaussian k of states of `dim` components.
    pub fn new(shape: MixtureShape, k: usize, dim: usize) -> Self {
        Self { first: k * shape.each(), start: start(shape.components, k, dim) }
    }

    /// What the logit of pi_k is the mean over components of, from the `outputs` of the network at a component.
    pub fn logit(&self, outputs: &[f64]) -> f64 {
        outputs[self.first]
    }

    /// m at a component.
    pub fn mean(&self, outputs: &[f64]) -> f64 {
        outputs[self.first + 1] + self.start
    }

    /// exp(l) at a component.
    pub fn variance(&self, outputs: &[f64]) -> f64 {
        log_variance(outputs[self.first + 2]).0.exp()
    }

    /// W in column j at a component.
    pub fn factor(&self, outputs: &[f64], j: usize) -> f64 {
        outputs[self.first + 3 + j] + low_rank_likelihood::start(j)
    }
}

/// q_k / sqrt(n), where the mean of Gaussian k of some starts.
fn start(components: usize, k: usize, dim: usize) -> f64 {
    Normal::standard().inverse_cdf((k as f64 + 0.5) / components as f64) / (dim as f64).sqrt()
}

struct Mixture(MixtureShape);

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(Mixture(MixtureShape::new(settings)))
}

impl Objective for Mixture {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let (out, z) = given_states(network, batch)?;
        Ok(negative_log_likelihood(self.0, &out, &z)?)
    }
}

/// The loss, a scalar: `out` is `[row, component, field]`, z `[row, component, 1]`.
fn negative_log_likelihood(shape: MixtureShape, out: &Tensor, z: &Tensor) -> TensorResult<Tensor> {
    let (rows, n, _) = out.dims3()?;
    let count = shape.components;
    let constant = |of: &dyn Fn(usize) -> f64, length: usize, at: (usize, usize, usize)| {
        Tensor::from_vec((0..length).map(of).collect::<Vec<f64>>(), at, &Device::Cpu)?.to_dtype(out.dtype())
    };
    // (row, k) as one axis: each Gaussian of each row is a Gaussian
    let fields = out.reshape((rows, n, count, shape.each()))?.transpose(1, 2)?.contiguous()?;
    let field = |first: usize, many: usize| fields.narrow(3, first, many)?.contiguous();
    let flat = |tensor: Tensor| tensor.reshape((rows * count, n, ()));
    let logits = field(0, 1)?.mean(2)?.squeeze(2)?;
    let log_weights = logits.broadcast_sub(&logits.log_sum_exp(1)?.unsqueeze(1)?)?;
    let starts = constant(&|k| start(count, k, n), count, (count, 1, 1))?;
    let e = flat(z.unsqueeze(1)?.broadcast_sub(&field(1, 1)?.broadcast_add(&starts)?)?)?;
    let l = flat(bounded(&field(2, 1)?)?)?;
    let deviance = match shape.rank {
        0 => ((e.sqr()? * l.neg()?.exp()?)? + &l)?.sum(1)?,
        rank => {
            let starts = constant(&low_rank_likelihood::start, rank, (1, 1, rank))?;
            deviance(&e, &l, &flat(field(3, rank)?)?.broadcast_add(&starts)?)?
        }
    };
    let log_density = ((deviance.reshape((rows, count))? * -0.5)? + log_weights)?;
    log_density.log_sum_exp(1)?.mean_all()? * (-1.0 / n as f64)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};
    use scorecast_systems::gaussian::SymmetricEigen;

    use super::*;
    use crate::nn::ops::differences::{check, normals};

    const ROWS: usize = 3;
    const DIM: usize = 5;

    /// The loss of one row with whole matrices.
    fn expected(shape: MixtureShape, out: &[Vec<f64>], z: &[Vec<f64>]) -> f64 {
        let n = out.len();
        let of = |k: usize| GaussianFields::new(shape, k, n);
        let logit = |k: usize| out.iter().map(|out| of(k).logit(out)).sum::<f64>() / n as f64;
        let total: f64 = (0..shape.components).map(|k| logit(k).exp()).sum();
        let density = |k: usize| {
            let w = Array2::from_shape_fn((n, shape.rank), |(c, j)| of(k).factor(&out[c], j));
            let d: Array1<f64> = out.iter().map(|out| of(k).variance(out)).collect();
            let e: Array1<f64> = out.iter().zip(z).map(|(out, z)| z[0] - of(k).mean(out)).collect();
            let eigen = SymmetricEigen::new((w.dot(&w.t()) + Array2::from_diag(&d)).view()).unwrap();
            let u = e.dot(&eigen.vectors);
            (-0.5 * (&u * &u / &eigen.values).sum()).exp() / eigen.values.product().sqrt()
        };
        let sum: f64 = (0..shape.components).map(|k| logit(k).exp() / total * density(k)).sum();
        -sum.ln() / n as f64
    }

    #[test]
    fn the_loss_is_the_likelihood_of_the_mixture_and_its_gradient_agrees_with_finite_differences() {
        for (components, rank) in [(1, 0), (3, 0), (2, 1), (3, 2), (2, 4)] {
            let shape = MixtureShape { components, rank };
            let out = normals(1, &[ROWS, DIM, shape.fields().outputs]);
            let z = normals(3, &[ROWS, DIM, 1]);
            let loss = negative_log_likelihood(shape, &out, &z).unwrap().to_scalar::<f64>().unwrap();
            let [outs, zs] = [&out, &z].map(|tensor| tensor.to_vec3::<f64>().unwrap());
            let mean = (0..ROWS).map(|i| expected(shape, &outs[i], &zs[i])).sum::<f64>() / ROWS as f64;
            assert!((loss - mean).abs() < 1e-11 * (1.0 + mean.abs()), "{shape:?}: {loss} {mean}");
            check(&[out, z], |a| negative_log_likelihood(shape, &a[0], &a[1]));
        }
    }

    #[test]
    fn far_from_all_means_the_loss_and_its_gradient_are_finite() {
        // one component, means +-1, sd .05 (a log-variance of -2 ln 20, bounded by 12), z = 5: log p = -3198.62
        let shape = MixtureShape { components: 2, rank: 0 };
        let raw = (-2.0 * 20f64.ln() / 12.0).atanh() * 12.0;
        let means = [-1.0, 1.0].into_iter().enumerate();
        let fields: Vec<f64> = means.flat_map(|(k, mean)| [0.3, mean - start(2, k, 1), raw]).collect();
        for dtype in [candle_core::DType::F64, candle_core::DType::F32] {
            let tensor = |values: Vec<f64>| {
                let count = values.len();
                Tensor::from_vec(values, (1, 1, count), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
            };
            let out = candle_core::Var::from_tensor(&tensor(fields.clone())).unwrap();
            let loss = negative_log_likelihood(shape, out.as_tensor(), &tensor(vec![5.0])).unwrap();
            let gradients = loss.backward().unwrap();
            let gradient = gradients.get(out.as_tensor()).unwrap().flatten_all().unwrap();
            let gradient: Vec<f64> = gradient.to_dtype(candle_core::DType::F64).unwrap().to_vec1().unwrap();
            let log_density = -loss.to_dtype(candle_core::DType::F64).unwrap().to_scalar::<f64>().unwrap()
                - 0.5 * std::f64::consts::TAU.ln();
            assert!((log_density + 3198.62).abs() < 0.01, "{log_density}");
            // d loss / d m = -(z - m) / sd^2 of the nearer one, whose share is 1 to 1e-1000 or so
            assert!((gradient[4] + 4.0 / 0.0025).abs() < 0.01, "{gradient:?}");
            assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
        }
    }
}
