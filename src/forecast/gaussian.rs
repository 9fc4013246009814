//! `gaussian`: autoregressive next-step likelihood. With z the scaled increment x_{k+1} - x_k, a network gives for each
//! component m(x_k), l(x_k) and what the covariance further needs ([`CovarianceForm`]): z ~ N(m, C) with C = diag(exp(l))
//! (`diagonal`), diag(exp(l)) + W W^T (`low_rank`), or L L^T with a lower-triangular L (`full`), trained by the likelihood.
//!
//! With `diagonal` the components are independent given x_k, and the law always has one mode: what it cannot represent, it
//! averages over.

use std::ops::Range;

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, Axis};

use super::gaussian_covariance::{COVARIANCE, CovarianceForm, Spread};
use super::held_noise::{self, HeldNoise};
use super::learned::{self, Learned, Work, in_chunks, joined, members, stacked};
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::OBJECTIVES;
use crate::nn::objective::{LIKELIHOOD_FIELDS, RANK};
use crate::nn::train::SHARD;
use crate::systems::gaussian::GaussianLaw;
use crate::systems::memory_use::product;
use crate::systems::registry::find;
use crate::systems::{
    self, ConditionalDenoiser, Covariance, Density, Differentiable, Entry, Forecaster, GaussianKernel, Key, MemoryUse,
    Param, Purpose, Settings,
};

const PARAMS: [Param; learned::SETTINGS.len() + 2] = joined(learned::SETTINGS, [COVARIANCE, RANK]);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "gaussian",
    about: "autoregressive network: mean and covariance of the increment, trained by likelihood",
    reference: "Nix and Weigend (1994)",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// Arrays of the size of all fields that a loss makes of them, forward and backward.
const TERMS: usize = 10;

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let fields = CovarianceForm::of(settings).fields(size.components);
    let mut held = learned::held(settings, size, fields);
    if fields != LIKELIHOOD_FIELDS {
        let (n, threads) = (size.components, rayon::current_num_threads());
        held.push(MemoryUse {
            what: format!("{} fields of {n} components of {SHARD} examples on {threads} thread(s)", fields.outputs),
            bytes: product(&[size_of::<f32>(), TERMS, threads, SHARD, n, fields.outputs]),
        });
    }
    held
}

/// The law of one step.
pub(super) struct Kernel {
    learned: Learned,
    form: CovarianceForm,
}

impl Kernel {
    /// The means of some members, and how their laws spread.
    fn chunk(&self, x: ArrayView2<f64>) -> Result<(Array2<f64>, Spread)> {
        let out = self.learned.evaluate(&[self.learned.scaled(x).view()], None)?;
        let sd = self.learned.scales().increments.sd.view().insert_axis(Axis(0));
        Ok((self.learned.stepped(x, &out)?, self.form.spread(&out, sd)?))
    }

    /// `f` of the means and the spread of chunks of members, given as ranges, in order.
    fn by_chunks<T: Send>(
        &self,
        x: ArrayView2<f64>,
        f: impl Fn(Range<usize>, Array2<f64>, Spread) -> T + Sync,
    ) -> Result<Vec<T>> {
        in_chunks(x.nrows(), self.learned.network().chunk(), |range| {
            let (mean, spread) = self.chunk(members(&x, range.clone()))?;
            Ok(f(range, mean, spread))
        })
    }
}

impl GaussianKernel for Kernel {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> systems::Result<(Array2<f64>, Covariance)> {
        let (means, spreads): (Vec<_>, Vec<_>) =
            self.by_chunks(x, |_, mean, spread| (mean, spread))?.into_iter().unzip();
        let dim = self.learned.components();
        Ok((stacked(&means, dim), Spread::stacked(spreads, dim)))
    }
}

/// The forecaster: its law is Gaussian, so that it offers everything that a Gaussian law offers.
pub(super) struct Gaussian(GaussianLaw<Kernel>);

impl Gaussian {
    pub(super) fn kernel(&self) -> &Kernel {
        self.0.kernel()
    }

