//! What the learned forecasters share: their settings, their data, their training, and their form as plain data.

use candle_core::Tensor;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use rayon::prelude::*;

use super::{Error, FitContext, Result, Training};
use crate::model::{CurvePoint, Model, Tensor as Stored, Values};
use crate::nn::pairs::{Pairs, Scale};
use crate::nn::train::{Objective, Subset, TrainConfig, Trained, Trainer};
use crate::nn::{NetworkConfig, NetworkKind, NeuralNetwork, Weights, array};
use crate::systems::registry::{DefaultValue, Param, ParamKind, Settings};

const COUNT: ParamKind = ParamKind::Int { min: 1, max: i64::MAX };

/// The settings of every learned forecaster.
pub const SETTINGS: [Param; 13] = [
    Param::choice(
        "network",
        "auto",
        &["auto", "mlp", "conv"],
        "conv for a ring of 8 components or more, otherwise mlp",
    ),
    Param::unset("width", COUNT, "hidden channels; 128 for mlp, 32 for conv"),
    Param::new("blocks", COUNT, DefaultValue::Int(3), "residual blocks"),
    Param::int("kernel", 5, 1, "positions that a convolution sees; odd").up_to(1001),
    Param::new("steps", COUNT, DefaultValue::Int(2500), "training steps"),
    Param::new("batch", COUNT, DefaultValue::Int(128), "pairs in a training step"),
    Param::positive("learning_rate", 3e-3, "largest learning rate"),
    Param::int("warm_up", 100, 0, "training steps until the largest learning rate"),
    Param::at_least("weight_decay", 1e-3, 0.0, "weight decay of AdamW"),
    Param::positive("clip", 1.0, "largest norm of a gradient"),
    Param::new(
        "ema",
        ParamKind::real(0.0, 0.999_999),
        DefaultValue::Float(0.99),
        "weight of the past in the average of the weights",
    ),
    Param::new("validate_every", COUNT, DefaultValue::Int(100), "training steps between validations"),
    Param::new("checkpoint_every", COUNT, DefaultValue::Int(250), "training steps between checkpoints"),
];

/// Two lists of settings as one; `N` is the sum of their lengths.
pub const fn joined<const A: usize, const B: usize, const N: usize>(a: [Param; A], b: [Param; B]) -> [Param; N] {
    assert!(A + B == N);
    let mut out = [a[0]; N];
    let mut i = 0;
    while i < N {
        out[i] = if i < A { a[i] } else { b[i - A] };
        i += 1;
    }
    out
}

/// Scaled training and validation pairs.
pub struct Data<'a> {
    train: Pairs<'a>,
    valid: Pairs<'a>,
    states: Scale,
    increments: Scale,
}

impl<'a> Data<'a> {
    /// Of a situation, scaled by its training part.
    ///
    /// # Errors
    /// When there is nothing to learn from.
    pub fn new(situation: &FitContext<'a>) -> Result<Self> {
        let train = Pairs::new(situation.train);
        let (states, increments) = train.scales(situation.geometry)?;
        Ok(Self { train, valid: Pairs::new(situation.valid), states, increments })
    }

    /// The pairs of a part.
    pub fn pairs(&self, part: Subset) -> usize {
        match part {
            Subset::Train => self.train.len(),
            Subset::Valid => self.valid.len(),
        }
    }

    /// Scaled states and scaled increments, `[row, component]` each.
    pub fn rows(&self, part: Subset, rows: &[usize]) -> (Array2<f64>, Array2<f64>) {
        let pairs = if part == Subset::Train { &self.train } else { &self.valid };
        pairs.scaled(rows, &self.states, &self.increments)
    }
}

/// A trained network with the scales around it.
#[derive(Clone, Debug)]
pub struct Learned {
    weights: Weights,
    network: NeuralNetwork,
    states: Scale,
    increments: Scale,
    training: Training,
}

/// What a network takes and gives for each component.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Input fields.
    pub inputs: usize,
    /// Output fields.
    pub outputs: usize,
    /// Whether it is given a noise level.
    pub time_features: bool,
}

/// The network that the settings ask for.
///
/// # Errors
/// When they contradict each other or the geometry.
pub fn network(settings: &Settings, situation: &FitContext, fields: Fields) -> Result<NetworkConfig> {
    let components = situation.train.dim().2;
    let kind = NetworkKind::named(settings.text("network"), situation.geometry, components);
    let kernel = settings.count("kernel");
    if kind == NetworkKind::Conv && situation.geometry != crate::systems::Geometry::Ring {
        let problem =
            format!("is \"conv\", but the {components} components are not a periodic grid; set it to \"mlp\"");
        return Err(settings.mistake("network", problem).into());
    }
    if kernel.is_multiple_of(2) {
        let problem = format!("is {kernel}, but a convolution needs an odd number; set it to {}", kernel + 1);
        return Err(settings.mistake("kernel", problem).into());
    }
    let width = if settings.has("width") { settings.count("width") } else { kind.width() };
    let Fields { inputs, outputs, time_features } = fields;
    let blocks = settings.count("blocks");
    Ok(NetworkConfig { kind, components, inputs, outputs, width, blocks, kernel, time_features })
}

