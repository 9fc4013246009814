//! The loop of the filters that update each component on its own, and what is then done to the spread.
//!
//! Tasks are blocks of a fixed number of components, so that no result depends on the number of threads. Where inflation
//! is a factor, a component is multiplied and gets its mean back while it is at hand, and the members are read once and
//! written once; memory that is new is first touched by the thread that fills it.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use scorecast_systems::Key;

use super::Inflation;
use crate::outcome::Outcome;
use crate::problem::Seen;

/// Components that one task updates: a cache line of each member.
const POINTS: usize = 8;

/// An analysis of `forecast` (`[member, component]`) that goes by components.
///
/// `update(room, i, a)` turns the anomalies of component i into analysis anomalies and returns the step of its mean;
/// `room` makes the room that it works in, once for many components. The anomalies are then rotated where `rotate` is
/// set, and inflated.
pub(super) fn by_component<R>(
    (inflation, rotate): (Inflation, bool),
    forecast: Array2<f64>,
    (seen, key): (&Seen, Key),
    room: impl Fn() -> R + Send + Sync,
    update: impl Fn(&mut R, usize, &mut [f64]) -> f64 + Send + Sync,
) -> Outcome {
    if rotate || inflation.rtpp != 0.0 || inflation.rtps != 0.0 {
        let analysis = transform(forecast.view(), |_, _, _| {}, room, update);
        return inflation.finish_anomalies(rotate, forecast, analysis, seen, key);
    }
    let (factor, current) = (inflation.multiplicative, seen.operator.current_dim());
    let whole = |i: usize, mean: f64, a: &mut [f64]| {
        // earlier states that a smoother carries are left alone
        let factor = if i < current { factor } else { 1.0 };
        a.iter_mut().for_each(|a| *a = factor * *a + mean);
    };
    let (_, ensemble) = transform(forecast.view(), whole, room, update);
    Inflation { additive: inflation.additive, ..Inflation::default() }.finish(forecast, ensemble, seen, key)
}

/// The analysis means, `[component]`, and what `last(i, mean, a)` leaves of the analysis anomalies a of component i,
/// `[member, component]`.
fn transform<R>(
    forecast: ArrayView2<f64>,
    last: impl Fn(usize, f64, &mut [f64]) + Send + Sync,
    room: impl Fn() -> R + Send + Sync,
    update: impl Fn(&mut R, usize, &mut [f64]) -> f64 + Send + Sync,
) -> (Array1<f64>, Array2<f64>) {
    let (members, dim) = forecast.dim();
    let (mut mean, mut analysis) = (Array1::zeros(dim), Array2::zeros((members, dim)));
    let columns = forecast.axis_chunks_iter(Axis(1), POINTS).into_par_iter();
    let tasks = columns.zip(analysis.axis_chunks_iter_mut(Axis(1), POINTS));
    tasks.zip(mean.axis_chunks_iter_mut(Axis(0), POINTS)).enumerate().for_each_init(
        || (vec![0.0; members], room()),
        |(a, room), (task, ((from, mut to), mut mean))| {
            for (i, (column, mut analysis)) in from.columns().into_iter().zip(to.columns_mut()).enumerate() {
                let point = task * POINTS + i;
                a.iter_mut().zip(&column).for_each(|(a, value)| *a = *value);
                mean[i] = centre(a);
                mean[i] += update(room, point, a);
                last(point, mean[i], a);
                analysis.iter_mut().zip(&*a).for_each(|(value, a)| *value = *a);
            }
        },
    );
    (mean, analysis)
}

/// Takes the mean off some numbers and returns it.
pub(super) fn centre(x: &mut [f64]) -> f64 {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    x.iter_mut().for_each(|value| *value -= mean);
    mean
}
