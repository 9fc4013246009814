//! `lifting`: the network takes x_k and a label, normal numbers that were drawn once for each training pair and stay with
//! it, and gives z; the loss is the squared error (stochastic lifting). Fresh labels make draws. A label is the name of a
//! pair, so that the loss of a large network goes to 0, far below the variance of the noise.
//!
//! Of a pair that is not trained on the label says nothing, so that there is nothing to validate.

use candle_core::Tensor;
use ndarray::Array2;
use scorecast_systems::{Entry, Settings};

use super::score_rule::{NOISE_FIELDS, fields};
use super::{Draws, Objective, ObjectiveBuild};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "lifting",
    about: "squared error given a random label that stays with each training pair",
    reference: "Stochastic lifting, arXiv:2605.29194",
    params: &[NOISE_FIELDS],
    build: ObjectiveBuild {
        fields: |settings, _| fields(settings.count(NOISE_FIELDS.key)),
        make,
        preconditioning: None,
    },
};

struct Lifting {
    noise_fields: usize,
}

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(Lifting { noise_fields: settings.count(NOISE_FIELDS.key) })
}

impl Objective for Lifting {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        let mut labels = vec![Array2::zeros(batch.increments.dim()); self.noise_fields];
        for (row, pair) in batch.pairs.iter().enumerate() {
            let mut stream = draws.label(*pair);
            labels.iter_mut().for_each(|field| field.row_mut(row).mapv_inplace(|_: f64| stream.normal()));
        }
        let fields: Vec<_> = std::iter::once(&batch.states).chain(&labels).map(|field| field.view()).collect();
        let out = network.forward(&network.input(&fields)?, None)?;
        Ok(candle_nn::loss::mse(&out, &network.input(&[batch.increments.view()])?)?)
    }

    fn validates(&self) -> bool {
        false
    }
}