fn training(settings: &Settings) -> TrainConfig {
    TrainConfig {
        steps: settings.count("steps") as u64,
        batch: settings.count("batch"),
        learning_rate: settings.number("learning_rate"),
        warm_up: settings.count("warm_up") as u64,
        weight_decay: settings.number("weight_decay"),
        clip: settings.number("clip"),
        ema: settings.number("ema"),
        validate_every: settings.count("validate_every") as u64,
        checkpoint_every: settings.count("checkpoint_every") as u64,
    }
}

impl Learned {
    /// Trains a network for an objective over `data`.
    ///
    /// # Errors
    /// Those of the training.
    pub fn fit<O: Objective>(
        settings: &Settings,
        situation: &FitContext,
        fields: Fields,
        data: &Data,
        objective: &O,
        evaluations: usize,
    ) -> Result<Self> {
        let (network, config) = (network(settings, situation, fields)?, training(settings));
        let trainer = Trainer {
            network: &network,
            config: &config,
            objective,
            key: situation.key,
            progress: situation.progress,
            checkpoints: situation.checkpoints,
        };
        let Trained { weights, best_step, best_valid, curve } = trainer.run()?;
        let training = Training {
            parameters: weights.count(),
            pairs: data.pairs(Subset::Train),
            steps: config.steps,
            best_step,
            best_valid,
            evaluations,
            curve,
        };
        let (states, increments) = (data.states.clone(), data.increments.clone());
        Ok(Self { network: NeuralNetwork::frozen(&network, &weights)?, weights, states, increments, training })
    }

    /// With given weights, for tests.
    #[cfg(test)]
    pub fn untrained(config: &NetworkConfig, weights: Weights, states: Scale, increments: Scale) -> Result<Self> {
        let network = NeuralNetwork::frozen(config, &weights)?;
        Ok(Self { weights, network, states, increments, training: Training::default() })
    }

    /// The same in double precision, for tests.
    #[cfg(test)]
    pub fn in_double_precision(&self) -> Result<Self> {
        let network = NeuralNetwork::from_tensors(self.network.config(), &self.tensors()?)?;
        Ok(Self { network, ..self.clone() })
    }

    /// The weights in double precision, for tests.
    #[cfg(test)]
    pub fn tensors(&self) -> Result<crate::nn::weights::Tensors> {
        Ok(self.weights.frozen(candle_core::DType::F64)?)
    }

    /// The number of components of a state.
    pub fn dim(&self) -> usize {
        self.network.config().components
    }

    /// What is known of its training.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// Members that are one pass through the network, on one thread: about 10 to 40 million operations, so that two
    /// threads share an ensemble of 40 on a grid, and small networks are not all overhead.
    pub fn chunk(&self) -> usize {
        match self.network.config().kind {
            NetworkKind::Conv => 16,
            NetworkKind::Mlp => 64,
        }
    }

    /// The network, with plain tensors.
    pub fn network(&self) -> &NeuralNetwork {
        &self.network
    }

    /// The mean and sd of increments.
    pub fn increments(&self) -> &Scale {
        &self.increments
    }

    /// The sd by which states are scaled, `[component]`.
    pub fn state_sd(&self) -> &ndarray::Array1<f64> {
        &self.states.sd
    }

    /// (x - mean) / sd, `[member, component]`.
    pub fn scaled(&self, x: ArrayView2<f64>) -> Array2<f64> {
        (&x - &self.states.mean) / &self.states.sd
    }

