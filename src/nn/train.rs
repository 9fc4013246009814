//! The one training loop, for every loss.
//!
//! Step s draws a batch at the address (Batch, s), cuts it into shards of [`SHARD`] rows, and sums the shards' gradients
//! in order ([`Shards`]): each shard is a graph of its own on one thread, so that the bytes of the result do not depend on
//! how many threads there are. Then clipping, AdamW, and the average of the weights, whose validation loss decides which weights
//! are kept: on fixed pairs with fixed noise, of levels that are spread evenly over their law. Kept are the last weights
//! whose loss is as low as the lowest, as far as that can be told ([`Validation`]). With one drawn level a pair and the
//! lowest loss of all, weights of a sixth of a training were kept, with a climate 1.4 times too wide.

use candle_core::DType;
use rayon::prelude::*;
use scorecast_systems::{Key, Purpose};
use serde::{Deserialize, Serialize};

use super::checkpoint::State;
use super::data::{Data, Subset};
use super::objective::{Draws, Objective};
use super::ops::Processor;
use super::optimizer::{Decay, Pace, average, clip, rate};
use super::shards::Shards;
use super::validation::Validation;
use super::windows::evenly;
use super::{Error, NetworkConfig, Result, Weights};
use crate::model::{Checkpoints, CurvePoint};
use crate::progress::{Progress, TrainingEvent};

/// Rows of a batch that are one graph.
pub const SHARD: usize = 32;

/// Rows that a validation looks at: so many pairs at most, or, of fewer pairs, each at several noise levels.
const VALIDATED: usize = 4096;

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Training steps.
    pub steps: u64,
    /// Pairs in a batch.
    pub batch: usize,
    /// The largest learning rate.
    pub learning_rate: f64,
    /// Steps until it is reached.
    pub warm_up: u64,
    /// How it goes to zero after them.
    #[serde(default)]
    pub decay: Decay,
    /// The weight of the past in AdamW's mean of squared gradients.
    #[serde(default = "usual_beta2")]
    pub beta2: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// The largest norm of a gradient.
    pub clip: f64,
    /// The weight of the past in the average of the weights.
    pub ema: f64,
    /// Steps between validations.
    pub validate_every: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Which weights are kept.
    #[serde(default)]
    pub keep: Keep,
}

/// What stands for [`TrainConfig::beta2`] where it is left out.
pub const USUAL_BETA2: f64 = 0.99;

const fn usual_beta2() -> f64 {
    USUAL_BETA2
}

/// Which weights of a training are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The last average whose validation loss is as low as the lowest.
    #[default]
    Best,
    /// The average at the end.
    Average,
    /// The weights at the end themselves.
    Last,
}

impl Keep {
    /// As a setting has them.
    pub const WORDS: [&'static str; 3] = ["best", "average", "last"];

    /// What a word means; `best` where it is none of them.
    pub fn named(word: &str) -> Self {
        match word {
            "average" => Self::Average,
            "last" => Self::Last,
            _ => Self::Best,
        }
    }
}

/// A finished training.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The weights that were kept.
    pub weights: Weights,
    /// The step after which they were averaged.
    pub best_step: u64,
    /// Their validation loss; NaN without validation pairs.
    pub best_valid: f64,
    /// The training curve.
    pub curve: Vec<CurvePoint>,
}

/// One training: what it is of, and where it reports.
pub struct Trainer<'a, 'd> {
    /// The network.
    pub network: &'a NetworkConfig,
    /// How to train it.
    pub config: &'a TrainConfig,
    /// What for.
    pub objective: &'a dyn Objective,
    /// The name of the objective with its settings.
    pub named: &'a str,
    /// What from.
    pub data: &'a Data<'d>,
    /// The address of all its randomness.
    pub key: Key,
    /// The weights that it starts from; none where they are drawn.
    pub start: Option<&'a Weights>,
    /// What computes the passes of the network. Losses, and all that is done with gradients, are the CPU's.
    pub processor: &'a Processor,
    /// Steps of the trainings before it that belong to it, as they are reported.
    pub before: u64,
    /// Where it reports, and who may stop it.
    pub progress: &'a dyn Progress,
    /// Where it keeps its state.
    pub checkpoints: Option<&'a dyn Checkpoints>,
}

