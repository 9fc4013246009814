//! An ensemble beside the truth, with the moments that most metrics need computed once.
//!
//! Mean m = sum_j w_j x_j and unbiased variance v = sum_j w_j (x_j - m)^2 / (1 - sum_j w_j^2), component by component,
//! with weights that sum to 1 (w_j = 1/M where none are given).

use ndarray::{Array1, ArrayView1, ArrayView2};

use crate::systems::wide;

/// One ensemble and what happened.
#[derive(Clone, Debug)]
pub struct Ensemble<'a> {
    /// What happened, `[component]`.
    pub truth: ArrayView1<'a, f64>,
    /// The members, `[member, component]`.
    pub members: ArrayView2<'a, f64>,
    /// Weights of the members, `[member]`, summing to 1; none means equal.
    pub weights: Option<ArrayView1<'a, f64>>,
    /// The mean, `[component]`.
    pub mean: Array1<f64>,
    /// The unbiased variance, `[component]`; 0 where a single member carries all the weight.
    pub variance: Array1<f64>,
    /// The number of equally weighted members worth as much: M, 1 / sum w^2, or infinity for exact moments.
    pub size: f64,
}

impl<'a> Ensemble<'a> {
    /// Of members `[member, component]` and truth `[component]`.
    pub fn new(truth: ArrayView1<'a, f64>, members: ArrayView2<'a, f64>, weights: Option<ArrayView1<'a, f64>>) -> Self {
        let (count, dim) = members.dim();
        assert!(count > 0, "an ensemble without members");
        assert_eq!(dim, truth.len(), "members of {dim} components beside a truth of {}", truth.len());
        if let Some(weights) = &weights {
            assert_eq!(weights.len(), count, "{} weights for {count} members", weights.len());
        }
        let (mean, variance, size) = moments(members, weights);
        Self { truth, members, weights, mean, variance, size }
    }

    /// Replaces mean and variance (`[component]`) by exact ones, for a law that is known in closed form.
    #[must_use]
    pub fn exact(mut self, mean: Array1<f64>, variance: Array1<f64>) -> Self {
        (self.mean, self.variance, self.size) = (mean, variance, f64::INFINITY);
        self
    }

    /// The mean over components of (m - y)^2.
    pub fn squared_error(&self) -> f64 {
        let sum: f64 = self.mean.iter().zip(self.truth).map(|(m, y)| (m - y) * (m - y)).sum();
        sum / self.truth.len() as f64
    }

    /// The mean over components of the variance.
    pub fn mean_variance(&self) -> f64 {
        self.variance.sum() / self.variance.len() as f64
    }

    /// The weight of member j.
    pub fn weight(&self, j: usize) -> f64 {
        self.weights.map_or_else(|| 1.0 / self.members.nrows() as f64, |weights| weights[j])
    }
}

/// Mean, unbiased variance and effective size.
fn moments(members: ArrayView2<f64>, weights: Option<ArrayView1<f64>>) -> (Array1<f64>, Array1<f64>, f64) {
    let equal = 1.0 / members.nrows() as f64;
    let weight = |j: usize| weights.map_or(equal, |w| w[j]);
    let rows = members.as_standard_layout();
    let rows = rows.as_slice().unwrap_or_default();
    let weights_of: Vec<f64> = (0..members.nrows()).map(weight).collect();
    let (mut mean, mut variance) = (vec![0.0; members.ncols()], vec![0.0; members.ncols()]);
    sums(rows, &weights_of, &mut mean, &mut variance);
    let (mean, mut variance) = (Array1::from(mean), Array1::from(variance));
    let size = weights.map_or(members.nrows() as f64, effective_size);
    let rest = 1.0 - 1.0 / size;
    if rest > 1e-12 {
        variance /= rest;
    } else {
        variance.mapv_inplace(|v| 0.0 * v);
    }
    (mean, variance, size)
}

wide! {
    /// The mean and sum_j w_j (x_j - m)^2 of each column.
    fn sums(rows: &[f64], weights: &[f64], mean: &mut [f64], variance: &mut [f64]) {
        let dim = mean.len();
        // relative to the first member, so that members that are all the same have exactly no spread
        let first = &rows[..dim];
        mean.copy_from_slice(first);
        for (row, w) in rows.chunks_exact(dim.max(1)).zip(weights).skip(1) {
            mean.iter_mut().zip(row).zip(first).for_each(|((m, x), origin)| *m += w * (x - origin));
        }
        for (row, w) in rows.chunks_exact(dim.max(1)).zip(weights) {
            variance.iter_mut().zip(row).zip(mean.iter()).for_each(|((v, x), m)| *v += w * (x - m) * (x - m));
        }
    }
}

/// The effective sample size 1 / sum w^2 of weights that sum to 1 (Kong, Liu & Wong 1994).
pub fn effective_size(weights: ArrayView1<f64>) -> f64 {
    1.0 / weights.iter().map(|w| w * w).sum::<f64>()
}
