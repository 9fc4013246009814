//! `regression`: the network gives m, trained by the mean of (z - m)^2. The mean of z given x_k makes it least.

use candle_core::Tensor;
use scorecast_systems::{Entry, Settings};

use ndarray::Array2;

use super::rollout::Rule;
use super::training::given_states;
use super::{Draws, Objective, ObjectiveBuild, REGRESSION_FIELDS};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "regression",
    about: "squared error of the increment",
    reference: "Gauss (1809)",
    params: &[],
    build: ObjectiveBuild { fields: |_, _| REGRESSION_FIELDS, make, preconditioning: None },
};

struct Regression;

/// Its rule over several lead steps.
pub fn regression_rule() -> impl Rule {
    Regression
}

fn make(_settings: &Settings) -> Box<dyn Objective> {
    Box::new(Regression)
}

impl Rule for Regression {
    fn members(&self) -> usize {
        1
    }

    fn noise(&self, _shape: (usize, usize), _step: usize, _draws: Draws) -> Vec<Array2<f64>> {
        Vec::new()
    }

    fn score(&self, drawn: &Tensor, came: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::loss::mse(drawn, came)?)
    }
}

impl Objective for Regression {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let (mean, z) = given_states(network, batch)?;
        Ok(candle_nn::loss::mse(&mean, &z)?)
    }
}