/// What a step of the training was.
#[derive(Clone, Copy)]
struct Taken {
    /// The loss of its batch.
    loss: f64,
    /// The norm of its gradient, before it was clipped.
    norm: f64,
    /// Its learning rate.
    rate: f64,
}

impl Trainer<'_, '_> {
    /// Trains from the checkpoint if there is one, and from the start otherwise: the same bytes either way.
    ///
    /// # Errors
    /// When there is nothing to learn from, the loss is not finite, the checkpoint belongs to another training or
    /// cannot be written, or the user stops it.
    pub fn run(&self) -> Result<Trained> {
        if self.data.pairs(Subset::Train) == 0 {
            return Err(Error::Data("there are no training pairs; give longer or more trajectories".to_owned()));
        }
        let mut state = self.start()?;
        self.progress.trained(self.before + state.step);
        let count = self.config.batch.div_ceil(self.shard());
        let mut shards = Shards::new(self.network, &state.weights, count, self.processor)?;
        self.progress.start("train", self.config.steps);
        self.data.read_at_random(true);
        let all = self.all_steps(&mut state, &mut shards);
        self.data.read_at_random(false);
        all?;
        self.progress.finish();
        match self.config.keep {
            Keep::Best if state.best_valid.is_finite() => {}
            Keep::Best | Keep::Average => state.keep(state.curve.last().map_or(f64::NAN, |point| point.valid)),
            // what was validated is the average
            Keep::Last => {
                state.mean.clone_from(&state.weights.values);
                state.keep(f64::NAN);
            }
        }
        let weights = Weights { values: state.best, ..state.weights };
        Ok(Trained { weights, best_step: state.best_step, best_valid: state.best_valid, curve: state.curve })
    }

    /// Rows that are one graph: of another processor a whole batch, since that shares the work itself.
    fn shard(&self) -> usize {
        if self.processor.is_usual() { SHARD } else { self.config.batch.max(1) }
    }

    fn start(&self) -> Result<State> {
        let drawn = self.network.seeded(self.key)?;
        let fresh = State::new(match self.start {
            Some(start) if start.slots != drawn.slots => {
                return Err(Error::Model(
                    "the weights to start from are of another network; give the forecaster the network of that model"
                        .to_owned(),
                ));
            }
            Some(start) => start.clone(),
            None => drawn,
        });
        match self.checkpoints.map(|checkpoints| checkpoints.load()).transpose().map_err(Error::Checkpoint)?.flatten() {
            Some(saved) => State::restore(&saved, &self.identity(), fresh),
            None => Ok(fresh),
        }
    }

    /// What must be the same for a checkpoint to be continued, as text, which survives a file unchanged.
    fn identity(&self) -> serde_json::Value {
        let mut identity = serde_json::json!({
            "network": self.network,
            "objective": self.named,
            "training": self.config,
            "pairs": self.data.pairs(Subset::Train),
            "key": format!("{:?}", self.key),
        });
        self.processor.mark(&mut identity);
        serde_json::Value::String(identity.to_string())
    }

    fn all_steps(&self, state: &mut State, shards: &mut Shards) -> Result<()> {
        while state.step < self.config.steps {
            let taken = self.step(state, shards)?;
            self.after(state, taken)?;
        }
        Ok(())
    }

    /// One update.
    fn step(&self, state: &mut State, shards: &mut Shards) -> Result<Taken> {
        let (config, step) = (self.config, state.step);
        let (loss, gradient) = self.gradient(shards, &state.weights, step)?;
        let norm = clip(gradient, config.clip);
        if !loss.is_finite() || !norm.is_finite() {
            return Err(Error::Diverged(format!(
                "training diverged at step {step}: its loss is {loss} and the norm of its gradient {norm}; lower \
                 learning_rate (now {}) or clip (now {}), or raise warm_up (now {})",
                config.learning_rate, config.clip, config.warm_up
            )));
        }
        let rate = rate(config.learning_rate, step, config.steps, config.warm_up, config.decay);
        let pace = Pace { rate, decay: config.weight_decay, beta2: config.beta2 };
        let weights = &mut state.weights;
        state.adam.update(&weights.slots, &mut weights.values, gradient, pace);
        average(&mut state.mean, &weights.values, step, config.ema);
        state.step += 1;
        Ok(Taken { loss, norm, rate })
    }

