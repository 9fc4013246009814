//! A posterior that is known: its mean, its standard deviations, how much of it is below a number, and draws of it.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use scorecast_assimilation::ensemble::{weighted_mean, weighted_variance};
use scorecast_assimilation::linalg::symmetric_sqrt;
use scorecast_systems::Key;
use statrs::distribution::{ContinuousCDF, Normal};

/// A posterior.
pub struct Exact {
    /// `[component]`.
    pub mean: Array1<f64>,
    /// `[component]`.
    pub sd: Array1<f64>,
    law: Law,
}

enum Law {
    /// The symmetric root of the covariance.
    Gaussian(Array2<f64>),
    /// Points, `[point, component]`, their weights, and of each component the points in order with the weight below them.
    Points { x: Array2<f64>, weights: Array1<f64>, sorted: Vec<Cumulative> },
}

/// Points of one component in order, and how much of the law is below each, half of its own weight with it.
pub struct Cumulative {
    points: Vec<f64>,
    below: Vec<f64>,
}

impl Cumulative {
    /// Of `x` with weights that sum to 1, equal ones where there are none.
    pub fn new(x: ArrayView1<f64>, weights: Option<&Array1<f64>>) -> Self {
        let equal = 1.0 / x.len() as f64;
        let mut pairs: Vec<_> =
            x.iter().enumerate().map(|(i, x)| (*x, weights.map_or(equal, |weights| weights[i]))).collect();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        let below = pairs.iter().map(|(_, weight)| {
            sum += weight;
            sum - 0.5 * weight
        });
        let below = below.collect();
        Self { points: pairs.into_iter().map(|(x, _)| x).collect(), below }
    }

    /// How much is below `x`.
    pub fn share(&self, x: f64) -> f64 {
        interpolate(&self.points, &self.below, x)
    }

    /// Below which point this share is.
    pub fn quantile(&self, share: f64) -> f64 {
        interpolate(&self.below, &self.points, share)
    }
}

/// Between the two neighbours of `x` among `from`, which rises; the ends beyond them.
fn interpolate(from: &[f64], to: &[f64], x: f64) -> f64 {
    let i = from.partition_point(|known| *known < x);
    if i == 0 {
        return to[0];
    }
    if i == from.len() {
        return to[i - 1];
    }
    let width = from[i] - from[i - 1];
    let share = if width > 0.0 { (x - from[i - 1]) / width } else { 0.5 };
    to[i - 1] + share * (to[i] - to[i - 1])
}

impl Exact {
    /// A Gaussian.
    pub fn gaussian(mean: Array1<f64>, covariance: &Array2<f64>) -> Self {
        let root = symmetric_sqrt(covariance.view()).unwrap();
        Self { mean, sd: covariance.diag().mapv(f64::sqrt), law: Law::Gaussian(root) }
    }

    /// Points with weights that sum to 1: a fine grid, or very many members.
    pub fn points(x: Array2<f64>, weights: Array1<f64>) -> Self {
        let mean = weighted_mean(x.view(), Some(&weights));
        let sd = weighted_variance(x.view(), Some(&weights)).mapv(f64::sqrt);
        let sorted = x.axis_iter(Axis(1)).map(|column| Cumulative::new(column, Some(&weights))).collect();
        Self { mean, sd, law: Law::Points { x, weights, sorted } }
    }

    /// The law of one component on evenly spaced points, from its density there up to a constant.
    pub fn grid(points: &Array1<f64>, density: &Array1<f64>) -> Self {
        Self::points(points.clone().insert_axis(Axis(1)), density / density.sum())
    }

    /// How much of the law of a component is below `x`.
    pub fn below(&self, component: usize, x: f64) -> f64 {
        match &self.law {
            Law::Gaussian(_) => Normal::standard().cdf((x - self.mean[component]) / self.sd[component]),
            Law::Points { sorted, .. } => sorted[component].share(x),
        }
    }

    /// `count` draws, `[draw, component]`.
    pub fn draws(&self, count: usize, key: Key) -> Array2<f64> {
        match &self.law {
            Law::Gaussian(root) => key.normals(count, self.mean.len()).dot(root) + &self.mean,
            Law::Points { x, weights, .. } => select(x, Some(weights), count, key),
        }
    }
}

/// `count` of the rows of `x` by their weights, systematically: in proportion to them as nearly as can be.
pub fn select(x: &Array2<f64>, weights: Option<&Array1<f64>>, count: usize, key: Key) -> Array2<f64> {
    let (equal, first) = (1.0 / x.nrows() as f64, key.stream(0).uniform());
    let (mut row, mut sum) = (0, weights.map_or(equal, |weights| weights[0]));
    let of = |draw: usize| {
        let at = (draw as f64 + first) / count as f64;
        while sum < at && row + 1 < x.nrows() {
            row += 1;
            sum += weights.map_or(equal, |weights| weights[row]);
        }
        row
    };
    let rows: Vec<usize> = (0..count).map(of).collect();
    x.select(Axis(0), &rows)
}
