//! Numbers of a level, where levels may differ by frame.

use ndarray::Array1;
use scorecast_systems::Level;

/// A number of the level of each component's frame, `[component]`.
pub(super) fn by_frame(levels: &[Level], dim: usize, of_level: impl Fn(Level) -> f64) -> Array1<f64> {
    levels.iter().flat_map(|level| vec![of_level(*level); dim / levels.len()]).collect()
}

/// sigma^2 / alpha.
#[derive(Clone)]
pub(super) struct Spread {
    /// The spread of the noisiest frame.
    pub largest: f64,
    /// Of each component its frame's share of it, `[component]`, where they differ.
    pub shares: Option<Array1<f64>>,
}

impl Spread {
    pub fn new(levels: &[Level], dim: usize) -> Self {
        let spread = |level: Level| level.sigma * level.sigma / level.alpha;
        let largest = levels.iter().fold(0.0, |largest: f64, level| largest.max(spread(*level)));
        let differ = levels.iter().any(|level| spread(*level) != largest);
        Self { largest, shares: differ.then(|| by_frame(levels, dim, |level| spread(level) / largest)) }
    }
}