    /// The network's output for these fields, `[member, component, field]`, at one noise level or at none.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn evaluate(&self, fields: &[ArrayView2<f64>], level: Option<f64>) -> Result<Tensor> {
        let input = array::interleave(fields, self.network.dtype())?;
        Ok(self.network.forward(&input, level.as_ref().map(std::slice::from_ref))?)
    }

    /// As plain data; `extra` is added to the configuration and to the arrays.
    pub fn model(&self, kind: &str, extra: (serde_json::Value, Vec<(&str, Stored)>)) -> Model {
        let mut tensors = self.weights.to_model("network.");
        for (name, values) in [
            ("states.mean", &self.states.mean),
            ("states.sd", &self.states.sd),
            ("increments.mean", &self.increments.mean),
            ("increments.sd", &self.increments.sd),
        ] {
            tensors.insert(name.to_owned(), reals(values.to_vec()));
        }
        let t = &self.training;
        let counts = [t.parameters as u64, t.pairs as u64, t.steps, t.best_step, t.evaluations as u64];
        let counts = Values::I64(counts.iter().map(|count| *count as i64).collect());
        tensors.insert("training.counts".to_owned(), Stored { shape: vec![5], values: counts });
        let mut curve = vec![t.best_valid];
        curve.extend(t.curve.iter().flat_map(|point| [point.step as f64, point.train, point.valid]));
        tensors.insert("training.reals".to_owned(), reals(curve));
        tensors.extend(extra.1.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)));
        let config = serde_json::json!({ "network": self.network.config(), "forecaster": extra.0 });
        Model { kind: kind.to_owned(), config, tensors }
    }

    /// From plain data.
    ///
    /// # Errors
    /// When it is incomplete or damaged.
    pub fn load(model: &Model) -> Result<Self> {
        let network: NetworkConfig = serde_json::from_value(model.config["network"].clone()).map_err(|problem| {
            Error::Model(format!("the stored {} model has no readable network ({problem}); train it again", model.kind))
        })?;
        let weights = Weights::from_model(&model.tensors, "network.")?;
        let scale = |name: &str| -> Result<Scale> {
            let part = |part: &str| stored_reals(model, &format!("{name}.{part}"), Some(network.components));
            Ok(Scale { mean: Array1::from(part("mean")?), sd: Array1::from(part("sd")?) })
        };
        let (states, increments) = (scale("states")?, scale("increments")?);
        let training = stored_training(model)?;
        Ok(Self { network: NeuralNetwork::frozen(&network, &weights)?, weights, states, increments, training })
    }
}

/// An array in double precision.
pub fn reals(values: Vec<f64>) -> Stored {
    Stored { shape: vec![values.len()], values: Values::F64(values) }
}

/// An array of a model in double precision, of a known length or of any.
///
/// # Errors
/// When it is not there.
pub fn stored_reals(model: &Model, name: &str, length: Option<usize>) -> Result<Vec<f64>> {
    match model.tensors.get(name).map(|tensor| &tensor.values) {
        Some(Values::F64(values)) if length.is_none_or(|length| length == values.len()) => Ok(values.clone()),
        _ => Err(Error::Model(format!(
            "the stored {} model has no array `{name}` of the right size; it is damaged, train it again",
            model.kind
        ))),
    }
}

fn stored_training(model: &Model) -> Result<Training> {
    let reals = stored_reals(model, "training.reals", None)?;
    let counts = match model.tensors.get("training.counts").map(|tensor| &tensor.values) {
        Some(Values::I64(counts)) if counts.len() == 5 && reals.len() % 3 == 1 => counts,
        _ => {
            return Err(Error::Model(format!(
                "the stored {} model has no training record; train it again",
                model.kind
            )));
        }
    };
    let count = |i: usize| counts[i].unsigned_abs();
    let point = |p: &[f64]| CurvePoint { step: p[0] as u64, train: p[1], valid: p[2] };
    Ok(Training {
        parameters: count(0) as usize,
        pairs: count(1) as usize,
        steps: count(2),
        best_step: count(3),
        best_valid: reals[0],
        evaluations: count(4) as usize,
        curve: reals[1..].chunks_exact(3).map(point).collect(),
    })
}

/// Runs `f` on chunks of `size` members, given as ranges, in parallel, and gives its results in order.
///
/// # Errors
/// The first error of `f`.
pub fn in_chunks<T: Send>(
    members: usize,
    size: usize,
    f: impl Fn(std::ops::Range<usize>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let chunk = |index: usize| f(index * size..members.min((index + 1) * size));
    match members.div_ceil(size) {
        count @ 0..=1 => (0..count).map(chunk).collect(),
        count => (0..count).into_par_iter().map(chunk).collect(),
    }
}

/// Rows of a view.
pub fn members<'a>(x: &'a ArrayView2<f64>, range: std::ops::Range<usize>) -> ArrayView2<'a, f64> {
    x.slice(s![range, ..])
}

/// Chunks one below the other; `dim` is the number of columns if there is none.
pub fn stacked(chunks: &[Array2<f64>], dim: usize) -> Array2<f64> {
    let views: Vec<_> = chunks.iter().map(|chunk| chunk.view()).collect();
    concatenate(Axis(0), &views).unwrap_or_else(|_| Array2::zeros((0, dim)))
}
