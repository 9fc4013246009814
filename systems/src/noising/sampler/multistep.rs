//! D extrapolated from the last two evaluations, D* = D + h / (2 h_last) (D - D_last), where h is a step in
//! lambda = ln(alpha / sigma) (Lu et al. 2022).

use ndarray::{Array2, ArrayView2};

use super::{Past, Step};
use crate::noising::Level;

/// ln((sigma / alpha) / (sigma' / alpha')).
fn length(from: Level, to: Level) -> f64 {
    ((from.sigma * to.alpha) / (to.sigma * from.alpha)).ln()
}

/// D*; none before there are two evaluations.
pub(super) fn extrapolate(step: &Step, denoised: ArrayView2<f64>, past: &[Past]) -> Option<Array2<f64>> {
    let last = past.first()?;
    let mut frame = last.at.iter();
    Some(step.each(denoised, last.denoised, |from, to| {
        let h_last = frame.next().map_or(0.0, |last| length(*last, from));
        let share = 0.5 * length(from, to) / h_last;
        // a frame that has rested, or starts, has nothing to go on from
        let share = if share.is_finite() { share } else { 0.0 };
        move |d, last| d + (d - last) * share
    }))
}
