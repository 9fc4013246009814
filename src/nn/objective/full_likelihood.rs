//! `full_likelihood`: the network gives m, l and a of z ~ N(m, C) with any covariance C, told by what the residuals
//! e = z - m of the components before one say of its own (Pourahmadi 1999):
//!
//! e_i = sum_f a_{i,f} e_{i-f} + exp(l_i / 2) xi_i with f = 1, ..., i and xi ~ N(0, I).
//!
//! With T unit lower-triangular and -a_{i,f} in row i and column i - f, C^-1 = T^T diag(exp(-l)) T and log det C = sum l, so
//! that L = T^-1 diag(exp(l/2)) is the lower-triangular factor of C, and the loss, the mean of
//! (l + (e_i - sum_f a_{i,f} e_{i-f})^2 exp(-l)) / 2, solves nothing. Of states of n components the network gives n + 1 fields
//! for each, a loss costs n^2 a pair, and those of a component before the first are not looked at. They are counted by how far
//! back they look, so that a convolution gives the same field for the same distance.

use candle_core::{DType, Device, Result as TensorResult, Tensor};
use scorecast_systems::{Entry, Settings};

use super::likelihood::of_moments;
use super::training::given_states;
use super::{Draws, Fields, LIKELIHOOD_FIELDS, Objective, ObjectiveBuild};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "full_likelihood",
    about: "negative log-likelihood of a normal increment with any covariance",
    reference: "Pourahmadi (1999)",
    params: &[],
    build: ObjectiveBuild { fields: |_, components| fields(components), make, preconditioning: None },
};

/// What the network of such a law of `components` takes and gives.
pub const fn fields(components: usize) -> Fields {
    Fields { outputs: components.saturating_add(1), ..LIKELIHOOD_FIELDS }
}

struct Full;

fn make(_settings: &Settings) -> Box<dyn Objective> {
    Box::new(Full)
}

impl Objective for Full {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let (out, z) = given_states(network, batch)?;
        negative_log_likelihood(&out, &z)
    }
}

/// (l + (e_i - sum_f a_{i,f} e_{i-f})^2 exp(-l)) / 2, its mean: `out` is `[row, component, (m, raw, a)]`, `z` is
/// `[row, component, 1]`.
fn negative_log_likelihood(out: &Tensor, z: &Tensor) -> Result<Tensor> {
    let before = out.dim(1)? - 1;
    let (mean, raw) = (out.narrow(2, 0, 1)?, out.narrow(2, 1, 1)?);
    if before == 0 {
        return of_moments(&mean, &raw, z);
    }
    let said = (out.narrow(2, 2, before)? * residuals_before(&(z - &mean)?)?)?.sum_keepdim(2)?;
    of_moments(&(mean + said)?, &raw, z)
}

/// e_{i-f}, `[row, component i, f - 1]`, of residuals `[row, component, 1]`; 0 before the first component.
fn residuals_before(e: &Tensor) -> TensorResult<Tensor> {
    let (rows, n, _) = e.dims3()?;
    let none = Tensor::zeros((rows, n - 1), e.dtype(), e.device())?;
    let padded = Tensor::cat(&[&none, &e.reshape((rows, n))?], 1)?;
    let at: Vec<u32> = (0..n).flat_map(|i| (1..n).map(move |f| (n - 1 + i - f) as u32)).collect();
    let at = Tensor::from_vec(at, n * (n - 1), &Device::Cpu)?.to_dtype(DType::U32)?;
    padded.index_select(&at, 1)?.reshape((rows, n, n - 1))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::nn::objective::log_variance;
    use crate::nn::objective::low_rank_likelihood::tests::of_matrix;
    use crate::nn::ops::differences::{check, normals};

    #[test]
    fn the_loss_is_that_of_the_factor_and_its_gradient_agrees_with_finite_differences() {
        for n in [1, 2, 5] {
            let (out, z) = (normals(1, &[3, n, n + 1]), normals(2, &[3, n, 1]));
            let loss = negative_log_likelihood(&out, &z).unwrap().to_scalar::<f64>().unwrap();
            let (rows, zs) = (out.to_vec3::<f64>().unwrap(), z.to_vec3::<f64>().unwrap());
            let mut expected = 0.0;
            for (out, z) in rows.iter().zip(&zs) {
                let e: Array1<f64> = (0..n).map(|i| z[i][0] - out[i][0]).collect();
                // column j of L: what xi_j = 1 alone makes of the residuals, one after the other
                let mut factor = Array2::<f64>::zeros((n, n));
                for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let own = if i == j { (0.5 * log_variance(out[i][1]).0).exp() } else { 0.0 };
                    factor[[i, j]] = own + (1..=i).map(|f| out[i][1 + f] * factor[[i - f, j]]).sum::<f64>();
                }
                expected += of_matrix(&e, &factor.dot(&factor.t())) / (2.0 * 3.0 * n as f64);
            }
            assert!((loss - expected).abs() < 1e-9 * expected.abs().max(1.0), "{n}: {loss} {expected}");
            check(&[out, z], |a| negative_log_likelihood(&a[0], &a[1]).map_err(candle_core::Error::wrap));
        }
    }
}
