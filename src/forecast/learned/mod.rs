//! What the learned forecasters share: a network that was trained for an objective on the steps of the training data,
//! with the scales around it.
//!
//! `settings` are those of network and training, `record` is the stored form, `evaluation` runs the network over an
//! ensemble, `memory` says before all this what it will hold, `in_turn` trains one network and then another.

mod cost;
mod evaluation;
mod in_turn;
mod memory;
mod record;
mod rollout;
mod settings;

pub use cost::{Work, cost, rolled_cost};
pub use evaluation::{in_chunks, members, stacked};
pub use in_turn::{First, after, shared_steps};
pub use memory::{held, rolled_held};
pub use rollout::{ROLLOUT, ROLLOUT_STEPS, Rolled, SETTINGS as ROLLOUT_SETTINGS, rolled};
pub use settings::{MOST_STATES, OF_STATES, SETTINGS, START_FROM, history, joined, one_field, steps};

use super::{FitContext, KnownParameters, Result, Training};
use crate::model::Checkpoints;
use crate::nn::data::{Data, Scales, Subset};
use crate::nn::objective::{Fields, ObjectiveBuild};
use crate::nn::train::{TrainConfig, Trained, Trainer};
use crate::nn::{NeuralNetwork, Objective, Weights};
use crate::systems::{Entry, Key, Settings, Value};

/// The data to learn from, scaled as the network wants them.
///
/// # Errors
/// When there is nothing to learn from.
pub fn data<'a>(settings: &Settings, context: &FitContext<'a>) -> Result<Data<'a>> {
    data_after(settings, context, settings::history(settings))
}

/// These data, where so many states are given before the next.
///
/// # Errors
/// When there is nothing to learn from.
pub fn data_after<'a>(settings: &Settings, context: &FitContext<'a>, states: usize) -> Result<Data<'a>> {
    let data = Data::new(context.train, context.valid, settings::one_field(settings, context)?, states)?;
    let data = data.held_by(context.held_by);
    let data = match known(settings, context)? {
        Some(known) => data.with_parameters([known.train, known.valid], known.names)?,
        None => data,
    };
    // weights mean something with the scales that they were trained with
    match context.start {
        Some(start) => Ok(data.scaled_by(record::scales_given(start, context.layout().1, &names(settings, context))?)),
        None => Ok(data),
    }
}

/// The parameters that the network is given, where it is conditioned on them.
///
/// # Errors
/// When they are not known.
fn known<'a>(settings: &Settings, context: &FitContext<'a>) -> Result<Option<KnownParameters<'a>>> {
    settings::parameters(settings, context.size().parameters)?;
    Ok(context.parameters.filter(|_| settings::is_conditioned(settings)))
}

/// Their names.
fn names(settings: &Settings, context: &FitContext) -> Vec<String> {
    let known = context.parameters.filter(|_| settings::is_conditioned(settings));
    known.map_or_else(Vec::new, |known| known.names.to_vec())
}

/// The weights that the training of a network of these fields starts from, where it starts from a stored model.
///
/// # Errors
/// When that holds no such network.
pub fn started(context: &FitContext, fields: Fields) -> Result<Option<Weights>> {
    context.start.map(|model| record::weights(model, fields)).transpose()
}

/// A trained network with the scales around it.
#[derive(Debug)]
pub struct Learned {
    weights: Weights,
    network: Box<dyn NeuralNetwork>,
    scales: Scales,
    /// How many states the network is given.
    history: usize,
    /// The parameters of the system that it is given.
    parameters: Vec<String>,
}

/// One training of a fit.
pub struct Task<'a> {
    /// What for.
    pub objective: &'a dyn Objective,
    /// The name of the objective with its settings, which tells one training from another.
    pub named: String,
    /// What the network takes and gives.
    pub fields: Fields,
    /// Training steps.
    pub steps: u64,
    /// Steps of the trainings before it in this fit.
    pub before: u64,
    /// The weights that it starts from; none where they are drawn.
    pub start: Option<Weights>,
    /// The address of its randomness.
    pub key: Key,
    /// Where it keeps its state.
    pub checkpoints: Option<&'a dyn Checkpoints>,
}

impl<'a> Task<'a> {
    /// The only training of a fit: of a network of these fields for an objective, and that with its settings in words.
    ///
    /// # Errors
    /// When the model that it starts from is of another network.
    pub fn only<'c: 'a>(
        settings: &Settings,
        context: &FitContext<'c>,
        (objective, named): (&'a dyn Objective, String),
        fields: Fields,
    ) -> Result<Self> {
        Ok(Self {
            objective,
            named,
            fields,
            steps: steps(settings),
            before: 0,
            start: started(context, fields)?,
            key: context.key,
            checkpoints: context.checkpoints,
        })
    }
}

impl Learned {
    /// Trains a network for an objective on `data`; a lead step of the forecaster evaluates it `evaluations` times.
    ///
    /// # Errors
    /// When the settings contradict each other or the data, and those of the training.
    pub fn fit(
        settings: &Settings,
        context: &FitContext,
        data: &Data,
        objective: &Entry<ObjectiveBuild>,
        evaluations: usize,
    ) -> Result<(Self, Training)> {
        let made = (objective.build.make)(settings);
        let fields = (objective.build.fields)(settings, context.layout().1);
        let task = Task::only(settings, context, (made.as_ref(), named(objective, settings)), fields)?;
        Self::train(settings, context, data, &task, evaluations)
    }

