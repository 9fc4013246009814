//! The way of what values are functions of through all values, one after the other: what each component then follows.
//!
//! A value's number u, a component or a prediction, is moved by every value near it, in their order. What is kept of each value
//! are the anomalies u of its number when its turn came and the increments of it; a component of anomalies a takes w a^T u / u^T u
//! times the increments. A component that is read goes the same way bit for bit, for a^T u / u^T u is then 1.

use ndarray::ArrayView2;

use super::bounds::Bounds;
use super::prior::{MarginalPrior, QuantileMap};
use super::reading::Readings;
use crate::ensemble::centre;
use crate::linalg::{add_scaled, dot};
use crate::method::ensemble::serial::Near;

/// What each value did.
pub(super) struct Path {
    /// The anomalies of each value's number when its turn came, `[present, member]`.
    u: Vec<f64>,
    /// The anomalies of the increments, `[present, member]`.
    increments: Vec<f64>,
    /// The mean increments, `[present]`.
    shifts: Vec<f64>,
    /// 1 / u^T u, 0 where the members agree, `[present]`.
    per_square: Vec<f64>,
    members: usize,
    near: Near,
}

/// The numbers that values are functions of, and which of them each value moves.
struct Numbers {
    /// The number of each value, `[present]`.
    of_value: Vec<usize>,
    /// Anomalies, `[number, member]`.
    anomalies: Vec<f64>,
    means: Vec<f64>,
    /// The numbers that each value moves, with their weights.
    moved: Vec<Vec<(usize, f64)>>,
}

impl Numbers {
    fn new(readings: &Readings, x: ArrayView2<f64>, near: &Near) -> Self {
        let count = readings.index().len();
        let mut component_number = vec![None; x.ncols()];
        let mut out = Self {
            of_value: Vec::with_capacity(count),
            anomalies: Vec::with_capacity(count * x.nrows()),
            means: Vec::with_capacity(count),
            moved: vec![Vec::new(); count],
        };
        let mut found = Vec::new();
        for (value, &component) in readings.components().iter().enumerate() {
            let number = match component.and_then(|component| component_number[component]) {
                Some(number) => number,
                None => {
                    let number = out.means.len();
                    let predicted = readings.predicted();
                    match component {
                        Some(component) => {
                            component_number[component] = Some(number);
                            near.of(component, &mut found);
                            out.push(x.column(component).iter());
                        }
                        None => {
                            near.of_observation(value, &mut found);
                            out.push(predicted.column(value).iter());
                        }
                    }
                    found.iter().for_each(|&(by, weight)| out.moved[by].push((number, weight)));
                    number
                }
            };
            out.of_value.push(number);
        }
        out
    }

    fn push<'a>(&mut self, members: impl Iterator<Item = &'a f64>) {
        let from = self.anomalies.len();
        self.anomalies.extend(members);
        self.means.push(centre(&mut self.anomalies[from..]));
    }
}

impl Path {
    /// Takes the numbers of all values through all values.
    pub fn new(readings: &Readings, prior: (MarginalPrior, Bounds), x: ArrayView2<f64>, near: Near) -> Self {
        let (count, members) = (readings.index().len(), x.nrows());
        let mut numbers = Numbers::new(readings, x, &near);
        let mut path = Self {
            u: vec![0.0; count * members],
            increments: vec![0.0; count * members],
            shifts: vec![0.0; count],
            per_square: vec![0.0; count],
            members,
            near,
        };
        let (mut map, mut whole) = (QuantileMap::default(), vec![0.0; members]);
        for value in 0..count {
            let (number, row) = (numbers.of_value[value], value * members..(value + 1) * members);
            let (u, increments) = (&mut path.u[row.clone()], &mut path.increments[row]);
            u.copy_from_slice(&numbers.anomalies[number * members..(number + 1) * members]);
            let mean = numbers.means[number];
            whole.iter_mut().zip(&*u).for_each(|(whole, u)| *whole = mean + u);
            // a prediction has other bounds than a component
            let bounds = if readings.components()[value].is_some() { prior.1 } else { Bounds::default() };
            let likelihood = |x: f64| readings.log_likelihood(value, x);
            map.map((prior.0, bounds), &whole, likelihood, readings.linear(value), increments);
            increments.iter_mut().zip(&whole).for_each(|(moved, from)| *moved -= from);
            path.shifts[value] = centre(increments);
            let square = dot(u, u);
            path.per_square[value] = if square > 0.0 { 1.0 / square } else { 0.0 };
            for &(number, weight) in &numbers.moved[value] {
                let own = &mut numbers.anomalies[number * members..(number + 1) * members];
                numbers.means[number] += path.apply(value, weight, own);
            }
        }
        path
    }

    /// Takes component `point`, whose anomalies are in `a`, through the values near it; returns the step of its mean.
    pub fn follow(&self, point: usize, a: &mut [f64], found: &mut Vec<(usize, f64)>) -> f64 {
        self.near.of(point, found);
        found.iter().map(|&(value, weight)| self.apply(value, weight, a)).sum()
    }

    /// Moves anomalies `a` by a value; returns the step of their mean.
    fn apply(&self, value: usize, weight: f64, a: &mut [f64]) -> f64 {
        let row = value * self.members..(value + 1) * self.members;
        let c = weight * dot(a, &self.u[row.clone()]) * self.per_square[value];
        add_scaled(a, c, &self.increments[row]);
        c * self.shifts[value]
    }
}