    /// Validates, reports, saves and stops, each when it is time.
    fn after(&self, state: &mut State, taken: Taken) -> Result<()> {
        let (step, config) = (state.step, self.config);
        state.loss_sum += taken.loss;
        state.loss_count += 1;
        let last = step == config.steps;
        if step % config.validate_every.max(1) == 0 || last {
            let validation = self.validate(state)?;
            let valid = validation.mean();
            let train = state.loss_sum / state.loss_count.max(1) as f64;
            let pairs = state.loss_count * config.batch as u64;
            (state.loss_sum, state.loss_count) = (0.0, 0);
            state.curve.push(CurvePoint { step, train, valid });
            self.progress.training(TrainingEvent {
                point: CurvePoint { step: self.before + step, train, valid },
                gradient_norm: taken.norm,
                learning_rate: taken.rate,
                pairs,
            });
            state.keep_if_low(validation);
        }
        if step % 10 == 0 || last {
            self.progress.at(step, &format!("loss {:.4}", taken.loss));
        }
        let stop = self.progress.interrupted() && !last;
        if (stop || (step % config.checkpoint_every.max(1) == 0 && !last))
            && let Some(checkpoints) = self.checkpoints
        {
            checkpoints.save(state.save(&self.identity())).map_err(Error::Checkpoint)?;
        }
        if stop { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The mean loss of the batch of a step, and its gradient in the order of the weights.
    fn gradient<'s>(&self, shards: &'s mut Shards, weights: &Weights, step: u64) -> Result<(f64, &'s mut [f32])> {
        let (rows, size) = (self.batch(step), self.shard());
        // what the next step wants is read from the disk while this one computes
        if self.data.is_held() && step + 1 < self.config.steps {
            self.data.read_soon(Subset::Train, &self.batch(step + 1));
        }
        let taken = step as f64 / self.config.steps as f64;
        let draws =
            |shard: usize| Draws::new(self.key.at(step), (shard * size) as u64).after(taken).labelled(self.key.case(3));
        let parts: Vec<&[usize]> = rows.chunks(size).collect();
        shards.load(weights)?;
        shards.gradient(|shard, network| {
            let part = parts.get(shard).copied().unwrap_or_default();
            let share = part.len() as f64 / rows.len() as f64;
            let batch = self.data.batch(Subset::Train, part);
            Ok((self.objective.loss(network, &batch, draws(shard))? * share)?)
        })
    }

    /// The pairs of the batch of a step, drawn with replacement.
    fn batch(&self, step: u64) -> Vec<usize> {
        let mut stream = self.key.purpose(Purpose::Batch).at(step).stream(0);
        let pairs = self.data.pairs(Subset::Train);
        (0..self.config.batch).map(|_| stream.below(pairs)).collect()
    }

    /// What a validation finds of the averaged weights; no shards without validation pairs.
    fn validate(&self, state: &State) -> Result<Validation> {
        let available = self.data.pairs(Subset::Valid);
        if available == 0 || !self.objective.validates() {
            return Ok(Validation::default());
        }
        let count = if self.objective.draws() { VALIDATED } else { available.min(VALIDATED) };
        // whole shards, which count alike
        let count = if count > SHARD { count / SHARD * SHARD } else { count };
        let mean = Weights { slots: state.weights.slots.clone(), values: state.mean.clone() };
        let network = self.network.frozen_on(&mean, self.processor)?;
        let rows: Vec<usize> = evenly(available, count).collect();
        self.data.read_soon(Subset::Valid, &rows);
        let shard = |(index, part): (usize, &[usize])| -> Result<f64> {
            let draws = Draws::new(self.key.case(1), (index * SHARD) as u64).stratified();
            let loss = self.objective.loss(network.as_ref(), &self.data.batch(Subset::Valid, part), draws)?;
            Ok(loss.to_dtype(DType::F64)?.to_scalar::<f64>()?)
        };
        let losses = if self.processor.is_usual() {
            rows.par_chunks(SHARD).enumerate().map(shard).collect::<Result<_>>()?
        } else {
            rows.chunks(SHARD).enumerate().map(shard).collect::<Result<_>>()?
        };
        Ok(Validation(losses))
    }
}
