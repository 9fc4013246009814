//! `mixture`: a mixture density network (Bishop 1994). With z the scaled increment x_{k+1} - x_k, a network gives the
//! weights, means and covariances of p(z | x_k) = sum_k pi_k N(m_k, C_k), trained by the objective `mixture`.
//!
//! It is a law of whole states with few modes: K Gaussians represent K modes of a state, not K of each component. Draws,
//! density and denoiser are closed form ([`MixtureLaw`]). From z to states the law is x + a + s z with a and s the mean and
//! sd of increments: means, sd and columns of W are multiplied by s, so that the density is one in the units of the state.

use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis, concatenate};
use serde_json::json;

use super::learned::{self, Learned, Work, in_chunks, joined, members, stacked};
use super::mixture_law::{GaussianPart, MixtureLaw};
use super::stored::counts;
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::objective::{GaussianFields, MIXTURE_SETTINGS, MixtureShape};
use crate::nn::train::SHARD;
use crate::nn::{OBJECTIVES, array};
use crate::systems::memory_use::product;
use crate::systems::registry::find;
use crate::systems::{
    self, BoundDenoiser, ConditionalDenoiser, Density, Entry, FactoredCovariance, Forecaster, GaussianMixture, Key,
    MemoryUse, MixtureKernel, Param, Settings,
};

const PARAMS: [Param; learned::SETTINGS.len() + 3] = joined(learned::SETTINGS, MIXTURE_SETTINGS);

/// The registry's line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "mixture",
    about: "autoregressive network: a mixture of Gaussians of the increment, trained by likelihood",
    reference: "Bishop (1994), Mixture density networks",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The keys under which a stored model has its shape.
const SHAPE: [&str; 2] = ["components", "rank"];

/// Arrays of the size of all fields that a loss makes of them, forward and backward.
const TERMS: usize = 10;

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let fields = MixtureShape::new(settings).fields();
    let (n, threads) = (size.components, rayon::current_num_threads());
    let mut held = learned::held(settings, size, fields);
    held.push(MemoryUse {
        what: format!("{} fields of {n} components of {SHARD} examples on {threads} thread(s)", fields.outputs),
        bytes: product(&[size_of::<f32>(), TERMS, threads, SHARD, n, fields.outputs]),
    });
    held
}

/// The forecaster.
struct Mixture {
    learned: Learned,
    shape: MixtureShape,
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    learned::cost(settings, size, MixtureShape::new(settings).fields(), Work::of(settings, 1))
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let data = learned::data(settings, context)?;
    let objective = find(OBJECTIVES, "objective", "mixture")?;
    let (learned, training) = Learned::fit(settings, context, &data, objective, 1)?;
    Ok(fitted(Mixture { learned, shape: MixtureShape::new(settings) }, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let [components, rank] = counts(model, SHAPE, MixtureShape::RANGES)?;
    let shape = MixtureShape { components, rank };
    let learned = Learned::load(model, shape.fields())?;
    Ok(fitted(Mixture { learned, shape }, Training::load(model)?))
}

fn fitted(mixture: Mixture, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, mixture, training, |model| {
        let MixtureShape { components, rank } = model.shape;
        model.learned.parts(json!({ SHAPE[0]: components, SHAPE[1]: rank }), [])
    })
}

impl Mixture {
    /// What the network gives, `[member, component, field]`.
    fn outputs(&self, x: ArrayView2<f64>) -> Result<Array3<f64>> {
        let out = self.learned.evaluate(&[self.learned.scaled(x).view()], None)?;
        Ok(array::all_fields(&out)?)
    }

