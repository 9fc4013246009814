//! The nearest neighbours of each point, by distances to all others: exact, and the same on any number of threads.
//!
//! Points of one trajectory that are close in time are close in space whatever the dimension of the set, along the one of the
//! trajectory: those within a window of a point in time are no neighbours of it (Theiler 1986).

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// Trajectory and time of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The trajectory.
    pub case: usize,
    /// The time, in lead steps.
    pub time: usize,
}

impl Place {
    /// Whether another point is of the same trajectory and at most `window` lead steps away.
    fn is_near(self, other: Self, window: usize) -> bool {
        self.case == other.case && self.time.abs_diff(other.time) <= window
    }
}

/// The nearest neighbours of each point, nearest first.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// Distances, `[point, neighbour]`; infinite where there are not so many.
    pub distances: Array2<f64>,
    /// Which points they are, `[point, neighbour]`.
    pub points: Array2<usize>,
}

/// Components that are summed before a distance is held against the farthest that counts.
const STRIDE: usize = 16;

impl Neighbours {
    /// The `count` nearest of each point (`[point, component]`) among those that are not within `window` of it; of equally far
    /// ones the first.
    pub fn new(points: ArrayView2<f64>, places: &[Place], window: usize, count: usize) -> Self {
        let all = points.nrows();
        let points = points.as_standard_layout();
        let found: Vec<Vec<(f64, usize)>> =
            (0..all).into_par_iter().map(|i| nearest(points.view(), places, window, count, i)).collect();
        let none = (f64::INFINITY, usize::MAX);
        let at = |(i, j): (usize, usize)| found[i].get(j).copied().unwrap_or(none);
        Self {
            distances: Array2::from_shape_fn((all, count), |place| at(place).0.sqrt()),
            points: Array2::from_shape_fn((all, count), |place| at(place).1),
        }
    }

    /// The distances of a point, where it has as many neighbours and the nearest is not at the same place.
    pub fn of(&self, point: usize, count: usize) -> Option<ArrayView1<'_, f64>> {
        if count == 0 || count > self.distances.ncols() {
            return None;
        }
        let row = self.distances.row(point).slice_move(ndarray::s![..count]);
        (row[0] > 0.0 && row[count - 1].is_finite()).then_some(row)
    }
}

/// Squared distance and number of the nearest, in order.
fn nearest(points: ArrayView2<f64>, places: &[Place], window: usize, count: usize, i: usize) -> Vec<(f64, usize)> {
    let mut kept: Vec<(f64, usize)> = Vec::with_capacity(count + 1);
    let own = points.row(i);
    for j in 0..points.nrows() {
        if j == i || places[i].is_near(places[j], window) {
            continue;
        }
        let farthest = if kept.len() < count { f64::INFINITY } else { kept[count - 1].0 };
        let Some(square) = square_below(own, points.row(j), farthest) else { continue };
        let at = kept.partition_point(|(other, _)| *other <= square);
        kept.insert(at, (square, j));
        kept.truncate(count);
    }
    kept
}

/// The squared distance, if it is below a bound.
fn square_below(one: ArrayView1<f64>, other: ArrayView1<f64>, bound: f64) -> Option<f64> {
    let (Some(one), Some(other)) = (one.to_slice(), other.to_slice()) else { return None };
    let mut sum = 0.0;
    for (one, other) in one.chunks(STRIDE).zip(other.chunks(STRIDE)) {
        sum += one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        if sum >= bound {
            return None;
        }
    }
    (sum < bound).then_some(sum)
}