    fn form(&self) -> CovarianceForm {
        self.kernel().form
    }
}

impl HeldNoise for Gaussian {
    fn learned(&self) -> &Learned {
        &self.kernel().learned
    }

    fn normals(&self) -> usize {
        self.form().normals(self.learned().components())
    }

    fn pull(&self, output: &Tensor, v: &Array2<f64>, noise: ArrayView2<f64>) -> Result<Vec<Array2<f64>>> {
        self.form().pull(output, v, noise)
    }
}

impl Differentiable for Gaussian {
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> systems::Result<(Array2<f64>, Array2<f64>)> {
        held_noise::step_and_tangent(self, k, (x, dx), key)
    }

    fn adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>, key: Key) -> systems::Result<Array2<f64>> {
        Ok(held_noise::adjoint(self, x, v, self.noise(k, x.nrows(), key).view())?)
    }

    fn mean_tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
    ) -> systems::Result<(Array2<f64>, Array2<f64>)> {
        let (mean, _) = self.kernel().moments(k, x)?;
        Ok((mean, held_noise::tangent(self, x, dx, self.no_noise(x.nrows()).view())?))
    }

    fn mean_adjoint(&self, _k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> systems::Result<Array2<f64>> {
        Ok(held_noise::adjoint(self, x, v, self.no_noise(x.nrows()).view())?)
    }
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    learned::cost(
        settings,
        size,
        CovarianceForm::new(settings, size.components)?.fields(size.components),
        Work::of(settings, 1),
    )
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let form = CovarianceForm::new(settings, context.layout().1)?;
    let data = learned::data(settings, context)?;
    let objective = find(OBJECTIVES, "objective", form.objective())?;
    let (learned, training) = Learned::fit(settings, context, &data, objective, 1)?;
    Ok(fitted(Kernel { learned, form }, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let form = CovarianceForm::load(model)?;
    let components = model.config["network"]["components"].as_u64().unwrap_or_default() as usize;
    let learned = Learned::load(model, form.fields(components))?;
    Ok(fitted(Kernel { learned, form }, Training::load(model)?))
}

fn fitted(kernel: Kernel, training: Training) -> Fitted {
    let gaussian = Gaussian(GaussianLaw::new(kernel));
    Fitted::new(ENTRY.name, gaussian, training, |model| model.learned().parts(model.form().record(), []))
}

impl Forecaster for Gaussian {
    fn dim(&self) -> usize {
        self.learned().dim()
    }

    fn history(&self) -> usize {
        self.learned().history()
    }

    fn parameters(&self) -> &[String] {
        self.learned().parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let key = key.purpose(Purpose::ForecastNoise).at(k as u64);
        // drawn chunk by chunk: the factors of a full covariance are many numbers
        let draw = |range: Range<usize>, mean, spread: Spread| mean + spread.draw(key.members_from(range.start as u64));
        let drawn = self.kernel().by_chunks(x.view(), draw)?;
        let learned = self.learned();
        *x = learned.shifted(x.view(), stacked(&drawn, learned.components()));
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        Some(&self.0)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.learned().is_markov().then_some(&self.0)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        self.learned().is_markov().then_some(&self.0)
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        self.learned().is_markov().then_some(self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::forecast::fitted::Parts;
    use crate::forecast::learned::tests::DIM;
    use crate::forecast::stored::reals;
    use crate::model::{self, Values};

    /// A forecaster in double precision whose weights are moved from where they start, around the scales of random data.
    pub(in crate::forecast) fn untrained(kind: &str, form: CovarianceForm) -> Gaussian {
        let single = learned::tests::untrained(kind, form.fields(DIM), 0.4);
        Gaussian(GaussianLaw::new(Kernel { learned: single.in_double_precision(), form }))
    }

    #[test]
    fn networks_and_scales_that_cannot_be_are_refused() {
        let Parts { config, mut tensors } =
            learned::tests::untrained("mlp", LIKELIHOOD_FIELDS, 0.1).parts(json!({}), []);
        let counts = model::Tensor { shape: vec![5], values: Values::I64(vec![1; 5]) };
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
