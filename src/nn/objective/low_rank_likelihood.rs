//! `low_rank_likelihood`: for each component the network gives m, l and a row of W, of z ~ N(m, C) with
//! C = diag(exp(l)) + W W^T and r columns of W, trained by the mean of (log det C + (z - m)^T C^-1 (z - m)) / (2 n).
//!
//! With u = exp(-l/2) (z - m), V = exp(-l/2) W and M = I + V^T V, log det C = sum l + log det M (Sylvester), and
//! (z - m)^T C^-1 (z - m) = min_b ‖u - V b‖^2 + ‖b‖^2 (Woodbury 1950), taken at b = M^-1 V^T u. That is a sum of squares:
//! in single precision u^T u - u^T V b loses all its digits where W is large beside exp(l/2). M is r x r, its pivots are at
//! least 1, and it is eliminated without pivoting. The sum is least at b, so that nothing flows back through b.
//!
//! W = 0 is a saddle, where the gradient with respect to W is 0. So column j of W is what the network gives plus .1 / (j + 1):
//! one number for all components, which the bias of a network can take away again wherever they lie.

use candle_core::{Result as TensorResult, Tensor};
use scorecast_systems::{Entry, Param, Settings};

use super::likelihood::bounded;
use super::training::given_states;
use super::{Draws, Fields, LIKELIHOOD_FIELDS, Objective, ObjectiveBuild};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result};

/// The setting of r.
pub const RANK: Param =
    Param::int("rank", 2, 1, "columns of W in the covariance diag(v) + W W^T, where that is low_rank").up_to(32);

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "low_rank_likelihood",
    about: "negative log-likelihood of a normal increment whose components share a few directions",
    reference: "Woodbury (1950); Nix and Weigend (1994)",
    params: &[RANK],
    build: ObjectiveBuild { fields: |settings, _| fields(settings.count(RANK.key)), make, preconditioning: None },
};

/// Where the columns of W start.
const START: f64 = 0.1;

/// What the network of such a law takes and gives.
pub const fn fields(rank: usize) -> Fields {
    Fields { outputs: 2 + rank, ..LIKELIHOOD_FIELDS }
}

/// What is added to what the network gives for column `j` of W.
pub fn start(j: usize) -> f64 {
    START / (j + 1) as f64
}

struct LowRank;

fn make(_settings: &Settings) -> Box<dyn Objective> {
    Box::new(LowRank)
}

impl Objective for LowRank {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let (out, z) = given_states(network, batch)?;
        Ok(negative_log_likelihood(&out, &z)?)
    }
}

/// (log det C + (z - m)^T C^-1 (z - m)) / (2 n), its mean: `out` is `[row, component, (m, raw, W)]`, `z` is
/// `[row, component, 1]`.
fn negative_log_likelihood(out: &Tensor, z: &Tensor) -> TensorResult<Tensor> {
    let (_, n, outputs) = out.dims3()?;
    let starts: Vec<f64> = (0..outputs - 2).map(start).collect();
    let starts = Tensor::from_vec(starts, (1, 1, outputs - 2), out.device())?.to_dtype(out.dtype())?;
    let factor = out.narrow(2, 2, outputs - 2)?.broadcast_add(&starts)?;
    let deviance = deviance(&(z - out.narrow(2, 0, 1)?)?, &bounded(&out.narrow(2, 1, 1)?)?, &factor)?;
    deviance.mean_all()? * (0.5 / n as f64)
}

/// log det C + e^T C^-1 e, `[row, 1, 1]`, of C = diag(exp(l)) + W W^T: `e` and `l` are `[row, component, 1]`, W is
/// `[row, component, direction]`.
///
/// # Errors
/// When Candle fails.
pub(super) fn deviance(e: &Tensor, l: &Tensor, factor: &Tensor) -> TensorResult<Tensor> {
    let inverse_sd = (l * -0.5)?.exp()?;
    let (u, v) = ((e * &inverse_sd)?, factor.broadcast_mul(&inverse_sd)?);
    let transposed = v.transpose(1, 2)?.contiguous()?;
    let identity = Tensor::eye(v.dim(2)?, v.dtype(), v.device())?;
    let (log_det, b) = eliminate(&transposed.matmul(&v)?.broadcast_add(&identity)?, &transposed.matmul(&u)?)?;
    let b = b.detach();
    let outside = (u - v.matmul(&b)?)?;
    let squares = (outside.sqr()?.sum_keepdim(1)? + b.sqr()?.sum_keepdim(1)?)?;
    l.sum_keepdim(1)? + log_det + squares
}

