//! What lies between a network F and a denoiser D at one noise level, as one value for loss and denoiser alike.
//!
//! x_t = alpha z + sigma eps is y = z + s eps in units of the data: y = x_t / alpha, s = sigma / alpha. Then
//! D(x_t) = c_skip y + c_out F(c_in y; c_noise) with c_noise = ln(s) / 4 (Karras et al. 2022), and F is trained towards
//! F* = c_in (a z + b eps), which is what makes D = z: c_skip y + c_out F* = z whatever z and eps.

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2};
use scorecast_systems::Level;

use super::{Draws, RowDraws};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result, array};

/// The coefficients at one noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preconditioning {
    /// alpha.
    pub alpha: f64,
    /// s = sigma / alpha.
    pub relative: f64,
    /// c_skip.
    pub skip: f64,
    /// c_out.
    pub out: f64,
    /// c_in.
    pub input: f64,
    /// (a, b).
    pub target: (f64, f64),
}

impl Preconditioning {
    /// c_noise.
    pub fn noise_feature(&self) -> f64 {
        self.relative.ln() / 4.0
    }

    /// c_in y, of data `z` and noise `eps`.
    pub fn noised(&self, z: f64, eps: f64) -> f64 {
        self.input * (z + self.relative * eps)
    }

    /// F*, of data `z` and noise `eps`.
    pub fn wanted(&self, z: f64, eps: f64) -> f64 {
        let (a, b) = self.target;
        self.input * (a * z + b * eps)
    }

    /// c_in y, of x_t `[member, component]`.
    pub fn network_input(&self, x_t: ArrayView2<f64>) -> Array2<f64> {
        &x_t * (self.input / self.alpha)
    }

    /// D(x_t) from F, `[member, component]` each.
    pub fn denoised(&self, x_t: ArrayView2<f64>, output: Array2<f64>) -> Array2<f64> {
        &x_t * (self.skip / self.alpha) + output * self.out
    }

    /// J^T v for J = dD/dx_t = (c_skip + c_out c_in dF/dinput) / alpha, where `through` is (dF/dinput)^T v,
    /// `[member, component]` each.
    pub fn pulled_back(&self, v: ArrayView2<f64>, through: Array2<f64>) -> Array2<f64> {
        (&v * self.skip + through * (self.out * self.input)) / self.alpha
    }
}

/// The mean of (F - F*)^2 over some steps: each row draws its level s with `level`, and then its noise.
pub(super) fn squared_error(
    network: &dyn NeuralNetwork,
    batch: &Batch,
    draws: Draws,
    preconditioning: fn(Level) -> Preconditioning,
    level: impl Fn(&mut RowDraws) -> f64,
) -> Result<Tensor> {
    let z = &batch.increments;
    let (mut input, mut target) = (Array2::zeros(z.dim()), Array2::zeros(z.dim()));
    let mut levels = Vec::with_capacity(z.nrows());
    for i in 0..z.nrows() {
        let mut row = draws.row(i);
        let p = preconditioning(Level::exploding(level(&mut row)));
        levels.push(p.noise_feature());
        for c in 0..z.ncols() {
            let eps = row.stream.normal();
            input[[i, c]] = p.noised(z[[i, c]], eps);
            target[[i, c]] = p.wanted(z[[i, c]], eps);
        }
    }
    let input = array::interleave(&[input.view(), batch.states.view()], network.dtype())?;
    let target = array::interleave(&[target.view()], network.dtype())?;
    Ok(candle_nn::loss::mse(&network.forward(&input, Some(&levels))?, &target)?)
}
