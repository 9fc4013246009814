//! What lies between a network F and a denoiser D at one noise level, as one value for loss and denoiser alike.
//!
//! For x_t = alpha z + sigma eps, D(x_t) = c_skip x_t + c_out (F(c_in x_t + k c; c_noise) - k' c), where c is the known
//! state that the network is given as well, in most objectives without weight, k = k' = 0. F is trained towards
//! F* = w (a z + b eps) + k' c, which is what makes D = z: c_skip x_t + c_out w (a z + b eps) = z whatever z and eps.
//! Most have c_noise = ln(s) / 4 with s = sigma / alpha (Karras et al. 2022).

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, s};
use scorecast_systems::Level;

use super::{Draws, RowDraws};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result, array};

/// The coefficients at one noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preconditioning {
    /// alpha and sigma.
    pub level: Level,
    /// c_skip.
    pub skip: f64,
    /// c_out.
    pub out: f64,
    /// c_in.
    pub input: f64,
    /// c_noise.
    pub feature: f64,
    /// w.
    pub weight: f64,
    /// (a, b).
    pub target: (f64, f64),
    /// (k, k').
    pub known: (f64, f64),
}

impl Preconditioning {
    /// c_noise = ln(s) / 4.
    pub fn logarithm(level: Level) -> f64 {
        level.relative().ln() / 4.0
    }

    /// c_in x_t + k c, of data `z`, noise `eps` and known state `c`.
    pub fn noised(&self, z: f64, eps: f64, c: f64) -> f64 {
        let own = self.input * (self.level.alpha * z + self.level.sigma * eps);
        if self.known.0 == 0.0 { own } else { own + self.known.0 * c }
    }

    /// F*, of data `z`, noise `eps` and known state `c`.
    pub fn wanted(&self, z: f64, eps: f64, c: f64) -> f64 {
        let (a, b) = self.target;
        let own = self.weight * (a * z + b * eps);
        if self.known.1 == 0.0 { own } else { own + self.known.1 * c }
    }

    /// c_in x_t + k c, `[member, component]` each; c may have earlier states behind it.
    pub fn network_input(&self, x_t: ArrayView2<f64>, c: ArrayView2<f64>) -> Array2<f64> {
        let (own, newest) = (&x_t * self.input, c.slice(s![.., ..x_t.ncols()]));
        if self.known.0 == 0.0 { own } else { own + &newest * self.known.0 }
    }

    /// D(x_t) from F, `[member, component]` each; c may have earlier states behind it.
    pub fn denoised(&self, x_t: ArrayView2<f64>, output: Array2<f64>, c: ArrayView2<f64>) -> Array2<f64> {
        let newest = c.slice(s![.., ..x_t.ncols()]);
        let output = if self.known.1 == 0.0 { output } else { output - &newest * self.known.1 };
        &x_t * self.skip + output * self.out
    }

    /// J^T v for J = dD/dx_t = c_skip + c_out c_in dF/dinput, where `through` is (dF/dinput)^T v, `[member, component]`
    /// each.
    pub fn pulled_back(&self, v: ArrayView2<f64>, through: Array2<f64>) -> Array2<f64> {
        &v * self.skip + through * (self.out * self.input)
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
        levels.push(p.feature);
        for c in 0..z.ncols() {
            let eps = row.stream.normal();
            input[[i, c]] = p.noised(z[[i, c]], eps, batch.states[[i, c]]);
            target[[i, c]] = p.wanted(z[[i, c]], eps, batch.states[[i, c]]);
        }
    }
    let input = network.input(&[input.view(), batch.states.view()])?;
    let target = array::interleave(&[target.view()], network.dtype())?;
    Ok(candle_nn::loss::mse(&network.forward(&input, Some(&levels))?, &target)?)
}