/// log det M, `[row, 1, 1]`, and M^-1 c, for symmetric `m` `[row, r, r]` with pivots of at least 1, and `c` `[row, r, 1]`.
fn eliminate(m: &Tensor, c: &Tensor) -> TensorResult<(Tensor, Tensor)> {
    let r = m.dim(1)?;
    let (pivot, first) = (m.narrow(1, 0, 1)?.narrow(2, 0, 1)?, c.narrow(1, 0, 1)?);
    if r == 1 {
        return Ok((pivot.log()?, (first / pivot)?));
    }
    let column = m.narrow(1, 1, r - 1)?.narrow(2, 0, 1)?;
    let ratio = column.broadcast_div(&pivot)?;
    let below = (m.narrow(1, 1, r - 1)?.narrow(2, 1, r - 1)? - ratio.broadcast_mul(&column.transpose(1, 2)?)?)?;
    let (log_det, rest) = eliminate(&below, &(c.narrow(1, 1, r - 1)? - ratio.broadcast_mul(&first)?)?)?;
    let solved = ((first - (column * &rest)?.sum_keepdim(1)?)? / &pivot)?;
    Ok(((log_det + pivot.log()?)?, Tensor::cat(&[&solved, &rest], 1)?))
}

#[cfg(test)]
pub(super) mod tests {
    use candle_core::Device;
    use ndarray::{Array1, Array2, Axis};
    use scorecast_systems::gaussian::SymmetricEigen;

    use super::*;
    use crate::nn::objective::log_variance;
    use crate::nn::ops::differences::{check, normals};

    /// log det C + e^T C^-1 e of a matrix C.
    pub fn of_matrix(e: &Array1<f64>, c: &Array2<f64>) -> f64 {
        let eigen = SymmetricEigen::new(c.view()).unwrap();
        let rotated = e.dot(&eigen.vectors);
        eigen.values.mapv(f64::ln).sum() + (&rotated * &rotated / eigen.values).sum()
    }

    /// diag(`variances`) + W W^T.
    fn covariance(variances: &[f64], factor: &[Vec<f64>]) -> Array2<f64> {
        let dot = |i: usize, j: usize| factor[i].iter().zip(&factor[j]).map(|(a, b)| a * b).sum::<f64>();
        let n = variances.len();
        Array2::from_shape_fn((n, n), |(i, j)| dot(i, j) + if i == j { variances[i] } else { 0.0 })
    }

    #[test]
    fn the_loss_is_that_of_the_whole_covariance_and_its_gradient_agrees_with_finite_differences() {
        for rank in [1, 2, 4, 7] {
            let (out, z) = (normals(1, &[3, 5, 2 + rank]), normals(2, &[3, 5, 1]));
            let loss = negative_log_likelihood(&out, &z).unwrap().to_scalar::<f64>().unwrap();
            let (rows, zs) = (out.to_vec3::<f64>().unwrap(), z.to_vec3::<f64>().unwrap());
            let mut expected = 0.0;
            for (out, z) in rows.iter().zip(&zs) {
                let e: Array1<f64> = out.iter().zip(z).map(|(out, z)| z[0] - out[0]).collect();
                let variances: Vec<f64> = out.iter().map(|out| log_variance(out[1]).0.exp()).collect();
                let factor: Vec<Vec<f64>> =
                    out.iter().map(|out| out[2..].iter().enumerate().map(|(j, w)| w + start(j)).collect()).collect();
                expected += of_matrix(&e, &covariance(&variances, &factor)) / 30.0;
            }
            assert!((loss - expected).abs() < 1e-12 * expected.abs().max(1.0), "{rank}: {loss} {expected}");
            check(&[out, z], |a| negative_log_likelihood(&a[0], &a[1]));
        }
    }

