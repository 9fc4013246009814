//! `gaussian`: autoregressive next-step likelihood. With z the scaled increment x_{k+1} - x_k, a network gives for each
//! component m(x_k) and l(x_k), and z ~ N(m, exp(l)), trained by the mean of (l + (z - m)^2 exp(-l)) / 2 (Nix and
//! Weigend 1994). l = B tanh(raw / B) with B = 12 keeps the sd of z between .0025 and 400 and its gradient alive.
//!
//! The components are independent given x_k, and the law has one mode: what it cannot represent, it averages over.

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2};

use super::learned::{self, Data, Fields, Learned, in_chunks, joined, members, stacked};
use super::{FitContext, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::train::{Draws, Objective, Subset};
use crate::nn::{self, NeuralNetwork, array};
use crate::systems::gaussian::GaussianLaw;
use crate::systems::{
    self, ConditionalDenoiser, Covariance, Density, Differentiable, Entry, Forecaster, GaussianKernel, Key, Param,
    Purpose, Settings,
};

const PARAMS: [Param; 13] = joined(learned::SETTINGS, []);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "gaussian",
    about: "autoregressive network: mean and variance of the increment, trained by likelihood",
    reference: "Nix and Weigend (1994)",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), learned: true },
};

/// Bound of the log-variance of z.
const BOUND: f64 = 12.0;

const FIELDS: Fields = Fields { inputs: 1, outputs: 2, time_features: false };

/// The likelihood of scaled increments.
struct Likelihood<'d, 's>(&'d Data<'s>);

impl Objective for Likelihood<'_, '_> {
    fn pairs(&self, part: Subset) -> usize {
        self.0.pairs(part)
    }

    fn loss(&self, network: &NeuralNetwork, part: Subset, rows: &[usize], _draws: Draws) -> nn::Result<Tensor> {
        let (x, z) = self.0.rows(part, rows);
        let out = network.forward(&array::interleave(&[x.view()], network.dtype())?, None)?;
        negative_log_likelihood(&out, &array::interleave(&[z.view()], network.dtype())?)
    }
}

/// (l + (z - m)^2 exp(-l)) / 2, its mean: `out` is `[row, component, (m, raw)]`, `z` is `[row, component, 1]`.
fn negative_log_likelihood(out: &Tensor, z: &Tensor) -> nn::Result<Tensor> {
    let (mean, raw) = (out.narrow(2, 0, 1)?, out.narrow(2, 1, 1)?);
    let l = ((raw / BOUND)?.tanh()? * BOUND)?;
    let squared = (z - mean)?.sqr()?;
    Ok(((&l + (squared * l.neg()?.exp()?)?)?.mean_all()? * 0.5)?)
}

/// l and its derivative, from what the network gives.
pub(super) fn bounded(raw: f64) -> (f64, f64) {
    let tanh = (raw / BOUND).tanh();
    (BOUND * tanh, 1.0 - tanh * tanh)
}

/// The law of one step.
pub(super) struct Kernel(Learned);

impl Kernel {
    fn chunk(&self, x: ArrayView2<f64>) -> Result<[Array2<f64>; 2]> {
        let out = self.0.evaluate(&[self.0.scaled(x).view()], None)?;
        let increments = self.0.increments();
        let mean = &x + &increments.mean + array::field(&out, 0)? * &increments.sd;
        let variance = array::field(&out, 1)?.mapv(|raw| bounded(raw).0.exp());
        Ok([mean, variance * &increments.sd * &increments.sd])
    }

    fn mean_and_variance(&self, x: ArrayView2<f64>) -> Result<[Array2<f64>; 2]> {
        let chunks = in_chunks(x.nrows(), self.0.chunk(), |range| self.chunk(members(&x, range)))?;
        let (means, variances): (Vec<_>, Vec<_>) = chunks.into_iter().map(|[mean, variance]| (mean, variance)).unzip();
        Ok([stacked(&means, x.ncols()), stacked(&variances, x.ncols())])
    }
}

