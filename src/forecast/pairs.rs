//! Pairs (x_k, x_{k+1}) out of trajectories.

use ndarray::{Array1, Array2, ArrayView1, ArrayView3, Axis, s};

use super::{Error, Result};

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
        let (cases, times, dim) = trajectories.dim();
        let finite = |x: ArrayView1<f64>| x.iter().all(|value| value.is_finite());
        let all: Vec<(usize, usize)> = (0..cases)
            .flat_map(|c| (0..times.saturating_sub(1)).map(move |t| (c, t)))
            .filter(|(c, t)| {
                finite(trajectories.slice(s![*c, *t, ..])) && finite(trajectories.slice(s![*c, t + 1, ..]))
            })
            .collect();
        let count = if most == 0 { all.len() } else { all.len().min(most) };
        let (mut now, mut next) = (Array2::zeros((count, dim)), Array2::zeros((count, dim)));
        for i in 0..count {
            let (c, t) = all[i * all.len() / count];
            now.row_mut(i).assign(&trajectories.slice(s![c, t, ..]));
            next.row_mut(i).assign(&trajectories.slice(s![c, t + 1, ..]));
        }
        Self { now, next }
    }

    /// The same, for training: there must be at least `least`.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn training(trajectories: ArrayView3<f64>, most: usize, least: usize, who: &str) -> Result<Self> {
        let pairs = Self::new(trajectories, most);
        if pairs.len() < least {
            return Err(Error::Unsupported(format!(
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
