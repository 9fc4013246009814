//! What training trajectories show of the climate: a sample of states, with mean and standard deviation.

use ndarray::{Array1, Array2, Array3, Axis};

use crate::systems::{Key, Purpose};

/// The climate of the training trajectories.
pub struct TrainingClimate {
    /// Training states, `[sample, component]`.
    pub states: Array2<f64>,
    /// Mean, `[component]`.
    pub mean: Array1<f64>,
    /// Standard deviation, `[component]`.
    pub sd: Array1<f64>,
}

/// Components that stand for all where each costs time, at most.
const PROBED: usize = 32;

impl TrainingClimate {
    /// From training trajectories, `[case, time, component]`.
    pub fn new(train: &Array3<f64>) -> Self {
        let (cases, times, dim) = train.dim();
        let states = train.to_shape((cases * times, dim)).map(|view| view.to_owned()).unwrap_or_default();
        let mean = states.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(dim));
        let sd = states.std_axis(Axis(0), 0.0);
        Self { states, mean, sd }
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
        let mut draws = Array2::zeros((members, self.states.ncols()));
        for (member, mut row) in draws.outer_iter_mut().enumerate() {
            let pick = key.purpose(Purpose::InitialState).stream(member as u64).below(self.states.nrows());
            row.assign(&self.states.row(pick));
        }
        draws
    }
}
