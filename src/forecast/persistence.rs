//! Persistence: x_{k+1} = x_k. What any forecaster must beat at short lead times.

use ndarray::Array2;
use serde_json::json;

use super::fitted::{Fitted, Parts, Training};
use super::stored::misfit;
use super::{FitContext, ForecasterBuild, Result};
use crate::model::Model;
use crate::systems::{Entry, Forecaster, Key, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "persistence",
    about: "the state stays as it is",
    reference: "Jolliffe & Stephenson 2012",
    params: &[],
    build: ForecasterBuild { fit, load: Some(load), memory: |_, _| Vec::new(), cost: None },
};

struct Persistence {
    dim: usize,
}

fn fit(_settings: &Settings, context: &FitContext) -> Result<Fitted> {
    Ok(fitted(context.train.dim().2, Training::closed_form(0)))
}

fn load(model: &Model) -> Result<Fitted> {
    let dim = model.config["dim"].as_u64().ok_or_else(|| misfit(model, "dim", "is missing"))?;
    Ok(fitted(dim as usize, Training::load(model)?))
}

fn fitted(dim: usize, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, Persistence { dim }, training, |model| Parts::new(json!({ "dim": model.dim }), []))
}

impl Forecaster for Persistence {
    fn dim(&self) -> usize {
        self.dim
    }

    fn step(&self, _k: usize, _x: &mut Array2<f64>, _key: Key) -> crate::systems::Result<()> {
        Ok(())
    }
}
