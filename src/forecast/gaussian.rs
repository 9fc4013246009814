//! `gaussian`: autoregressive next-step likelihood. With z the scaled increment x_{k+1} - x_k, a network gives for each
//! component m(x_k) and l(x_k), and z ~ N(m, exp(l)), trained by the objective `likelihood`.
//!
//! The components are independent given x_k, and the law has one mode: what it cannot represent, it averages over.

use ndarray::{Array2, ArrayView2};
use serde_json::json;

use super::learned::{self, Learned, in_chunks, members, stacked};
use super::{FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::objective::{LIKELIHOOD_FIELDS, log_variance};
use crate::nn::{OBJECTIVES, array};
use crate::systems::gaussian::GaussianLaw;
use crate::systems::registry::find;
use crate::systems::{
    self, ConditionalDenoiser, Covariance, Density, Differentiable, Entry, Forecaster, GaussianKernel, Key, MemoryUse,
    Purpose, Settings,
};

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "gaussian",
    about: "autoregressive network: mean and variance of the increment, trained by likelihood",
    reference: "Nix and Weigend (1994)",
    params: &learned::SETTINGS,
    build: ForecasterBuild { fit, load: Some(load), memory, learned: true },
};

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    learned::held(settings, size, LIKELIHOOD_FIELDS)
}

/// The law of one step.
pub(super) struct Kernel(Learned);

impl Kernel {
    fn chunk(&self, x: ArrayView2<f64>) -> Result<[Array2<f64>; 2]> {
        let out = self.0.evaluate(&[self.0.scaled(x).view()], None)?;
        let increments = &self.0.scales().increments;
        let mean = &x + &increments.mean + array::field(&out, 0)? * &increments.sd;
        let variance = array::field(&out, 1)?.mapv(|raw| log_variance(raw).0.exp());
        Ok([mean, variance * &increments.sd * &increments.sd])
    }

    fn mean_and_variance(&self, x: ArrayView2<f64>) -> Result<[Array2<f64>; 2]> {
        let chunks = in_chunks(x.nrows(), self.0.network().chunk(), |range| self.chunk(members(&x, range)))?;
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

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let data = learned::data(settings, context)?;
    let objective = find(OBJECTIVES, "objective", "likelihood")?;
    let (learned, training) = Learned::fit(settings, context, &data, objective, 1)?;
    Ok(fitted(learned, training))
}

fn load(model: &Model) -> Result<Fitted> {
    Ok(fitted(Learned::load(model, LIKELIHOOD_FIELDS)?, Training::load(model)?))
}

fn fitted(learned: Learned, training: Training) -> Fitted {
    let gaussian = Gaussian(GaussianLaw::new(Kernel(learned)));
    Fitted::new(ENTRY.name, gaussian, training, |model| model.learned().parts(json!({}), []))
}

impl Forecaster for Gaussian {
    fn dim(&self) -> usize {
        self.learned().dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let [mean, variance] = self.0.kernel().mean_and_variance(x.view())?;
        let noise = key.purpose(Purpose::ForecastNoise).at(k as u64).normals(x.nrows(), x.ncols());
        *x = mean + variance.mapv(f64::sqrt) * noise;
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::forecast::fitted::Parts;
    use crate::forecast::stored::reals;
    use crate::model::{Tensor, Values};

    /// A forecaster in double precision whose weights are moved from where they start, around the scales of random data.
    pub(in crate::forecast) fn untrained(kind: &str) -> Gaussian {
        let single = learned::tests::untrained(kind, LIKELIHOOD_FIELDS, 0.4);
        Gaussian(GaussianLaw::new(Kernel(single.in_double_precision())))
    }

    #[test]
    fn networks_and_scales_that_cannot_be_are_refused() {
        let Parts { config, mut tensors } = learned::tests::untrained("mlp", LIKELIHOOD_FIELDS, 0.1).parts(json!({}), []);
        let counts = Tensor { shape: vec![5], values: Values::I64(vec![1; 5]) };
        tensors.insert("training.counts".into(), counts);
        tensors.insert("training.reals".into(), reals(Vec::new()));
        let whole = Model { kind: ENTRY.name.into(), config, made_from: None, tensors };
        let build = ENTRY.build;
        assert!(build.rebuild(&whole).unwrap().is_ok());
        let refused = |change: &dyn Fn(&mut Model), says: &str| {
            let mut other = whole.clone();
            change(&mut other);
            let message = build.rebuild(&other).unwrap().err().unwrap().to_string();
            assert!(message.contains(says), "should say {says}: {message}");
        };
        for key in ["blocks", "width", "components", "kernel"] {
            refused(&|model| model.config["network"][key] = 0.into(), &format!("`{key}` is 0"));
        }
        refused(&|model| model.config["network"]["kernel"] = 4.into(), "`kernel` is 4, but must be odd");
        refused(&|model| model.config["network"]["outputs"] = 1.into(), "must have");
        refused(&|model| model.config["network"]["blocks"] = 1_000_000_000_u64.into(), "has no weight");
        for (name, values) in [("states.sd", 0.0), ("increments.sd", -1.0), ("states.sd", f64::INFINITY)] {
            let set = |model: &mut Model| {
                let length = model.tensors[name].shape[0];
                model.tensors.insert(name.into(), reals(vec![values; length]));
            };
            refused(&set, &format!("`{name}` is {values} for component 0"));
        }
        let one_more = |model: &mut Model| {
            let tensor = model.tensors["network.stem.bias"].clone();
            model.tensors.insert("network.block.99.first.bias".into(), tensor);
        };
        refused(&one_more, "`block.99.first.bias` is no part");
    }
}
