//! Persistence: x_{k+1} = x_k. What any forecaster must beat at short lead times.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde_json::json;

use super::stored::{misfit, training_json};
use super::{FitContext, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::systems::{Entry, Forecaster, Key, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "persistence",
    about: "the state stays as it is",
    reference: "Jolliffe & Stephenson 2012",
    params: &[],
    build: ForecasterBuild { fit, load: Some(load), learned: false },
};

struct Persistence {
    dim: usize,
    training: Training,
}

fn fit(_settings: &Settings, situation: &FitContext) -> Result<Box<dyn Fitted>> {
    Ok(Box::new(new(situation.train.dim().2)))
}

fn load(model: &Model) -> Result<Box<dyn Fitted>> {
    let dim = model.config["dim"].as_u64().ok_or_else(|| misfit(model, "dim", "is missing"))?;
    Ok(Box::new(new(dim as usize)))
}

fn new(dim: usize) -> Persistence {
    Persistence { dim, training: Training { best_valid: f64::NAN, ..Training::default() } }
}

impl Forecaster for Persistence {
    fn dim(&self) -> usize {
        self.dim
    }

    fn step(&self, _k: usize, _x: &mut Array2<f64>, _key: Key) -> crate::systems::Result<()> {
        Ok(())
    }
}

impl Fitted for Persistence {
    fn model(&self) -> Model {
        let config = json!({ "dim": self.dim, "training": training_json(&self.training) });
        Model { kind: "persistence".to_owned(), config, tensors: BTreeMap::new() }
    }

    fn training(&self) -> &Training {
        &self.training
    }

    fn as_forecaster(&self) -> &dyn Forecaster {
        self
    }
}
