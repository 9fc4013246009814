//! `crps`: an autoregressive network that takes noise beside the state and gives a draw, trained by a proper score of a
//! few members (the objective `score_rule`). x_{k+1} = x_k + a + s f(x_k, e) with e ~ N(0, I), a and s the mean and sd of
//! increments: one evaluation a lead step, and any law that f can make of e.
//!
//! It has no density: filters see its draws, and their derivatives with the noise held.

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, s};
use serde_json::json;

use super::held_noise::{self, HeldNoise};
use super::learned::{self, Learned, Work, in_chunks, joined, members, stacked};
use super::stored::misfit;
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::OBJECTIVES;
use crate::nn::objective::{NOISE_FIELDS, SCORE_RULE_SETTINGS, TRAIN_MEMBERS, score_rule, score_rule_fields};
use crate::systems::registry::find;
use crate::systems::{self, Differentiable, Entry, Forecaster, Key, MemoryUse, Param, Settings};

const PARAMS: [Param; ROLLED.len() + 5] = joined(ROLLED, SCORE_RULE_SETTINGS);
const ROLLED: [Param; learned::SETTINGS.len() + 2] = joined(learned::SETTINGS, learned::ROLLOUT_SETTINGS);

/// The registry's line.
pub const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "crps",
    about: "autoregressive network of the state and noise, trained by a proper score of a few members",
    reference: "Pacchiardi et al. (2024), arXiv:2112.08217; Lang et al. (2024), arXiv:2412.15832",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let fields = score_rule_fields(settings.count(NOISE_FIELDS.key));
    learned::rolled_held(settings, size, fields, settings.count(TRAIN_MEMBERS.key))
}

/// The network, and how many normal numbers it takes for each component.
struct Crps {
    learned: Learned,
    noise_fields: usize,
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    let fields = score_rule_fields(settings.count(NOISE_FIELDS.key));
    let work = Work { members: settings.count(TRAIN_MEMBERS.key), ..Work::of(settings, 1) };
    learned::rolled_cost(settings, size, fields, work)
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let data = learned::data(settings, context)?;
    let objective = find(OBJECTIVES, "objective", "score_rule")?;
    let trained = learned::rolled(settings, context, &data, objective, &score_rule(settings))?;
    Ok(of_trained(ENTRY.name, settings, trained))
}

fn load(model: &Model) -> Result<Fitted> {
    load_as(ENTRY.name, model)
}

/// A network of state and noise of the forecaster `kind`, trained for an objective whose network is one.
///
/// # Errors
/// Those of the training.
pub(super) fn fit_for(
    kind: &'static str,
    objective: &str,
    settings: &Settings,
    context: &FitContext,
) -> Result<Fitted> {
    let data = learned::data(settings, context)?;
    let trained = Learned::fit(settings, context, &data, find(OBJECTIVES, "objective", objective)?, 1)?;
    Ok(of_trained(kind, settings, trained))
}

fn of_trained(kind: &'static str, settings: &Settings, (learned, training): (Learned, Training)) -> Fitted {
    fitted(kind, Crps { learned, noise_fields: settings.count(NOISE_FIELDS.key) }, training)
}

/// A stored one.
///
/// # Errors
/// When it is damaged.
pub(super) fn load_as(kind: &'static str, model: &Model) -> Result<Fitted> {
    let stored = model.config["forecaster"][NOISE_FIELDS.key].as_u64().filter(|count| (1..=1000).contains(count));
    let noise_fields =
        stored.ok_or_else(|| misfit(model, NOISE_FIELDS.key, "is missing, or not from 1 to 1000"))? as usize;
    let learned = Learned::load(model, score_rule_fields(noise_fields))?;
    Ok(fitted(kind, Crps { learned, noise_fields }, Training::load(model)?))
}

fn fitted(kind: &'static str, crps: Crps, training: Training) -> Fitted {
    Fitted::new(kind, crps, training, |model| model.learned.parts(json!({ NOISE_FIELDS.key: model.noise_fields }), []))
}

impl Crps {
    /// x_{k+1} of these members, given the noise of each, `[member, component]` a field.
    fn chunk(&self, x: ArrayView2<f64>, noise: &[ArrayView2<f64>]) -> Result<Array2<f64>> {
        let scaled = self.learned.scaled(x);
        let fields: Vec<ArrayView2<f64>> = std::iter::once(scaled.view()).chain(noise.iter().copied()).collect();
        self.learned.stepped(x, &self.learned.evaluate(&fields, None)?)
    }
}

impl Forecaster for Crps {
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
        let dim = self.learned.components();
        // a member's stream holds its fields one after the other
        let noise = self.noise(k, x.nrows(), key);
        let fields: Vec<_> = (0..self.noise_fields).map(|f| noise.slice(s![.., f * dim..(f + 1) * dim])).collect();
        let view = x.view();
        let chunks = in_chunks(view.nrows(), self.learned.network().chunk(), |range| {
            let noise: Vec<ArrayView2<f64>> = fields.iter().map(|field| members(field, range.clone())).collect();
            self.chunk(members(&view, range), &noise)
        })?;
        *x = self.learned.shifted(x.view(), stacked(&chunks, dim));
        Ok(())
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        self.learned.is_markov().then_some(self)
    }
}

impl HeldNoise for Crps {
    fn learned(&self) -> &Learned {
        &self.learned
    }

    fn noise_inputs(&self) -> usize {
        self.normals()
    }

    fn normals(&self) -> usize {
        self.learned.components() * self.noise_fields
    }

    fn pull(&self, _output: &Tensor, v: &Array2<f64>, _noise: ArrayView2<f64>) -> Result<Vec<Array2<f64>>> {
        Ok(vec![v.clone()])
    }
}

/// The derivative of the mean is not known: it is that of an integral over the noise.
impl Differentiable for Crps {
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
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A forecaster in double precision of two fields of noise whose weights are moved from where they start.
    pub(in crate::forecast) fn untrained(kind: &str) -> impl HeldNoise + Differentiable {
        let learned = learned::tests::untrained(kind, score_rule_fields(2), 0.4).in_double_precision();
        Crps { learned, noise_fields: 2 }
    }
}
