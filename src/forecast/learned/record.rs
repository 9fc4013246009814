//! A learned forecaster as plain data: the weights as `network.PATH`, the scales as `states.mean`, `states.sd`,
//! `increments.mean`, `increments.sd`, and the description of the network in the configuration.

use serde_json::{Value, json};

use super::super::fitted::Parts;
use super::super::stored::{reals, vector};
use super::super::{Error, Result};
use super::Learned;
use crate::model::{Model, Tensor};
use crate::nn::data::{Scale, Scales};
use crate::nn::{NetworkConfig, Weights};

/// The prefix of the weights' names.
const NETWORK: &str = "network.";

impl Learned {
    /// As plain data, with the configuration `own` of the forecaster and its own arrays.
    pub fn parts<const N: usize>(&self, own: Value, arrays: [(&str, Tensor); N]) -> Parts {
        let config = json!({ "network": self.network.config(), "forecaster": own });
        let mut parts = Parts::new(config, arrays);
        parts.tensors.extend(self.weights.to_model(NETWORK));
        for (name, scale) in [("states", &self.scales.states), ("increments", &self.scales.increments)] {
            parts.tensors.insert(format!("{name}.mean"), reals(scale.mean.to_vec()));
            parts.tensors.insert(format!("{name}.sd"), reals(scale.sd.to_vec()));
        }
        parts
    }

    /// From plain data.
    ///
    /// # Errors
    /// When it is incomplete or damaged.
    pub fn load(model: &Model) -> Result<Self> {
        let network: NetworkConfig = serde_json::from_value(model.config["network"].clone()).map_err(|problem| {
            Error::Model(format!("the stored {} model has no readable network ({problem}); train it again", model.kind))
        })?;
        let weights = Weights::from_model(&model.tensors, NETWORK)?;
        let scale = |name: &str| -> Result<Scale> {
            let part = |part: &str| vector(model, &format!("{name}.{part}"), network.components);
            Ok(Scale { mean: part("mean")?, sd: part("sd")? })
        };
        let scales = Scales { states: scale("states")?, increments: scale("increments")? };
        Ok(Self { network: network.frozen(&weights)?, weights, scales })
    }
}
