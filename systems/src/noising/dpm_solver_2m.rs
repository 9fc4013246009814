//! DPM-Solver++(2M) (Lu et al. 2022): the probability-flow equation in lambda = -log sigma, where
//! x' = (sigma'/sigma) x + (1 - e^{-h}) D* with h = log(sigma / sigma') is exact for a constant D*; D* is extrapolated
//! from the last two evaluations, D* = D + h / (2 h_last) (D - D_last). One evaluation a step; the last step, to
//! sigma = 0, is x' = D.

use ndarray::Array2;

use super::sampler::enter;
use super::{Denoiser, Level};
use crate::law::Result;

/// From noise `x` at the first level to data at the last.
pub(super) fn sample(denoiser: &dyn Denoiser, levels: &[f64], mut x: Array2<f64>) -> Result<Array2<f64>> {
    let mut history = History::default();
    for pair in levels.windows(2) {
        let (sigma, next) = (pair[0], pair[1]);
        let denoised = denoiser.denoise(x.view(), Level::exploding(sigma))?;
        if history.last.is_none() {
            enter(&mut x, &denoised);
        }
        if next == 0.0 {
            return Ok(denoised);
        }
        let keep = next / sigma;
        x = x * keep + history.extrapolate(denoised, (sigma / next).ln()) * (1.0 - keep);
    }
    Ok(x)
}

/// The last evaluation and the step in lambda that followed it.
#[derive(Default)]
pub(super) struct History {
    last: Option<(Array2<f64>, f64)>,
}

impl History {
    /// D* for a step of `h` from D, which is remembered for the next step.
    pub(super) fn extrapolate(&mut self, denoised: Array2<f64>, h: f64) -> Array2<f64> {
        let ahead = match &self.last {
            Some((last, h_last)) => &denoised + &((&denoised - last) * (0.5 * h / h_last)),
            None => denoised.clone(),
        };
        self.last = Some((denoised, h));
        ahead
    }
}
