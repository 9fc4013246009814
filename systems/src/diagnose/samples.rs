//! Independent samples to estimate from: the trajectories, or, where they are few, blocks of each (batch means).
//!
//! Blocks of one trajectory are independent only as far as they are longer than the correlation time.

use ndarray::{ArrayView2, ArrayView3, Axis, s};

/// With fewer trajectories than this, each is cut into blocks.
const ENOUGH: usize = 16;
/// The shortest block, in lead steps.
const SHORTEST: usize = 32;
/// The most components that statistics of single components look at.
const COMPONENTS: usize = 64;

/// Views `[time, component]` of equal length.
pub(super) fn samples<'a>(states: &ArrayView3<'a, f64>) -> Vec<ArrayView2<'a, f64>> {
    let (cases, times, _) = states.dim();
    let blocks = ENOUGH.div_ceil(cases.max(1)).min(times / SHORTEST).max(1);
    let length = times / blocks;
    let cut = |case: usize| {
        let states = states.index_axis_move(Axis(0), case);
        (0..blocks).map(move |block| states.slice_move(s![block * length..(block + 1) * length, ..]))
    };
    (0..cases).flat_map(cut).collect()
}

/// At most [`COMPONENTS`] components, evenly spread.
pub(super) fn some_components(dim: usize) -> Vec<usize> {
    let count = dim.min(COMPONENTS);
    (0..count).map(|index| index * dim / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn few_trajectories_are_cut_and_many_are_not() {
        let states = Array3::from_shape_fn((2, 1000, 1), |(case, time, _)| (1000 * case + time) as f64);
        let cut = samples(&states.view());
        assert_eq!((cut.len(), cut[0].nrows()), (16, 125));
        assert_eq!((cut[1][[0, 0]], cut[8][[0, 0]]), (125.0, 1000.0));
        assert_eq!(samples(&Array3::<f64>::zeros((20, 1000, 1)).view()).len(), 20);
        assert_eq!(samples(&Array3::<f64>::zeros((1, 70, 1)).view()).len(), 2);
        assert_eq!(samples(&Array3::<f64>::zeros((1, 5, 1)).view())[0].nrows(), 5);
    }
}
