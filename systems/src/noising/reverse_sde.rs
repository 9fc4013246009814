//! The reverse stochastic equation, SDE-DPM-Solver++(2M) (Lu et al. 2022): each step draws from the Gaussian kernel
//! N(D* + k (x - D*), sigma'^2 (1 - k)), k = (sigma' / sigma)^2, which is p(x' | x, x_0 = D*). With D* = D that is
//! ancestral sampling (Ho et al. 2020), of first order: for unit-Gaussian data its sd is still 2 % short after 200 steps.
//! D* extrapolated from the last two evaluations makes the mean of second order. The last step, to sigma = 0, is x' = D.

use ndarray::{Array2, ArrayView2};

use super::dpm_solver_2m::History;
use super::{Denoiser, Level};
use crate::key::Stream;
use crate::law::Result;

/// The Gaussian kernel of one stochastic step, for whoever weights paths: guided and unguided paths of the same levels
/// share `variance` and differ in D* only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// k = (sigma' / sigma)^2: the share of x - D* that stays.
    pub keep: f64,
    /// The variance of each component, sigma'^2 (1 - k).
    pub variance: f64,
}

impl Transition {
    /// From level `sigma` down to level `next`.
    pub fn new(sigma: f64, next: f64) -> Self {
        let keep = (next / sigma).powi(2);
        Self { keep, variance: next * next * (1.0 - keep) }
    }

    /// D* + k (x - D*), `[member, component]`.
    pub fn mean(&self, x: ArrayView2<f64>, denoised: ArrayView2<f64>) -> Array2<f64> {
        &denoised + &((&x - &denoised) * self.keep)
    }
}

/// From noise `x` at the first level to data at the last; `streams` has one stream a member.
pub(super) fn sample(
    denoiser: &dyn Denoiser,
    levels: &[f64],
    mut x: Array2<f64>,
    streams: &mut [Stream],
) -> Result<Array2<f64>> {
    let mut history = History::default();
    for pair in levels.windows(2) {
        let (sigma, next) = (pair[0], pair[1]);
        let denoised = denoiser.denoise(x.view(), Level::exploding(sigma))?;
        if next == 0.0 {
            return Ok(denoised);
        }
        let transition = Transition::new(sigma, next);
        let ahead = history.extrapolate(denoised, (sigma / next).ln());
        x = transition.mean(x.view(), ahead.view());
        let sd = transition.variance.sqrt();
        for (mut row, stream) in x.outer_iter_mut().zip(streams.iter_mut()) {
            row.iter_mut().for_each(|value| *value += sd * stream.normal());
        }
    }
    Ok(x)
}
