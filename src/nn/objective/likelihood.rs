//! `likelihood`: for each component the network gives m and l of z ~ N(m, exp(l)), trained by the mean of
//! (l + (z - m)^2 exp(-l)) / 2 (Nix and Weigend 1994). l = B tanh(raw / B), with B = 12 below 0 and 3 above, keeps the sd of
//! z between .0025 and 4.5 and its gradient alive. z has unit variance over all states, and where states are rare nothing
//! holds a variance: with 12 above, one corner of `ou` had an sd of 70, and one of 64 free rollouts left for 1e15 (a bound
//! of this kind is that of Chua et al. 2018).

use candle_core::Tensor;
use scorecast_systems::{Entry, Settings};

use super::training::given_states;
use super::{Draws, LIKELIHOOD_FIELDS, Objective, ObjectiveBuild};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "likelihood",
    about: "negative log-likelihood of a normal increment, component by component",
    reference: "Nix and Weigend (1994)",
    params: &[],
    build: ObjectiveBuild { fields: |_, _| LIKELIHOOD_FIELDS, make, preconditioning: None },
};

/// Bounds of the log-variance of z, below and above 0.
const BOUNDS: [f64; 2] = [12.0, 3.0];

struct Likelihood;

fn make(_settings: &Settings) -> Box<dyn Objective> {
    Box::new(Likelihood)
}

impl Objective for Likelihood {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let (out, z) = given_states(network, batch)?;
        negative_log_likelihood(&out, &z)
    }
}

/// (l + (z - m)^2 exp(-l)) / 2, its mean: `out` is `[row, component, (m, raw)]`, `z` is `[row, component, 1]`.
fn negative_log_likelihood(out: &Tensor, z: &Tensor) -> Result<Tensor> {
    of_moments(&out.narrow(2, 0, 1)?, &out.narrow(2, 1, 1)?, z)
}

/// (l + (z - m)^2 exp(-l)) / 2, its mean, of m, raw and z of one shape.
///
/// # Errors
/// When Candle fails.
pub(super) fn of_moments(mean: &Tensor, raw: &Tensor, z: &Tensor) -> Result<Tensor> {
    let l = bounded(raw)?;
    let squared = (z - mean)?.sqr()?;
    Ok(((&l + (squared * l.neg()?.exp()?)?)?.mean_all()? * 0.5)?)
}

/// l, from what the network gives.
///
/// # Errors
/// When Candle fails.
pub(super) fn bounded(raw: &Tensor) -> candle_core::Result<Tensor> {
    let [below, above] = BOUNDS;
    let bounds = raw.gt(0.0)?.to_dtype(raw.dtype())?.affine(above - below, below)?;
    (raw / &bounds)?.tanh()? * bounds
}

/// l and its derivative, from what the network gives.
pub fn log_variance(raw: f64) -> (f64, f64) {
    let bound = BOUNDS[usize::from(raw > 0.0)];
    let tanh = (raw / bound).tanh();
    (bound * tanh, 1.0 - tanh * tanh)
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
            let bound = if out[1] > 0.0 { 3.0 } else { 12.0 };
            let l = bound * (out[1] / bound).tanh();
            expected += 0.5 * (l + (z[0] - out[0]).powi(2) / l.exp()) / 12.0;
        }
        assert!((loss - expected).abs() < 1e-13);
        check(&[out, z], |a| negative_log_likelihood(&a[0], &a[1]).map_err(candle_core::Error::wrap));
    }

    #[test]
    fn log_variances_are_bounded_and_their_slope_is_1_at_0() {
        let raws = [-1e6, -30.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 4.0, 1e6];
        let tensor = candle_core::Tensor::new(&raws, &candle_core::Device::Cpu).unwrap();
        let of_tensor = bounded(&tensor).unwrap().to_vec1::<f64>().unwrap();
        for (raw, of_tensor) in raws.into_iter().zip(of_tensor) {
            let (l, slope) = log_variance(raw);
            assert!((-12.0..=3.0).contains(&l) && (l - of_tensor).abs() < 1e-12, "{raw}: {l} {of_tensor}");
            let h = 1e-5 * (1.0 + raw.abs());
            let difference = (log_variance(raw + h).0 - log_variance(raw - h).0) / (2.0 * h);
            assert!((slope - difference).abs() < 1e-8, "{raw}: {slope} {difference}");
        }
        assert_eq!(log_variance(0.0), (0.0, 1.0));
    }
}
