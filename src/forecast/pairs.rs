//! Pairs (x_k, x_{k+1}) out of trajectories, as arrays.

use ndarray::{Array1, Array2, ArrayView3, Axis};

use super::{Error, Result};
use crate::nn::windows::{Windows, evenly};
use crate::systems::{Param, Settings};

/// Pairs of successive states without missing values.
pub(super) struct Pairs {
    /// x_k, `[pair, component]`.
    pub now: Array2<f64>,
    /// x_{k+1}, `[pair, component]`.
    pub next: Array2<f64>,
}

impl Pairs {
    /// All pairs of `[case, time, component]` whose two states are finite, in order. `most` > 0 keeps that many, evenly
    /// spaced.
    pub fn new(trajectories: ArrayView3<f64>, most: usize) -> Self {
        let all = Windows::pairs(trajectories);
        let count = if most == 0 { all.len() } else { all.len().min(most) };
        let shape = (count, all.dim());
        let (mut now, mut next) = (Array2::zeros(shape), Array2::zeros(shape));
        for (i, row) in evenly(all.len(), count).enumerate() {
            let (x, after) = all.step(row);
            now.row_mut(i).assign(&x);
            next.row_mut(i).assign(&after);
        }
        Self { now, next }
    }

    /// All pairs for training, of which there must be at least `least`; `most` > 0 keeps that many, evenly spaced.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn training(trajectories: ArrayView3<f64>, most: usize, least: usize, who: &str) -> Result<Self> {
        let pairs = Self::new(trajectories, most);
        if pairs.len() < least {
            return Err(Error::Data(format!(
                "`{who}` needs at least {least} pairs of successive states to learn from, but the training trajectories \
                 have {}; give it more or longer trajectories",
                pairs.len()
            )));
        }
        Ok(pairs)
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.now.nrows()
    }
}

/// How many of `all` states or pairs the setting `library` keeps; 0 keeps all.
pub(super) fn kept(settings: &Settings, library: Param, all: usize) -> usize {
    match settings.count(library.key) {
        0 => all,
        most => most.min(all),
    }
}

/// Mean and standard deviation of each column; 1 for a column that does not vary.
pub(super) fn standardisation(x: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
    let n = x.nrows().max(1) as f64;
    let mean = x.sum_axis(Axis(0)) / n;
    let mut variance = Array1::<f64>::zeros(x.ncols());
    for row in x.outer_iter() {
        variance.zip_mut_with(&(&row - &mean), |v, d| *v += d * d / n);
    }
    (mean, variance.mapv(|v| if v > 0.0 { v.sqrt() } else { 1.0 }))
}
