//! Windows of successive states out of trajectories.
//!
//! A window holds the states x_k, ..., x_{k+L-1} of one trajectory, none of them with a missing value; it never crosses
//! from one trajectory into the next. Windows start `stride` times apart, counted from the start of each trajectory.
//! A pair (x_k, x_{k+1}) is a window of 2; a law with a history of w states is learned from windows of w + 1.
//!
//! Windows are counted, not listed: of each stretch without missing values it is known where its windows begin, so that there may
//! be more of them than memory has room for.

use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis, s};

/// The windows of a set of trajectories.
pub struct Windows<'a> {
    data: ArrayView3<'a, f64>,
    length: usize,
    stride: usize,
    /// Windows in a row, in the order of cases and times.
    runs: Vec<Run>,
}

/// Windows of one trajectory, a stride apart.
#[derive(Clone, Copy, Debug)]
struct Run {
    case: usize,
    /// The time of the first state of the first one.
    time: usize,
    /// How many windows there are up to the last one.
    end: usize,
}

impl<'a> Windows<'a> {
    /// The windows of `length` states of trajectories `[case, time, component]`, `stride` times apart (1 for all).
    pub fn new(data: ArrayView3<'a, f64>, length: usize, stride: usize) -> Self {
        let (cases, times, _) = data.dim();
        let mut runs: Vec<Run> = Vec::new();
        let mut end = 0;
        for case in 0..cases {
            // how many finite states in a row end at each time
            let mut whole = 0;
            let mut running = false;
            for time in 0..times {
                let finite = data.slice(s![case, time, ..]).iter().all(|value| value.is_finite());
                whole = if finite { whole + 1 } else { 0 };
                running &= finite;
                if whole >= length && (time + 1 - length).is_multiple_of(stride) {
                    end += 1;
                    match runs.last_mut().filter(|_| running) {
                        Some(run) => run.end = end,
                        None => runs.push(Run { case, time: time + 1 - length, end }),
                    }
                    running = true;
                }
            }
        }
        Self { data, length, stride, runs }
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
        self.runs.last().map_or(0, |run| run.end)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The trajectory of window `row`, and the time of its first state.
    fn place(&self, row: usize) -> (usize, usize) {
        let at = self.runs.partition_point(|run| run.end <= row);
        let before = at.checked_sub(1).map_or(0, |before| self.runs[before].end);
        let Run { case, time, .. } = self.runs[at];
        (case, time + (row - before) * self.stride)
    }

    /// The number of components of a state.
    pub fn dim(&self) -> usize {
        self.data.dim().2
    }

    /// Window `row`, `[time, component]`.
    pub fn get(&self, row: usize) -> ArrayView2<'_, f64> {
        let (case, time) = self.place(row);
        let trajectory = self.data.index_axis(Axis(0), case);
        trajectory.slice_move(s![time..time + self.length, ..])
    }

    /// The trajectory of window `row`.
    pub fn case(&self, row: usize) -> usize {
        self.place(row).0
    }

    /// The last two states of window `row`: the one that is stepped from, and the one after it.
    pub fn step(&self, row: usize) -> (ArrayView1<'_, f64>, ArrayView1<'_, f64>) {
        let (case, time) = self.place(row);
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

    /// (case, time of the first state) of all windows.
    fn index(windows: &Windows) -> Vec<(usize, usize)> {
        (0..windows.len()).map(|row| windows.place(row)).collect()
    }

    fn counted(cases: usize, times: usize) -> Array3<f64> {
        Array3::from_shape_fn((cases, times, 1), |(case, time, _)| (10 * case + time * time) as f64)
    }

    #[test]
    fn pairs_skip_missing_values_and_never_cross_trajectories() {
        let mut data = counted(2, 5);
        data[[1, 2, 0]] = f64::NAN;
        let pairs = Windows::pairs(data.view());
        assert_eq!(index(&pairs), [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 3)]);
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
        assert_eq!(index(&Windows::new(data.view(), 3, 4)), [(0, 0), (0, 4), (1, 0), (1, 4)]);
        data[[0, 2, 0]] = f64::INFINITY;
        assert_eq!(index(&Windows::new(data.view(), 3, 4)), [(0, 4), (1, 0), (1, 4)]);
        assert_eq!(Windows::new(data.view(), 2, 2).len(), 4 + 5);
    }

    /// Every window that has no missing value, found one by one.
    #[test]
    fn windows_are_those_that_are_found_one_by_one() {
        let mut data = counted(3, 40);
        for (case, time) in [(0, 0), (0, 7), (0, 8), (1, 39), (2, 3), (2, 5), (2, 20)] {
            data[[case, time, 0]] = f64::NAN;
        }
        for (length, stride) in [(1, 1), (2, 1), (3, 1), (2, 3), (4, 2), (1, 5), (12, 7)] {
            let whole = |case: usize, time: usize| (time..time + length).all(|time| data[[case, time, 0]].is_finite());
            let starts = |case: usize| (0..=40 - length).step_by(stride).map(move |time| (case, time));
            let expected: Vec<_> = (0..3).flat_map(starts).filter(|&(case, time)| whole(case, time)).collect();
            assert_eq!(index(&Windows::new(data.view(), length, stride)), expected, "{length} {stride}");
        }
    }
}
