//! The loop of the filters that update each component on its own, and what is then done to the spread.
//!
//! Tasks are blocks of a fixed number of components, so that no result depends on the number of threads. The loop works
//! in place: a component's members are read, updated, inflated and written back while they are at hand, so that beside the
//! ensemble no array of its size is needed. Only where members are rotated does the inflation wait for all components.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use scorecast_systems::Key;

use crate::ensemble::centre;
use crate::method::around::inflation::Inflation;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;

/// Components that one task updates: a cache line of each member.
const POINTS: usize = 8;

/// An analysis of `forecast` (`[member, component]`) that goes by components: that of [`in_place`], on a copy.
pub(crate) fn by_component<R>(
    spread: (Inflation, bool),
    forecast: Array2<f64>,
    by: (&ObservationSet, Key),
    room: impl Fn() -> R + Send + Sync,
    update: impl Fn(&mut R, usize, &mut [f64]) -> f64 + Send + Sync,
) -> Outcome {
    let mut ensemble = copy(forecast.view());
    in_place(spread, &mut ensemble, by, room, update);
    Outcome::new(forecast, ensemble)
}

/// Turns the members of the forecast in `ensemble` (`[member, component]`) into those of the analysis.
///
/// `update(room, i, a)` turns the anomalies of component i into analysis anomalies and returns the step of its mean;
/// `room` makes the room that it works in, once for many components. The anomalies are then rotated where `rotate` is
/// set, and inflated.
pub(crate) fn in_place<R>(
    (inflation, rotate): (Inflation, bool),
    ensemble: &mut Array2<f64>,
    (observed, key): (&ObservationSet, Key),
    room: impl Fn() -> R + Send + Sync,
    update: impl Fn(&mut R, usize, &mut [f64]) -> f64 + Send + Sync,
) {
    let (members, dim) = ensemble.dim();
    let room = || ComponentWorkspace { f: vec![0.0; members], a: vec![0.0; members], of: room() };
    if rotate {
        let forecast = inflation.relaxes().then(|| copy(ensemble.view()));
        let mut mean = Array1::zeros(dim);
        let tasks = blocks(ensemble).zip(mean.axis_chunks_iter_mut(Axis(0), POINTS)).enumerate();
        tasks.for_each_init(room, |room, (task, (block, mut mean))| {
            let first = task * POINTS;
            room.transform(block, first, &update, |i, shift, _, _| mean[i - first] = shift);
        });
        return inflation.finish_in_place(true, forecast.as_ref().map(|x| x.view()), (&mean, ensemble), observed, key);
    }
    // earlier states that a smoother carries are left alone
    let current = observed.operator.current_dim();
    blocks(ensemble).enumerate().for_each_init(room, |room, (task, block)| {
        room.transform(block, task * POINTS, &update, |i, mean, f, a| {
            if i < current {
                inflation.spread_component(f, a);
            }
            a.iter_mut().for_each(|a| *a += mean);
        });
    });
    inflation.add_noise(ensemble.slice_mut(ndarray::s![.., ..current]), observed.step, key);
}

/// The components of the tasks.
fn blocks(ensemble: &mut Array2<f64>) -> impl IndexedParallelIterator<Item = ArrayViewMut2<'_, f64>> {
    ensemble.axis_chunks_iter_mut(Axis(1), POINTS).into_par_iter()
}

/// The room of one thread: the anomalies of one component in forecast and analysis, and that of the update.
struct ComponentWorkspace<R> {
    f: Vec<f64>,
    a: Vec<f64>,
    of: R,
}

impl<R> ComponentWorkspace<R> {
    /// Updates the components of `block`, `[member, component]`, the first of which is `first`: leaves in place of each
    /// what `last(i, mean, f, a)` leaves of its analysis anomalies a, given their mean and the forecast anomalies f.
    fn transform(
        &mut self,
        mut block: ArrayViewMut2<f64>,
        first: usize,
        update: &impl Fn(&mut R, usize, &mut [f64]) -> f64,
        mut last: impl FnMut(usize, f64, &[f64], &mut [f64]),
    ) {
        let Self { f, a, of } = self;
        for (i, mut column) in (first..).zip(block.columns_mut()) {
            a.iter_mut().zip(&column).for_each(|(a, value)| *a = *value);
            let mut mean = centre(a);
            f.copy_from_slice(a);
            mean += update(of, i, a);
            last(i, mean, f, a);
            column.iter_mut().zip(&*a).for_each(|(value, a)| *value = *a);
        }
    }
}

/// A copy of the members, each first touched by the thread that copies it.
pub(crate) fn copy(members: ArrayView2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros(members.raw_dim());
    let rows = out.axis_iter_mut(Axis(0)).into_par_iter().zip(members.axis_iter(Axis(0)));
    rows.for_each(|(mut to, from)| to.assign(&from));
    out
}
