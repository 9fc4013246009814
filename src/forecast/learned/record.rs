//! A learned forecaster as plain data: the weights as `network.PATH`, the scales as `states.mean`, `states.sd`,
//! `increments.mean`, `increments.sd`, those of parameters that it is given as `parameters.mean` and `parameters.sd`, and the
//! description of the network in the configuration.

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

/// The key of the names of the parameters that a network is given, where it is given some.
const PARAMETERS: &str = "parameters";

/// The most parameters that a network may be given.
const MOST_PARAMETERS: usize = 1024;

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
        if !self.parameters.is_empty() {
            config[PARAMETERS] = json!(self.parameters);
        }
        let mut parts = Parts::new(config, arrays);
        parts.tensors.extend(self.weights.to_model(NETWORK));
        let Scales { states, increments, parameters } = &self.scales;
        let scales = [("states", states), ("increments", increments), (PARAMETERS, parameters)];
        for (name, scale) in scales.into_iter().filter(|(_, scale)| !scale.is_empty()) {
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
        let (history, parameters) = (history(model)?, parameters(model)?);
        let (network, weights) = described(model, ("network", NETWORK), (fields, history, parameters.len()))?;
        let scales = scales(model, network.components)?;
        Ok(Self { network: network.frozen(&weights)?, weights, scales, history, parameters })
    }

    /// The network that stands under a name of its own beside this one.
    ///
    /// # Errors
    /// When it is incomplete or damaged.
    pub fn load_beside(&self, model: &Model, name: &str, fields: Fields) -> Result<Self> {
        let own = (fields, self.history, self.parameters.len());
        let (network, weights) = described(model, (name, &format!("{name}.")), own)?;
        if network.components != self.components() {
            return Err(misfit(model, name, &format!("must be of {} components", self.components())));
        }
        let (scales, parameters) = (self.scales.clone(), self.parameters.clone());
        Ok(Self { network: network.frozen(&weights)?, weights, scales, history: self.history, parameters })
    }
}

/// The scales of a model of so many components.
///
/// # Errors
/// When they are missing or damaged.
pub fn scales(model: &Model, components: usize) -> Result<Scales> {
    let scale = |name: &str, count: usize| -> Result<Scale> {
        let part = |part: &str| vector(model, &format!("{name}.{part}"), count);
        let scale = Scale { mean: part("mean")?, sd: part("sd")? };
        match scale.sd.iter().position(|sd| !(*sd > 0.0 && sd.is_finite())) {
            Some(at) => {
                let what = if name == PARAMETERS { "parameter" } else { "component" };
                let problem = format!("is {} for {what} {at}, but must be above 0", scale.sd[at]);
                Err(misfit(model, &format!("{name}.sd"), &problem))
            }
            None => Ok(scale),
        }
    };
    let parameters = match parameters(model)?.len() {
        0 => Scale::none(),
        count => scale(PARAMETERS, count)?,
    };
    Ok(Scales { states: scale("states", components)?, increments: scale("increments", components)?, parameters })
}

/// The scales of a model whose network is given these parameters.
///
/// # Errors
/// As [`scales`], and when it is given others.
pub fn scales_given(model: &Model, components: usize, given: &[String]) -> Result<Scales> {
    let own = parameters(model)?;
    if own == given {
        return scales(model, components);
    }
    let listed = |names: &[String]| if names.is_empty() { "no parameters".to_owned() } else { names.join(", ") };
    Err(Error::Model(format!(
        "the model that the training starts from is given {}, but the training gives {}; set `condition_on` as it was, or leave \
         `start_from` out",
        listed(&own),
        listed(given)
    )))
}

/// The weights of a model's network, which must be of these fields with the history of the model.
///
/// # Errors
/// When the model is of other settings, incomplete or damaged.
pub fn weights(model: &Model, fields: Fields) -> Result<Weights> {
    let network = description(model, "network")?;
    let wanted = given(fields, &network, (history(model)?, parameters(model)?.len()));
    let own = Fields::of(&network);
    if own != wanted {
        return Err(Error::Model(format!(
            "the model that the training starts from has {}, but the network of these settings has {}; give the forecaster \
             the settings of that model, or leave `start_from` out",
            own.described(),
            wanted.described()
        )));
    }
    Ok(checked(model, network, NETWORK, wanted)?.1)
}

/// The names of the parameters that the networks of a model are given.
fn parameters(model: &Model) -> Result<Vec<String>> {
    let said = &model.config[PARAMETERS];
    let names = match said {
        Value::Null => return Ok(Vec::new()),
        Value::Array(names) if (1..=MOST_PARAMETERS).contains(&names.len()) => names.iter(),
        _ => return Err(misfit(model, PARAMETERS, &format!("must be a list of 1 to {MOST_PARAMETERS} names"))),
    };
    let names: Option<Vec<String>> = names.map(|name| name.as_str().map(str::to_owned)).collect();
    names.ok_or_else(|| misfit(model, PARAMETERS, "must be a list of names"))
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

/// A network by the name of its description and the prefix of its weights, of the fields of an objective that is given so many
/// states and parameters.
fn described(
    model: &Model,
    (name, prefix): (&str, &str),
    (fields, states, parameters): (Fields, usize, usize),
) -> Result<(NetworkConfig, Weights)> {
    let network = description(model, name)?;
    let fields = given(fields, &network, (states, parameters));
    checked(model, network, prefix, fields)
}

/// The description of a network by its name.
fn description(model: &Model, name: &str) -> Result<NetworkConfig> {
    serde_json::from_value(model.config[name].clone()).map_err(|problem| {
        Error::Model(format!("the stored {} model has no readable {name} ({problem}); train it again", model.kind))
    })
}

/// The fields of an objective, where a network is given so many states, and so many parameters in its own way.
fn given(fields: Fields, network: &NetworkConfig, (states, parameters): (usize, usize)) -> Fields {
    fields.with_history(states).with_parameters(states, parameters, network.film.is_some())
}

/// A network that must be of these fields, with its weights by their prefix.
fn checked(model: &Model, network: NetworkConfig, prefix: &str, fields: Fields) -> Result<(NetworkConfig, Weights)> {
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
    if let Some(sd) = network.frequency.filter(|sd| !(*sd > 0.0 && sd.is_finite())) {
        return Some(("frequency", format!("is {sd}, but must be above 0")));
    }
    let own = Fields::of(network);
    (own != fields).then(|| ("network", format!("has {}, but must have {}", own.described(), fields.described())))
}
