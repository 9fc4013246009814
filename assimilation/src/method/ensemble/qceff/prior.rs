//! The law that is made of the members of one number, and the map of quantiles to its product with a likelihood.

use super::bounds::Bounds;
use super::grid::{Density, Grid};
use super::kernel::Kernels;
use super::rank_histogram::RankHistogram;
use super::reading::LinearReading;

/// The law that is made of the members of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarginalPrior {
    /// The normal law of their mean and variance, cut off at the bounds.
    Normal,
    /// A density of normal kernels around members that are shrunk towards their mean.
    Kernel,
    /// Equal mass between neighbouring members, normal tails (Anderson 2010).
    RankHistogram,
}

impl MarginalPrior {
    /// The words of the setting `prior`.
    pub const WORDS: &'static [&'static str] = &["normal", "kernel", "rank_histogram"];

    /// The law of a word of [`MarginalPrior::WORDS`].
    pub fn named(word: &str) -> Self {
        match word {
            "normal" => Self::Normal,
            "rank_histogram" => Self::RankHistogram,
            _ => Self::Kernel,
        }
    }
}

/// The mean and the standard deviation of members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub mean: f64,
    pub sd: f64,
}

impl Moments {
    fn of(x: &[f64]) -> Self {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let squares: f64 = x.iter().map(|x| (x - mean) * (x - mean)).sum();
        Self { mean, sd: (squares / (x.len() as f64 - 1.0)).sqrt() }
    }
}

/// The normal law.
struct Normal(Moments);

impl Density for Normal {
    fn log(&self, x: f64) -> f64 {
        let z = (x - self.0.mean) / self.0.sd;
        -0.5 * z * z
    }

    fn range(&self) -> (f64, f64) {
        (self.0.mean - 8.0 * self.0.sd, self.0.mean + 8.0 * self.0.sd)
    }
}

/// Moves members by their quantiles: the room of it, which serves one number after the other.
#[derive(Default)]
pub(crate) struct QuantileMap {
    grid: Grid,
    kernels: Kernels,
    histogram: RankHistogram,
}

impl QuantileMap {
    /// Writes to `moved` where the members `x` of one number go when the law that `prior` makes of them within `bounds` is
    /// multiplied by the likelihood, `linear` where that is one of a linear value. They stay where they are if they do not
    /// differ, or the likelihood is 0 or the same everywhere.
    pub fn map(
        &mut self,
        (prior, bounds): (MarginalPrior, Bounds),
        x: &[f64],
        log_likelihood: impl Fn(f64) -> f64,
        linear: Option<LinearReading>,
        moved: &mut [f64],
    ) {
        moved.copy_from_slice(x);
        let moments = Moments::of(x);
        if moments.sd == 0.0 || !moments.sd.is_finite() {
            return;
        }
        match (prior, linear) {
            (MarginalPrior::Normal, Some(linear)) if bounds == Bounds::default() => adjust(moments, &linear, moved),
            (MarginalPrior::Normal, _) => self.grid.map(&Normal(moments), bounds, x, log_likelihood, moved),
            (MarginalPrior::Kernel, _) => {
                self.kernels.set(x, moments, bounds);
                self.grid.map(&self.kernels, bounds, x, log_likelihood, moved);
            }
            (MarginalPrior::RankHistogram, _) => {
                self.histogram.map(moments.sd, bounds, x, log_likelihood, moved);
            }
        }
    }
}

/// The map between two normal laws, which is linear (Anderson 2001).
fn adjust(Moments { mean, sd }: Moments, linear: &LinearReading, x: &mut [f64]) {
    let &LinearReading { value, slope, variance } = linear;
    let s = slope * slope * sd * sd;
    let gain = sd * sd * slope / (s + variance);
    let (centre, shrink) = (mean + gain * (value - slope * mean), (variance / (s + variance)).sqrt());
    x.iter_mut().for_each(|x| *x = centre + shrink * (*x - mean));
}
