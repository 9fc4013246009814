//! Two trainings in one fit: a network that another is then learned from. They share the steps of the setting `steps`.
//!
//! A checkpoint of the second holds the first, finished, under `first.`, so that an interrupted fit goes on where it was.
//! The first draws its random numbers from streams that begin at [`STREAMS`], so that no number is drawn twice.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::{EarlierTraining, Error, FitContext, Result, Training};
use super::settings::{STEPS, network, steps};
use super::{Learned, Task, names};
use crate::model::{Checkpoints, Model, Tensor};
use crate::nn::Weights;
use crate::nn::data::Data;
use crate::systems::{Param, Settings};

/// The prefix of what a checkpoint of the second holds of the first.
const FIRST: &str = "first.";

/// Where the streams of the first begin.
const STREAMS: u64 = 1 << 40;

/// The steps of the first training and of the second: the setting `first`, or half of `steps`, and what is left of these.
///
/// # Errors
/// When nothing is left for one of them.
pub fn shared_steps(settings: &Settings, first: Param) -> Result<(u64, u64)> {
    let all = steps(settings);
    let own = if settings.has(first.key) { settings.count(first.key) as u64 } else { all / 2 };
    if own == 0 || own >= all {
        let problem = format!("is {own} of the {all} of `{}`, but both trainings need one at least", STEPS.key);
        return Err(settings.mistake(first.key, problem).into());
    }
    Ok((own, all - own))
}

/// The first of the two, finished.
pub struct First {
    /// The network.
    pub learned: Learned,
    /// What is known of its training.
    pub training: Training,
    /// What tells it from another.
    identity: String,
}

impl First {
    /// Trains it, or takes it from the checkpoint of the second.
    ///
    /// # Errors
    /// Those of a training, and when the checkpoint is of another one.
    pub fn fit(settings: &Settings, context: &FitContext, data: &Data, task: Task) -> Result<Self> {
        let config = network(settings, &context.size(), task.fields)?;
        let task = Task { key: task.key.members_from(STREAMS), checkpoints: context.checkpoints, ..task };
        let mut identity = json!({ "network": config, "objective": task.named, "steps": task.steps, "key": format!("{:?}", task.key) });
        context.processor.mark(&mut identity);
        let identity = identity.to_string();
        let saved = context.checkpoints.map(|kept| kept.load()).transpose().map_err(refused)?.flatten();
        let Some(saved) = saved.filter(|saved| saved.tensors.keys().any(|name| name.starts_with(FIRST))) else {
            let (learned, training) = Learned::train(settings, context, data, &task, 1)?;
            return Ok(Self { learned, training, identity });
        };
        if saved.config["first"].as_str() != Some(&identity) {
            return Err(refused(
                "the checkpoint belongs to a training with other settings or data, or on another device; remove it to \
                 train anew, or resume with what it was made with"
                    .to_owned(),
            ));
        }
        let own = |(name, tensor): (&String, &Tensor)| Some((name.strip_prefix(FIRST)?.to_owned(), tensor.clone()));
        let model = Model { tensors: saved.tensors.iter().filter_map(own).collect(), ..saved };
        let weights = Weights::from_model(&model.tensors, "network.")?;
        let learned = Learned {
            network: config.frozen(&weights)?,
            weights,
            scales: data.scales().clone(),
            history: data.history(),
            parameters: names(settings, context),
        };
        Ok(Self { learned, training: Training::load(&model)?, identity })
    }

    /// What the second keeps its state in: with the first, beside it.
    pub fn carried<'a>(&self, context: &FitContext<'a>) -> Option<InTurn<'a>> {
        let inner = context.checkpoints?;
        let mut tensors = self.learned.weights.to_model("network.");
        self.training.store(&mut tensors);
        let tensors = tensors.into_iter().map(|(name, tensor)| (format!("{FIRST}{name}"), tensor)).collect();
        Some(InTurn { inner, identity: self.identity.clone(), tensors })
    }
}

/// What is known of both trainings, the first of what the word says: the curve of the second, after the steps of the first.
pub fn after(first: &Training, what: &str, second: Training) -> Training {
    let before = first.steps;
    let first = EarlierTraining { what: what.to_owned(), curve: first.curve.clone() };
    let earlier = std::iter::once(first).chain(second.earlier).collect();
    let mut curve = second.curve;
    curve.iter_mut().for_each(|point| point.step += before);
    let (steps, best_step) = (before + second.steps, before + second.best_step);
    Training { steps, best_step, curve, earlier, ..second }
}

fn refused(problem: String) -> Error {
    crate::nn::Error::Checkpoint(problem).into()
}

/// The checkpoints of the second training, which hold the first as well.
pub struct InTurn<'a> {
    inner: &'a dyn Checkpoints,
    identity: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoints for InTurn<'_> {
    /// The state of the second; none where only one of the first was kept.
    fn load(&self) -> Result<Option<Model>, String> {
        let Some(mut saved) = self.inner.load()? else { return Ok(None) };
        let all = saved.tensors.len();
        saved.tensors.retain(|name, _| !name.starts_with(FIRST));
        if saved.tensors.len() == all {
            return Ok(None);
        }
        saved.config = saved.config["second"].take();
        Ok(Some(saved))
    }

    fn save(&self, mut state: Model) -> Result<(), String> {
        state.config = json!({ "first": self.identity, "second": state.config });
        state.tensors.extend(self.tensors.clone());
        self.inner.save(state)
    }
}
