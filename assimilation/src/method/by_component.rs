//! The loop of the filters that update each component on its own.
//!
//! Tasks are blocks of a fixed number of components, so that no result depends on the number of threads.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

/// Components that one task updates: a cache line of each member.
const POINTS: usize = 8;

/// Turns members (`[member, component]`) into analysis anomalies and returns the analysis mean, `[component]`.
///
/// `update(room, i, a)` turns the anomalies of component i into analysis anomalies and returns the step of its mean;
/// `room` makes the room that it works in, once for many components.
pub(super) fn by_component<R>(
    ensemble: &mut Array2<f64>,
    room: impl Fn() -> R + Send + Sync,
    update: impl Fn(&mut R, usize, &mut [f64]) -> f64 + Send + Sync,
) -> Array1<f64> {
    let (members, dim) = ensemble.dim();
    let mut mean = Array1::zeros(dim);
    let tasks = ensemble.axis_chunks_iter_mut(Axis(1), POINTS).into_par_iter();
    tasks.zip(mean.axis_chunks_iter_mut(Axis(0), POINTS)).enumerate().for_each_init(
        || (vec![0.0; members], room()),
        |(a, room), (task, (mut columns, mut mean))| {
            for (i, mut column) in columns.columns_mut().into_iter().enumerate() {
                a.iter_mut().zip(&column).for_each(|(a, value)| *a = *value);
                mean[i] = centre(a);
                mean[i] += update(room, task * POINTS + i, a);
                column.iter_mut().zip(&*a).for_each(|(value, a)| *value = *a);
            }
        },
    );
    mean
}

/// Takes the mean off some numbers and returns it.
pub(super) fn centre(x: &mut [f64]) -> f64 {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    x.iter_mut().for_each(|value| *value -= mean);
    mean
}
