//! What is known of a window before any training: the covariance C of its frames, component by component, and by that what
//! a frame has of its own.

use ndarray::{Array2, Array3, ArrayView2, Axis, s};

use super::preconditioning::FramePreconditioning;
use crate::nn::data::{Batch, Data, Scales, Subset};
use crate::nn::windows::evenly;

/// Windows that C is taken from, at most.
const WINDOWS: usize = 16 * 1024;

/// Windows at a time.
const CHUNK: usize = 1024;

/// What is added to the variance of each frame: of states that follow from those before without an error, the rest would
/// be rounding.
const FLOOR: f64 = 1e-8;

/// C of the scaled states of a window, the frames in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameCovariance {
    /// `[component, frame, frame]`; one for all where the components are one field.
    values: Array3<f64>,
}

impl FrameCovariance {
    /// Of the second moments of training windows.
    pub fn of(data: &Data, one_field: bool) -> Self {
        let all = data.pairs(Subset::Train);
        let rows: Vec<usize> = evenly(all, all.min(WINDOWS)).collect();
        let frames = data.history() + 1;
        let components = data.scales().states.mean.len();
        let mut sums = Array3::zeros((components, frames, frames));
        for rows in rows.chunks(CHUNK) {
            let windows = windows_of(&data.batch(Subset::Train, rows), data.scales());
            for (c, mut sum) in sums.outer_iter_mut().enumerate() {
                let own = windows.slice(s![.., c..; components]);
                sum += &own.t().dot(&own);
            }
        }
        let mut values = sums / rows.len().max(1) as f64;
        if one_field {
            values = values.sum_axis(Axis(0)).insert_axis(Axis(0)) / components.max(1) as f64;
        }
        values.outer_iter_mut().for_each(|mut one| one.diag_mut().mapv_inplace(|variance| variance + FLOOR));
        Self { values }
    }

    /// Of values that were stored, `[component, frame, frame]`; none where they are no covariances of two frames or more.
    pub fn from_values(values: Array3<f64>) -> Option<Self> {
        let (_, rows, columns) = values.dim();
        let valid = |one: ArrayView2<f64>| {
            one.iter().all(|value| value.is_finite()) && one == one.t() && pivots(one).iter().all(|pivot| *pivot > 0.0)
        };
        (rows == columns && rows > 1 && values.outer_iter().all(valid)).then_some(Self { values })
    }

    /// `[component, frame, frame]`; of one component where all have the same.
    pub fn values(&self) -> &Array3<f64> {
        &self.values
    }

    /// L.
    pub fn frames(&self) -> usize {
        self.values.dim().1
    }

    /// The sd that each frame has given those before it by C, the largest of all components: how wide what is drawn of it
    /// may be.
    pub fn widths(&self) -> Vec<f64> {
        let pivots: Vec<Vec<f64>> = self.values.outer_iter().map(pivots).collect();
        let largest = |frame: usize| pivots.iter().map(|own| own[frame]).fold(0.0, f64::max);
        (0..self.frames()).map(|frame| largest(frame).sqrt()).collect()
    }

    /// What stands between network and denoiser at these relative levels, component by component, or one for all.
    pub fn preconditionings(&self, levels: &[f64]) -> Vec<FramePreconditioning> {
        self.values.outer_iter().map(|own| FramePreconditioning::new(own, levels)).collect()
    }
}

/// The variance of each frame given those before it.
fn pivots(covariance: ArrayView2<f64>) -> Vec<f64> {
    let mut rest = covariance.to_owned();
    let frames = rest.nrows();
    (0..frames)
        .map(|frame| {
            let (column, pivot) = (rest.column(frame).to_owned(), rest[[frame, frame]]);
            for ((i, j), value) in rest.indexed_iter_mut() {
                *value -= column[i] * column[j] / pivot;
            }
            pivot
        })
        .collect()
}

/// The scaled states of each row, `[row, frame x component]`, in the order of time: those that are known in a batch, the
/// newest last, and the one that its increments lead to.
pub fn windows_of(batch: &Batch, scales: &Scales) -> Array2<f64> {
    let (rows, components) = batch.increments.dim();
    let history = batch.states.ncols() / components;
    let mut windows = Array2::zeros((rows, (history + 1) * components));
    for back in 0..history {
        let at = (history - 1 - back) * components;
        let state = batch.states.slice(s![.., back * components..(back + 1) * components]);
        windows.slice_mut(s![.., at..at + components]).assign(&state);
    }
    let increments = &batch.increments * &scales.increments.sd + &scales.increments.mean;
    let next = &batch.states.slice(s![.., ..components]) + &(increments / &scales.states.sd);
    windows.slice_mut(s![.., history * components..]).assign(&next);
    windows
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use scorecast_systems::{Domain, Key};

    #[test]
    fn windows_are_in_the_order_of_time_and_widths_those_of_what_is_new() {
        // an autoregressive sequence, x_{k+1} = .8 x_k + .6 e of unit variance
        let noise = Key::new(1, Domain::Data).normals(1, 20_000);
        let mut x = 0.0;
        let states = Array3::from_shape_fn((1, 20_000, 1), |(_, k, _)| {
            x = 0.8 * x + 0.6 * noise[[0, k]];
            3.0 + 2.0 * x
        });
        let data = Data::new(states.view(), states.view(), false, 2).unwrap();
        let windows = windows_of(&data.batch(Subset::Train, &[5]), data.scales());
        for frame in 0..3 {
            let expected = data.scales().states.scaled(states[[0, 5 + frame, 0]], 0);
            assert!((windows[[0, frame]] - expected).abs() < 1e-12, "frame {frame}");
        }
        let covariance = FrameCovariance::of(&data, false);
        // the standard error of a correlation of 16,384 successive states is at most .02
        for (i, j, expected) in [(0, 0, 1.0), (0, 1, 0.8), (1, 2, 0.8), (0, 2, 0.64)] {
            let found = covariance.values()[[0, i, j]];
            assert!((found - expected).abs() < 0.04, "{i} {j}: {found}");
        }
        for (found, expected) in covariance.widths().iter().zip([1.0, 0.6, 0.6]) {
            assert!((found - expected).abs() < 0.02, "{found} {expected}");
        }
    }

    #[test]
    fn values_that_are_no_covariance_are_refused() {
        let of = |values: Array2<f64>| FrameCovariance::from_values(values.insert_axis(Axis(0)));
        assert!(of(array![[1.0, 0.5], [0.5, 1.0]]).is_some());
        for values in [array![[1.0]], array![[1.0, 0.5], [0.4, 1.0]], array![[1.0, 2.0], [2.0, 1.0]]] {
            assert!(of(values).is_none());
        }
        assert!(of(array![[1.0, f64::NAN], [f64::NAN, 1.0]]).is_none());
    }
}
