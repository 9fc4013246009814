//! Points of trajectories: what is left out, on which scale components are measured, and who counts as no neighbour.
//!
//! Equal states would be neighbours at no distance, so one of each is kept. Components that do not vary are left out. Points are
//! drawn from the rest without replacement. The window of neighbours in time is three times the lead steps over which the
//! autocorrelation of the state, the mean of those of its components by their variances, stays above 1/e.

use std::collections::HashSet;

use ndarray::{Array1, Array2, ArrayView3, Axis};

use super::cloud::Cloud;
use super::neighbours::Place;
use super::spectrum::drawn;
use crate::systems::Key;

/// On which scale components are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// As they come: the data set distances.
    #[default]
    Common,
    /// Each in its own standard deviation: for components of different units.
    Components,
}

/// How points are taken.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// The most points.
    pub points: usize,
    /// Lead steps within which states of a trajectory are no neighbours; found from the autocorrelation if unset.
    pub window: Option<usize>,
    /// The scale of components.
    pub scale: Scale,
}

/// Points, and what was done to have them.
#[derive(Debug)]
pub struct Sampled {
    /// The points.
    pub cloud: Cloud,
    /// States that there were.
    pub states: usize,
    /// States that equal an earlier one, left out.
    pub duplicates: usize,
    /// Components that do not vary, left out.
    pub constant: usize,
    /// The window in lead steps.
    pub window: usize,
    /// The largest standard deviation of a component over the smallest, before scaling.
    pub unequal: f64,
}

/// Pairs of a lag that its autocorrelation is of, at most.
const PAIRS: usize = 20_000;

/// Lags over 1/e in the window.
const LAGS: usize = 3;

impl Sampled {
    /// Of trajectories `[case, time, component]`.
    pub fn of(states: ArrayView3<f64>, sampling: &Sampling, key: Key) -> Self {
        let (cases, times, _) = states.dim();
        let window = sampling.window.unwrap_or_else(|| window(states));
        let mut seen = HashSet::with_capacity(cases * times);
        let all = (0..cases).flat_map(|case| (0..times).map(move |time| Place { case, time }));
        // -0 and 0 are one number
        let bits = |place: &Place| -> Vec<u64> {
            states.slice(ndarray::s![place.case, place.time, ..]).iter().map(|x| (x + 0.0).to_bits()).collect()
        };
        let distinct: Vec<Place> = all.filter(|place| seen.insert(bits(place))).collect();
        drop(seen);
        let duplicates = cases * times - distinct.len();
        let kept: Vec<Place> = drawn(distinct.len(), sampling.points, key).into_iter().map(|i| distinct[i]).collect();
        let dim = states.len_of(Axis(2));
        let mut points = Array2::zeros((kept.len(), dim));
        for (mut row, place) in points.outer_iter_mut().zip(&kept) {
            row.assign(&states.slice(ndarray::s![place.case, place.time, ..]));
        }
        let sd = sds(&points);
        let largest = sd.fold(0.0f64, |a, b| a.max(*b));
        // a constant has a deviation of rounding
        let varies: Vec<usize> = (0..dim).filter(|j| sd[*j] > 1e-12 * largest).collect();
        let least = varies.iter().map(|j| sd[*j]).fold(f64::INFINITY, f64::min);
        let mut points = points.select(Axis(1), &varies);
        if sampling.scale == Scale::Components {
            points /= &sd.select(Axis(0), &varies);
        }
        Self {
            cloud: Cloud::new(points, kept, window),
            states: cases * times,
            duplicates,
            constant: dim - varies.len(),
            window,
            unequal: largest / least,
        }
    }
}

fn sds(points: &Array2<f64>) -> Array1<f64> {
    if points.is_empty() { Array1::zeros(points.ncols()) } else { points.std_axis(Axis(0), 0.0) }
}

/// [`LAGS`] times the lead steps beyond the first over which the autocorrelation stays above 1/e; at most a quarter of a
/// trajectory.
fn window(states: ArrayView3<f64>) -> usize {
    let (cases, times, dim) = states.dim();
    let count = (cases * times).max(1) as f64;
    let mean: Array1<f64> = states.sum_axis(Axis(0)).sum_axis(Axis(0)) / count;
    let product = |lag: usize| {
        let pairs = cases * (times - lag);
        let step = pairs.div_ceil(PAIRS).max(1);
        let (mut sum, mut taken) = (0.0, 0.0);
        for pair in (0..pairs).step_by(step) {
            let (case, time) = (pair / (times - lag), pair % (times - lag));
            for j in 0..dim {
                sum += (states[[case, time, j]] - mean[j]) * (states[[case, time + lag, j]] - mean[j]);
            }
            taken += 1.0;
        }
        sum / taken
    };
    let most = times / 4;
    let variance = if times > 0 { product(0) } else { 0.0 };
    let over = (1..=most).take_while(|lag| product(*lag) > variance / std::f64::consts::E).count();
    (LAGS * over).min(most)
}
