//! The probability-flow equation dx/dsigma = (x - D(x, sigma)) / sigma with Heun's rule (Karras et al. 2022, algorithm
//! 1): two evaluations a step, one in the last, which goes to sigma = 0.

use ndarray::Array2;

use super::sampler::enter;
use super::{Denoiser, Level};
use crate::law::Result;

/// From noise `x` at the first level to data at the last.
pub(super) fn sample(denoiser: &dyn Denoiser, levels: &[f64], mut x: Array2<f64>) -> Result<Array2<f64>> {
    for (step, pair) in levels.windows(2).enumerate() {
        let (sigma, next) = (pair[0], pair[1]);
        let denoised = denoiser.denoise(x.view(), Level::exploding(sigma))?;
        if step == 0 {
            enter(&mut x, &denoised);
        }
        if next == 0.0 {
            return Ok(denoised);
        }
        let slope = (&x - &denoised) / sigma;
        let ahead = &x + &(&slope * (next - sigma));
        let slope_ahead = (&ahead - &denoiser.denoise(ahead.view(), Level::exploding(next))?) / next;
        x = x + (slope + slope_ahead) * (0.5 * (next - sigma));
    }
    Ok(x)
}
