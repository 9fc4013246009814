//! Windows of successive states out of trajectories.
//!
//! A window holds the states x_k, ..., x_{k+L-1} of one trajectory, none of them with a missing value; it never crosses
//! from one trajectory into the next. Windows start `stride` times apart, counted from the start of each trajectory.
//! A pair (x_k, x_{k+1}) is a window of 2; a law with a history of w states is learned from windows of w + 1.

use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis, s};

/// The windows of a set of trajectories.
pub struct Windows<'a> {
    data: ArrayView3<'a, f64>,
    length: usize,
    /// (case, time of the first state).
    index: Vec<(usize, usize)>,
}

impl<'a> Windows<'a> {
    /// The windows of `length` states of trajectories `[case, time, component]`, `stride` times apart (1 for all).
    pub fn new(data: ArrayView3<'a, f64>, length: usize, stride: usize) -> Self {
        let (cases, times, _) = data.dim();
        let mut index = Vec::new();
        for case in 0..cases {
            // how many finite states in a row end at each time
            let mut whole = 0;
            for time in 0..times {
                let finite = data.slice(s![case, time, ..]).iter().all(|value| value.is_finite());
                whole = if finite { whole + 1 } else { 0 };
                if whole >= length && (time + 1 - length).is_multiple_of(stride) {
                    index.push((case, time + 1 - length));
                }
            }
        }
        Self { data, length, index }
    }

    /// The pairs (x_k, x_{k+1}).
    pub fn pairs(data: ArrayView3<'a, f64>) -> Self {
        Self::new(data, 2, 1)
    }

    /// Windows of another length of the same trajectories, all that there are.
    #[must_use]
    pub fn of_length(&self, length: usize) -> Self {
        Self::new(self.data, length, 1)
    }

    /// How many states a window has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The number of components of a state.
    pub fn dim(&self) -> usize {
        self.data.dim().2
    }

    /// Window `row`, `[time, component]`.
    pub fn get(&self, row: usize) -> ArrayView2<'_, f64> {
        let (case, time) = self.index[row];
        let trajectory = self.data.index_axis(Axis(0), case);
        trajectory.slice_move(s![time..time + self.length, ..])
    }

    /// The trajectory of window `row`.
    pub fn case(&self, row: usize) -> usize {
        self.index[row].0
    }

    /// The last two states of window `row`: the one that is stepped from, and the one after it.
    pub fn step(&self, row: usize) -> (ArrayView1<'_, f64>, ArrayView1<'_, f64>) {
        let (case, time) = self.index[row];
        let at = |time: usize| self.data.index_axis(Axis(0), case).index_axis_move(Axis(0), time);
        (at(time + self.length - 2), at(time + self.length - 1))
    }
}

/// `count` indices of `all`, evenly spaced, from the first on.
pub fn evenly(all: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| i * all / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn counted(cases: usize, times: usize) -> Array3<f64> {
        Array3::from_shape_fn((cases, times, 1), |(case, time, _)| (10 * case + time * time) as f64)
    }

    #[test]
    fn pairs_skip_missing_values_and_never_cross_trajectories() {
        let mut data = counted(2, 5);
        data[[1, 2, 0]] = f64::NAN;
        let pairs = Windows::pairs(data.view());
        assert_eq!(pairs.index, [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 3)]);
        let (x, next) = pairs.step(5);
        assert_eq!((x[0], next[0]), (19.0, 26.0));
    }

    #[test]
    fn windows_with_a_history_stay_within_their_trajectory() {
        let data = counted(3, 10);
        // 6 a trajectory; the 30 states in one row would give 26
        let windows = Windows::new(data.view(), 5, 1);
        assert_eq!(windows.len(), 18);
        assert_eq!(windows.get(6).column(0).to_vec(), [10.0, 11.0, 14.0, 19.0, 26.0]);
        assert_eq!((windows.step(6).0[0], windows.step(6).1[0]), (19.0, 26.0));
        assert_eq!(Windows::new(data.view(), 11, 1).len(), 0);
    }

    #[test]
    fn a_stride_counts_from_the_start_of_each_trajectory_and_over_missing_values() {
        let mut data = counted(2, 10);
        assert_eq!(Windows::new(data.view(), 3, 4).index, [(0, 0), (0, 4), (1, 0), (1, 4)]);
        data[[0, 2, 0]] = f64::INFINITY;
        assert_eq!(Windows::new(data.view(), 3, 4).index, [(0, 4), (1, 0), (1, 4)]);
        assert_eq!(Windows::new(data.view(), 2, 2).len(), 4 + 5);
    }
}
