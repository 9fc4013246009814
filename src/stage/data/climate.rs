//! What training trajectories show of the climate: a sample of states, with mean and standard deviation.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::store::States;
use crate::systems::{Key, Purpose};

/// The climate of the training trajectories.
pub struct TrainingClimate {
    /// The trajectories.
    train: States,
    /// Mean, `[component]`.
    pub mean: Array1<f64>,
    /// Standard deviation, `[component]`.
    pub sd: Array1<f64>,
}

/// Components that stand for all where each costs time, at most.
const PROBED: usize = 32;

impl TrainingClimate {
    /// From training trajectories.
    pub fn new(train: &States) -> Self {
        let states = side_by_side(train);
        let mean = states.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(states.ncols()));
        let sd = states.std_axis(Axis(0), 0.0);
        Self { train: train.clone(), mean, sd }
    }

    /// Training states, `[sample, component]`.
    pub fn states(&self) -> ArrayView2<'_, f64> {
        side_by_side(&self.train)
    }

    /// The standard deviation of a state, root mean square over components.
    pub fn scale(&self) -> f64 {
        self.sd.mapv(|sd| sd * sd).mean().unwrap_or(f64::NAN).sqrt()
    }

    /// Components that stand for all where each costs time: at most 32, evenly spaced, that vary.
    pub fn probed(&self) -> Vec<usize> {
        let dim = self.sd.len();
        (0..dim).step_by(dim.div_ceil(PROBED).max(1)).filter(|&j| self.sd[j] > 0.0).collect()
    }

    /// Independent states of the climate, `[member, component]`: training states drawn without regard to time.
    pub fn draws(&self, members: usize, key: Key) -> Array2<f64> {
        let states = self.states();
        let mut draws = Array2::zeros((members, states.ncols()));
        for (member, mut row) in draws.outer_iter_mut().enumerate() {
            let pick = key.purpose(Purpose::InitialState).stream(member as u64).below(states.nrows());
            row.assign(&states.row(pick));
        }
        draws
    }
}

/// All states of trajectories, `[sample, component]`.
fn side_by_side(states: &States) -> ArrayView2<'_, f64> {
    let (cases, times, dim) = states.dim();
    match states.view().into_shape_with_order((cases * times, dim)) {
        Ok(states) => states,
        Err(error) => unreachable!("states of trajectories lie one after the other: {error}"),
    }
}
