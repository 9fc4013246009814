//! States with those before them, as a forecaster with a history takes them: x_k, x_{k-1}, ... side by side, the newest
//! first.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayView3, Axis, s};

use crate::nn::windows::{Windows, evenly};

/// The state at a time of a trajectory, `[time, component]`, with the `history` - 1 states before it.
pub fn state_at(trajectory: ArrayView2<f64>, time: usize, history: usize) -> Array1<f64> {
    let dim = trajectory.ncols();
    let mut state = Array1::zeros(history * dim);
    for (back, mut part) in state.axis_chunks_iter_mut(Axis(0), dim).enumerate() {
        part.assign(&trajectory.row(time - back));
    }
    state
}

/// The most states whose pasts are looked through.
const MOST: usize = 4096;

/// What came before the states of training trajectories: the past of a state that has none of its own is taken from the
/// nearest of these.
pub struct Pasts {
    /// States with those before them, `[state, component]`.
    states: Array2<f64>,
    /// The standard deviation of a component, `[component]`.
    sd: Array1<f64>,
    /// How many states they are.
    history: usize,
}

impl Pasts {
    /// From trajectories `[case, time, component]` of this standard deviation, at most 4096 evenly spaced states of them; none
    /// where no trajectory is as long as the history, or has no missing values.
    pub fn new(trajectories: ArrayView3<f64>, sd: &Array1<f64>, history: usize) -> Option<Self> {
        let windows = Windows::new(trajectories, history, 1);
        let count = windows.len().min(MOST);
        let mut states = Array2::zeros((count, history * windows.dim()));
        for (row, mut state) in evenly(windows.len(), count).zip(states.outer_iter_mut()) {
            state.assign(&state_at(windows.get(row), history - 1, history));
        }
        (count > 0).then(|| Self { states, sd: sd.mapv(|sd| if sd > 0.0 { sd } else { 1.0 }), history })
    }

    /// States `[member, component]` with `history` - 1 states before each: those before the nearest training state (in units of
    /// the standard deviation), all moved by what the state is away from it.
    pub fn behind(&self, x: ArrayView2<f64>, history: usize) -> Array2<f64> {
        assert!(history <= self.history, "no more states than are known");
        let dim = x.ncols();
        let mut out = Array2::zeros((x.nrows(), history * dim));
        for (state, mut whole) in x.outer_iter().zip(out.outer_iter_mut()) {
            let nearest = self.states.row(self.nearest(state));
            let away = &state - &nearest.slice(s![..dim]);
            for (mut part, past) in whole.axis_chunks_iter_mut(Axis(0), dim).zip(nearest.axis_chunks_iter(Axis(0), dim))
            {
                part.assign(&(&past + &away));
            }
        }
        out
    }

    fn nearest(&self, state: ArrayView1<f64>) -> usize {
        let distance = |row: ArrayView1<f64>| -> f64 {
            row.iter().zip(&state).zip(&self.sd).map(|((a, b), sd)| ((a - b) / sd).powi(2)).sum()
        };
        let first = |best: (usize, f64), (at, found): (usize, f64)| if found < best.1 { (at, found) } else { best };
        self.states.outer_iter().map(distance).enumerate().fold((0, f64::INFINITY), first).0
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;

    #[test]
    fn the_newest_state_is_first() {
        let trajectory = array![[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]];
        assert_eq!(state_at(trajectory.view(), 2, 3).to_vec(), [2.0, 12.0, 1.0, 11.0, 0.0, 10.0]);
        assert_eq!(state_at(trajectory.view(), 1, 1).to_vec(), [1.0, 11.0]);
    }

    #[test]
    fn a_past_is_that_of_the_nearest_state_moved_along() {
        // x_t = t^2 in two trajectories, the second upside down
        let trajectories = Array3::from_shape_fn((2, 6, 1), |(case, time, _)| (time * time) as f64 * [1.0, -1.0][case]);
        let pasts = Pasts::new(trajectories.view(), &array![2.0], 3).unwrap();
        // near 9 (before it 4, 1) and at -16 (before it -9, -4)
        let found = pasts.behind(array![[9.5], [-16.0]].view(), 3);
        assert_eq!(found, array![[9.5, 4.5, 1.5], [-16.0, -9.0, -4.0]]);
        assert_eq!(pasts.behind(array![[9.5]].view(), 2), array![[9.5, 4.5]]);
        assert!(Pasts::new(trajectories.view(), &array![2.0], 7).is_none());
    }
}
