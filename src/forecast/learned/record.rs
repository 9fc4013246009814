//! A learned forecaster as plain data: the weights as `network.PATH`, the scales as `states.mean`, `states.sd`,
//! `increments.mean`, `increments.sd`, and the description of the network in the configuration.

use serde_json::{Value, json};

use super::super::fitted::Parts;
use super::super::stored::{misfit, reals, vector};
use super::super::{Error, Result};
use super::Learned;
use super::settings::MOST_STATES;
use crate::model::{Model, Tensor};
use crate::nn::data::{Scale, Scales};
use crate::nn::objective::Fields;
use crate::nn::{NetworkConfig, Weights};

/// The key of how many states a network is given, where they are several.
const HISTORY: &str = "history";

/// The prefix of the weights' names.
const NETWORK: &str = "network.";

impl Learned {
    /// As plain data, with the configuration `own` of the forecaster and its own arrays.
    pub fn parts<const N: usize>(&self, own: Value, arrays: [(&str, Tensor); N]) -> Parts {
        let mut config = json!({ "network": self.network.config(), "forecaster": own });
        // models of one state do not say so
        if self.history > 1 {
            config[HISTORY] = self.history.into();
        }
        let mut parts = Parts::new(config, arrays);
        parts.tensors.extend(self.weights.to_model(NETWORK));
        for (name, scale) in [("states", &self.scales.states), ("increments", &self.scales.increments)] {
            parts.tensors.insert(format!("{name}.mean"), reals(scale.mean.to_vec()));
            parts.tensors.insert(format!("{name}.sd"), reals(scale.sd.to_vec()));
        }
        parts
    }

    /// Puts this network, of the same scales, beside the one that `parts` are of, under a name of its own.
    pub fn beside(&self, parts: &mut Parts, name: &str) {
        parts.config[name] = json!(self.network.config());
        parts.tensors.extend(self.weights.to_model(&format!("{name}.")));
    }

    /// From plain data; `fields` are those that the forecaster's objective wants.
    ///
    /// # Errors
    /// When it is incomplete or damaged.
    pub fn load(model: &Model, fields: Fields) -> Result<Self> {
        let history = history(model)?;
        let (network, weights) = described(model, ("network", NETWORK), fields.with_history(history))?;
        let scales = scales(model, network.components)?;
        Ok(Self { network: network.frozen(&weights)?, weights, scales, history })
    }

    /// The network that stands under a name of its own beside this one.
    ///
    /// # Errors
    /// When it is incomplete or damaged.
    pub fn load_beside(&self, model: &Model, name: &str, fields: Fields) -> Result<Self> {
        let (network, weights) = described(model, (name, &format!("{name}.")), fields.with_history(self.history))?;
        if network.components != self.components() {
            return Err(misfit(model, name, &format!("must be of {} components", self.components())));
        }
        Ok(Self { network: network.frozen(&weights)?, weights, scales: self.scales.clone(), history: self.history })
    }
}

/// The scales of a model of so many components.
///
/// # Errors
/// When they are missing or damaged.
pub fn scales(model: &Model, components: usize) -> Result<Scales> {
    let scale = |name: &str| -> Result<Scale> {
        let part = |part: &str| vector(model, &format!("{name}.{part}"), components);
        let scale = Scale { mean: part("mean")?, sd: part("sd")? };
        match scale.sd.iter().position(|sd| !(*sd > 0.0 && sd.is_finite())) {
            Some(at) => {
                let problem = format!("is {} for component {at}, but must be above 0", scale.sd[at]);
                Err(misfit(model, &format!("{name}.sd"), &problem))
            }
            None => Ok(scale),
        }
    };
    Ok(Scales { states: scale("states")?, increments: scale("increments")? })
}

/// The weights of a model's network, which must be of these fields with the history of the model.
///
/// # Errors
/// When they are incomplete or damaged.
pub fn weights(model: &Model, fields: Fields) -> Result<Weights> {
    Ok(described(model, ("network", NETWORK), fields.with_history(history(model)?))?.1)
}

/// How many states the networks of a model are given.
fn history(model: &Model) -> Result<usize> {
    match &model.config[HISTORY] {
        Value::Null => Ok(1),
        said => match said.as_u64().filter(|count| (2..=MOST_STATES).contains(count)) {
            Some(count) => Ok(count as usize),
            None => Err(misfit(model, HISTORY, &format!("is {said}, but must be from 2 to {MOST_STATES}"))),
        },
    }
}

/// A network by the name of its description and the prefix of its weights.
fn described(model: &Model, (name, prefix): (&str, &str), fields: Fields) -> Result<(NetworkConfig, Weights)> {
    let network: NetworkConfig = serde_json::from_value(model.config[name].clone()).map_err(|problem| {
        Error::Model(format!("the stored {} model has no readable {name} ({problem}); train it again", model.kind))
    })?;
    match misdescribed(&network, fields) {
        Some((key, problem)) => Err(misfit(model, key, &problem)),
        None => Ok((network, Weights::from_model(&model.tensors, prefix)?)),
    }
}

/// What no network of this objective can be: the key and what is wrong with it.
fn misdescribed(network: &NetworkConfig, fields: Fields) -> Option<(&'static str, String)> {
    let counts = [
        ("components", network.components),
        ("width", network.width),
        ("blocks", network.blocks),
        ("kernel", network.kernel),
        ("resolutions", network.resolutions),
        ("heads", network.heads),
    ];
    if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
        return Some((key, "is 0, but must be at least 1".to_owned()));
    }
    if network.kernel.is_multiple_of(2) {
        return Some(("kernel", format!("is {}, but must be odd", network.kernel)));
    }
    let own = Fields::of(network);
    (own != fields).then(|| ("network", format!("has {}, but must have {}", own.described(), fields.described())))
}