    /// p(x_{k+1} | x_k), where the network gives `outputs`.
    fn law(&self, x: ArrayView2<f64>, outputs: ArrayView3<f64>) -> MixtureLaw {
        let (rows, dim) = (x.nrows(), self.learned.components());
        let increments = &self.learned.scales().increments;
        let outputs = outputs.as_standard_layout();
        let flat = outputs.as_slice().unwrap_or_default();
        let fields = self.shape.fields().outputs;
        let at = |i: usize, c: usize| &flat[(i * dim + c) * fields..(i * dim + c + 1) * fields];
        let of = |k: usize| {
            let of = GaussianFields::new(self.shape, k, dim);
            let mean = |(i, c)| x[[i, c]] + increments.mean[c] + increments.sd[c] * of.mean(at(i, c));
            let variance = |(i, c)| increments.sd[c] * increments.sd[c] * of.variance(at(i, c));
            let factor = |(i, c, j)| increments.sd[c] * of.factor(at(i, c), j);
            let covariance = FactoredCovariance::new(
                Array2::from_shape_fn((rows, dim), variance),
                Array3::from_shape_fn((rows, dim, self.shape.rank), factor),
            );
            GaussianPart { mean: Array2::from_shape_fn((rows, dim), mean), covariance }
        };
        let logit = |(i, k)| {
            let of = GaussianFields::new(self.shape, k, dim);
            (0..dim).map(|c| of.logit(at(i, c))).sum::<f64>() / dim as f64
        };
        let logits = Array2::from_shape_fn((rows, self.shape.components), logit);
        MixtureLaw::new(logits, (0..self.shape.components).map(of).collect())
    }

    /// The law of all members, whose outputs are computed in chunks.
    fn whole_law(&self, x: ArrayView2<f64>) -> Result<MixtureLaw> {
        let chunk = self.learned.network().chunk();
        let chunks = in_chunks(x.nrows(), chunk, |range| self.outputs(members(&x, range)))?;
        let views: Vec<_> = chunks.iter().map(|chunk| chunk.view()).collect();
        let none = || Array3::zeros((0, self.learned.components(), self.shape.fields().outputs));
        let outputs = concatenate(Axis(0), &views).unwrap_or_else(|_| none());
        Ok(self.law(x, outputs.view()))
    }

    /// Runs `f` on the law of chunks of members, given with the first of them, in parallel.
    fn by_chunk<T: Send>(&self, x: ArrayView2<f64>, f: impl Fn(usize, MixtureLaw) -> T + Sync) -> Result<Vec<T>> {
        in_chunks(x.nrows(), self.learned.network().chunk(), |range| {
            let (first, x) = (range.start, members(&x, range));
            Ok(f(first, self.law(x, self.outputs(x)?.view())))
        })
    }
}

impl Forecaster for Mixture {
    fn dim(&self) -> usize {
        self.learned.dim()
    }

    fn history(&self) -> usize {
        self.learned.history()
    }

    fn parameters(&self) -> &[String] {
        self.learned.parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let key = key.at(k as u64);
        let draws = self.by_chunk(x.view(), |first, law| law.draw(key.members_from(first as u64)))?;
        *x = self.learned.shifted(x.view(), stacked(&draws, self.learned.components()));
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        Some(self)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.learned.is_markov().then_some(self)
    }

    fn mixture(&self) -> Option<&dyn MixtureKernel> {
        self.learned.is_markov().then_some(self)
    }
}

impl Density for Mixture {
    fn log_prob(&self, _k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> systems::Result<Array1<f64>> {
        self.learned.assert_next(x, next);
        let of_chunk = |first: usize, law: MixtureLaw| {
            let last = first + law.members();
            law.log_density(members(&next, first..last))
        };
        Ok(self.by_chunk(x, of_chunk)?.into_iter().flatten().collect())
    }
}

impl MixtureKernel for Mixture {
    fn mixture(&self, _k: usize, x: ArrayView2<f64>) -> systems::Result<GaussianMixture> {
        Ok(self.whole_law(x)?.into_mixture())
    }
}

impl ConditionalDenoiser for Mixture {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> systems::Result<BoundDenoiser<'a>> {
        let law = self.whole_law(x)?;
        let [mean, variance] = law.moments();
        Ok(law.bound(mean, &variance.mapv(f64::sqrt)))
    }
}

#[cfg(test)]
mod tests;