impl GaussianKernel for Kernel {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> systems::Result<(Array2<f64>, Covariance)> {
        let [mean, variance] = self.mean_and_variance(x)?;
        Ok((mean, Covariance::Diagonal(variance)))
    }
}

/// The forecaster: its law is Gaussian, so that it offers everything that a Gaussian law offers.
pub(super) struct Gaussian(GaussianLaw<Kernel>);

impl Gaussian {
    pub(super) fn kernel(&self) -> &Kernel {
        self.0.kernel()
    }

    pub(super) fn learned(&self) -> &Learned {
        &self.0.kernel().0
    }
}

fn fit(settings: &Settings, situation: &FitContext) -> Result<Box<dyn Fitted>> {
    let data = Data::new(situation)?;
    let learned = Learned::fit(settings, situation, FIELDS, &data, &Likelihood(&data), 1)?;
    Ok(Box::new(Gaussian(GaussianLaw::new(Kernel(learned)))))
}

fn load(model: &Model) -> Result<Box<dyn Fitted>> {
    Ok(Box::new(Gaussian(GaussianLaw::new(Kernel(Learned::load(model)?)))))
}

impl Forecaster for Gaussian {
    fn dim(&self) -> usize {
        self.0.kernel().0.dim()
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        for step in k..k + steps {
            let [mean, variance] = self.0.kernel().mean_and_variance(x.view())?;
            let noise = key.purpose(Purpose::ForecastNoise).at(step as u64).normals(x.nrows(), x.ncols());
            *x = mean + variance.mapv(f64::sqrt) * noise;
        }
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        Some(&self.0)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(&self.0)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        Some(&self.0)
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Fitted for Gaussian {
    fn model(&self) -> Model {
        self.0.kernel().0.model(ENTRY.name, (serde_json::json!({}), Vec::new()))
    }

    fn training(&self) -> &Training {
        self.0.kernel().0.training()
    }

    fn as_forecaster(&self) -> &dyn Forecaster {
        self
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::nn::pairs::Pairs;
    use crate::nn::{NetworkConfig, NetworkKind};
    use crate::systems::{Domain, Geometry};

    /// A forecaster in double precision whose weights are moved from where they start, around the scales of random data.
    pub(in crate::forecast) fn untrained(kind: NetworkKind) -> Gaussian {
        let config = NetworkConfig {
            kind,
            components: 6,
            inputs: FIELDS.inputs,
            outputs: FIELDS.outputs,
            width: 5,
            blocks: 2,
            kernel: 3,
            time_features: FIELDS.time_features,
        };
        let mut weights = NeuralNetwork::seeded(&config, Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += 0.4 * (i as f32 * 1.3).sin());
        let values = Key::new(1, Domain::Data).normals(2 * 9, 6).into_raw_vec_and_offset().0;
        let data = ndarray::Array3::from_shape_vec((2, 9, 6), values).unwrap();
        let (states, increments) = Pairs::new(data.view()).scales(Geometry::Ring).unwrap();
        let single = Learned::untrained(&config, weights, states, increments).unwrap();
        Gaussian(GaussianLaw::new(Kernel(single.in_double_precision().unwrap())))
    }

    use crate::nn::ops::differences::{check, normals};

    #[test]
    fn the_loss_is_the_gaussian_likelihood_and_its_gradient_agrees_with_finite_differences() {
        let (out, z) = (normals(1, &[3, 4, 2]), normals(2, &[3, 4, 1]));
        let loss = negative_log_likelihood(&out, &z).unwrap().to_scalar::<f64>().unwrap();
        let (out_values, z_values) = (out.to_vec3::<f64>().unwrap(), z.to_vec3::<f64>().unwrap());
        let mut expected = 0.0;
        for (out, z) in out_values.iter().flatten().zip(z_values.iter().flatten()) {
            let l = BOUND * (out[1] / BOUND).tanh();
            expected += 0.5 * (l + (z[0] - out[0]).powi(2) / l.exp()) / 12.0;
        }
        assert!((loss - expected).abs() < 1e-13);
        check(&[out, z], |a| negative_log_likelihood(&a[0], &a[1]).map_err(candle_core::Error::wrap));
    }
}
