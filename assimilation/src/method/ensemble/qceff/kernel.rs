//! A density of normal kernels that has the mean and the variance of its members (West 1993).
//!
//! Centres m + sqrt(1 - b^2) (x_i - m), kernels of standard deviation b s, b = (4 / (3 N))^(1/5) (Silverman 1986). At a bound
//! kernels are reflected, so that the density of a law that piles up there does not fall off.

use super::bounds::Bounds;
use super::grid::Density;
use super::prior::Moments;

/// Log of how far below the largest kernel a kernel counts for nothing.
const NOTHING: f64 = 37.0;

/// Standard deviations of a kernel beyond the last centre at which a grid begins.
const REACH: f64 = 6.0;

/// Kernels around sorted centres.
#[derive(Default)]
pub(super) struct Kernels {
    /// Sorted; images behind the bounds are among them.
    centres: Vec<f64>,
    sd: f64,
}

impl Kernels {
    /// Of the members `x`.
    pub fn set(&mut self, x: &[f64], Moments { mean, sd }: Moments, bounds: Bounds) {
        let b = (4.0 / (3.0 * x.len() as f64)).powf(0.2);
        let shrink = (1.0 - b * b).sqrt();
        self.sd = b * sd;
        self.centres.clear();
        for x in x {
            let centre = mean + shrink * (x - mean);
            self.centres.push(centre);
            let images = [bounds.lower, bounds.upper].map(|bound| bound.map(|bound| 2.0 * bound - centre));
            self.centres.extend(images.into_iter().flatten());
        }
        self.centres.sort_unstable_by(f64::total_cmp);
    }
}

impl Density for Kernels {
    fn log(&self, x: f64) -> f64 {
        let per = 1.0 / self.sd;
        let at = self.centres.partition_point(|centre| *centre < x);
        let square = |centre: &f64| 0.5 * (per * (x - centre)) * (per * (x - centre));
        let nearest = self.centres[at.saturating_sub(1)..(at + 1).min(self.centres.len())]
            .iter()
            .map(square)
            .fold(f64::MAX, f64::min);
        let far = |distance: &f64| *distance - nearest < NOTHING;
        let above = self.centres[at..].iter().map(square).take_while(far);
        let below = self.centres[..at].iter().rev().map(square).take_while(far);
        let sum: f64 = above.chain(below).map(|distance| (nearest - distance).exp()).sum();
        sum.ln() - nearest
    }

    fn range(&self) -> (f64, f64) {
        let (first, last) = (self.centres.first(), self.centres.last());
        let reach = REACH * self.sd;
        (first.map_or(0.0, |first| first - reach), last.map_or(0.0, |last| last + reach))
    }
}