    /// Trains a network for a task on `data`; a lead step of the forecaster evaluates it `evaluations` times.
    ///
    /// # Errors
    /// When the settings contradict each other or the data, and those of the training.
    pub fn train(
        settings: &Settings,
        context: &FitContext,
        data: &Data,
        task: &Task,
        evaluations: usize,
    ) -> Result<(Self, Training)> {
        let network = settings::network(settings, &context.size(), task.fields)?;
        let config = TrainConfig { steps: task.steps, ..settings::training(settings) };
        let trainer = Trainer {
            network: &network,
            config: &config,
            objective: task.objective,
            named: &task.named,
            data,
            key: task.key,
            start: task.start.as_ref(),
            processor: context.processor,
            before: task.before,
            progress: context.progress,
            checkpoints: task.checkpoints,
        };
        let Trained { weights, best_step, best_valid, curve } = trainer.run()?;
        let (parameters, pairs, steps) = (weights.count(), data.pairs(Subset::Train), config.steps);
        let training =
            Training { parameters, pairs, steps, best_step, best_valid, evaluations, curve, earlier: Vec::new() };
        let (network, scales, history) = (network.frozen(&weights)?, data.scales().clone(), data.history());
        Ok((Self { network, weights, scales, history, parameters: names(settings, context) }, training))
    }

    /// The number of components of a state, those of its history and its parameters among them.
    pub fn dim(&self) -> usize {
        self.components() * self.history + self.parameters.len()
    }

    /// The number of components of x_k alone.
    pub fn components(&self) -> usize {
        self.network.config().components
    }

    /// How many states the network is given: x_k and those before it.
    pub fn history(&self) -> usize {
        self.history
    }

    /// The parameters of the system that the network is given.
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// This network, where the state of a forecaster holds so many states.
    #[must_use]
    pub fn with_history(self, states: usize) -> Self {
        Self { history: states, ..self }
    }

    /// Whether it is given x_k alone.
    pub fn is_markov(&self) -> bool {
        self.history == 1 && self.parameters.is_empty()
    }

    /// The network, with plain tensors.
    pub fn network(&self) -> &dyn NeuralNetwork {
        self.network.as_ref()
    }

    /// The scales of states and increments.
    pub fn scales(&self) -> &Scales {
        &self.scales
    }
}

/// The name of an objective and what its settings are, which tell one training from another.
pub fn named(objective: &Entry<ObjectiveBuild>, settings: &Settings) -> String {
    let own = |(key, _): &(&str, &Value)| objective.params.iter().any(|param| param.key == *key);
    let own: Vec<String> = settings.iter().filter(own).map(|(key, value)| format!("{key} = {value:?}")).collect();
    format!("{} {}", objective.name, own.join(", "))
}

#[cfg(test)]
pub(super) mod tests {
    //! A network that was never trained, for the tests of the forecasters.

    use ndarray::Array3;

    use super::*;
    use crate::nn::NetworkConfig;
    use crate::nn::objective::Fields;
    use crate::nn::weights::Tensors;
    use crate::nn::windows::Windows;
    use crate::systems::{Domain, Key};

    pub const DIM: usize = 6;

    /// Two trajectories of random states, `[case, time, component]`.
    pub fn states() -> Array3<f64> {
        let values = Key::new(1, Domain::Data).normals(2 * 9, DIM).into_raw_vec_and_offset().0;
        Array3::from_shape_vec((2, 9, DIM), values).unwrap()
    }

    /// A network with its first weights, all moved by up to `shift`, around the scales of random states.
    pub fn untrained(kind: &str, fields: Fields, shift: f32) -> Learned {
        let config = NetworkConfig { width: 5, ..fields.given(&crate::nn::network::tests::config(kind, false)) };
        let mut weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += shift * (i as f32 * 1.3).sin());
        let scales = Scales::of(&Windows::pairs(states().view()), true).unwrap();
        Learned { network: config.frozen(&weights).unwrap(), weights, scales, history: 1, parameters: Vec::new() }
    }

    impl Learned {
        /// The weights in double precision.
        fn tensors(&self) -> Tensors {
            self.weights.frozen(candle_core::DType::F64).unwrap()
        }

        /// The network in double precision.
        pub fn in_double_precision(&self) -> Self {
            let network = self.network.config().from_tensors(&self.tensors()).unwrap();
            let (weights, scales, parameters) = (self.weights.clone(), self.scales.clone(), self.parameters.clone());
            Self { network, weights, scales, history: self.history, parameters }
        }
    }
}
