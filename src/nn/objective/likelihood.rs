//! `likelihood`: for each component the network gives m and l of z ~ N(m, exp(l)), trained by the mean of
//! (l + (z - m)^2 exp(-l)) / 2 (Nix and Weigend 1994). l = B tanh(raw / B) with B = 12 keeps the sd of z between .0025
//! and 400 and its gradient alive.

use candle_core::Tensor;
use scorecast_systems::{Entry, Settings};

use super::{Draws, LIKELIHOOD_FIELDS, Objective, ObjectiveBuild};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result, array};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "likelihood",
    about: "negative log-likelihood of a normal increment, component by component",
    reference: "Nix and Weigend (1994)",
    params: &[],
    build: ObjectiveBuild {
        fields: |_, _| LIKELIHOOD_FIELDS,
        make,
        preconditioning: None,
    },
};

/// Bound of the log-variance of z.
const BOUND: f64 = 12.0;

struct Likelihood;

fn make(_settings: &Settings) -> Box<dyn Objective> {
    Box::new(Likelihood)
}

impl Objective for Likelihood {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let out = network.forward(&array::interleave(&[batch.states.view()], network.dtype())?, None)?;
        negative_log_likelihood(&out, &array::interleave(&[batch.increments.view()], network.dtype())?)
    }
}

/// (l + (z - m)^2 exp(-l)) / 2, its mean: `out` is `[row, component, (m, raw)]`, `z` is `[row, component, 1]`.
fn negative_log_likelihood(out: &Tensor, z: &Tensor) -> Result<Tensor> {
    let (mean, raw) = (out.narrow(2, 0, 1)?, out.narrow(2, 1, 1)?);
    let l = ((raw / BOUND)?.tanh()? * BOUND)?;
    let squared = (z - mean)?.sqr()?;
    Ok(((&l + (squared * l.neg()?.exp()?)?)?.mean_all()? * 0.5)?)
}

/// l and its derivative, from what the network gives.
pub fn log_variance(raw: f64) -> (f64, f64) {
    let tanh = (raw / BOUND).tanh();
    (BOUND * tanh, 1.0 - tanh * tanh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::differences::{check, normals};

    #[test]
    fn the_loss_is_the_gaussian_likelihood_and_its_gradient_agrees_with_finite_differences() {
        let (out, z) = (normals(1, &[3, 4, 2]), normals(2, &[3, 4, 1]));
        let loss = negative_log_likelihood(&out, &z).unwrap().to_scalar::<f64>().unwrap();
        let (out_values, z_values) = (out.to_vec3::<f64>().unwrap(), z.to_vec3::<f64>().unwrap());
        let mut expected = 0.0;
        for (out, z) in out_values.iter().flatten().zip(z_values.iter().flatten()) {
            let l = BOUND * (out[1] / BOUND).tanh();
            expected += 0.5 * (l + (z[0] - out[0]).powi(2) / l.exp()) / 12.0;
        }
        assert!((loss - expected).abs() < 1e-13);
        check(&[out, z], |a| negative_log_likelihood(&a[0], &a[1]).map_err(candle_core::Error::wrap));
    }
}