    #[test]
    fn single_precision_keeps_its_digits_where_directions_are_large_beside_the_noise() {
        // along the direction C is 1, elsewhere 1e-5: e^T C^-1 e is a difference of terms of 4e5 in the usual form
        let (n, l) = (4, -11.5f64);
        let factor = [0.5, -0.5, 0.5, 0.5];
        let sd = (0.5 * l).exp();
        let e: Vec<f64> = (0..n).map(|i| 1.3 * factor[i] + sd * [0.3, -1.1, 0.7, 0.2][i]).collect();
        let rows: Vec<Vec<f64>> = factor.iter().map(|w| vec![*w]).collect();
        let expected = of_matrix(&Array1::from(e.clone()), &covariance(&[l.exp(); 4], &rows));
        let single = |values: &[f64]| {
            let values = values.iter().map(|value| *value as f32).collect();
            Tensor::from_vec(values, (1, n, 1), &Device::Cpu).unwrap()
        };
        let found = deviance(&single(&e), &single(&[l; 4]), &single(&factor)).unwrap();
        let found = f64::from(found.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]);
        // e is rounded to 2^-24 of its size, which is 1e-5 of the sd of the noise
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }

    #[test]
    fn directions_leave_the_start() {
        // on the whole, z has the directions (1, -1, 0) and (0, 1, -1), across from where both columns start
        let values: Vec<f64> = normals(5, &[1, 512, 2]).flatten_all().unwrap().to_vec1().unwrap();
        let z: Vec<f64> = values.chunks(2).flat_map(|p| [p[0], 0.8 * p[1] - p[0], -0.8 * p[1]]).collect();
        let noise: Vec<f64> = normals(6, &[1, 512, 3]).flatten_all().unwrap().to_vec1().unwrap();
        let z: Vec<f64> = z.iter().zip(noise).map(|(z, e)| z + 0.1 * e).collect();
        let z = Tensor::from_vec(z, (512, 3, 1), &Device::Cpu).unwrap();
        let (mut values, mut adam) = (vec![0.0; 12], [vec![0.0; 12], vec![0.0; 12]]);
        let mut loss = f64::INFINITY;
        for step in 1..=1500 {
            let out = candle_core::Var::from_vec(values.clone(), (1, 3, 4), &Device::Cpu).unwrap();
            let each = out.as_tensor().broadcast_as((512, 3, 4)).unwrap();
            let found = negative_log_likelihood(&each, &z).unwrap();
            loss = found.to_scalar::<f64>().unwrap();
            let gradients = found.backward().unwrap();
            let gradient: Vec<f64> = gradients.get(&out).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            for i in 0..12 {
                adam[0][i] = 0.9 * adam[0][i] + 0.1 * gradient[i];
                adam[1][i] = 0.999 * adam[1][i] + 0.001 * gradient[i] * gradient[i];
                let rate = 0.01 * (1.0 - 0.999f64.powi(step)).sqrt() / (1.0 - 0.9f64.powi(step));
                values[i] -= rate * adam[0][i] / (adam[1][i].sqrt() + 1e-12);
            }
        }
        // the least loss of all covariances is that of the empirical one: log det + n, over 2 n
        let z = Array2::from_shape_vec((512, 3), z.flatten_all().unwrap().to_vec1::<f64>().unwrap()).unwrap();
        let centred = &z - &z.mean_axis(Axis(0)).unwrap();
        let least = (of_matrix(&Array1::zeros(3), &(centred.t().dot(&centred) / 512.0)) + 3.0) / 6.0;
        // a covariance of rank 2 on a free diagonal has 9 numbers for the 6 of any covariance
        assert!(loss - least < 1e-3, "{loss} {least}");
    }
}
