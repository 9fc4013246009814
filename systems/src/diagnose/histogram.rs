//! The invariant histogram: the density of the values that a component takes on the attractor; pooled over components
//! where they are points of one field.

use ndarray::{Array2, ArrayView2};

use super::estimate::{Estimate, means};
use crate::geometry::Geometry;

/// A histogram.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The component; none where all are pooled.
    pub component: Option<usize>,
    /// The bounds of the bins, one more than bins.
    pub edges: Vec<f64>,
    /// The probability density in each bin: its sum times the bin width is 1.
    pub density: Vec<Estimate>,
}

/// Bins between the least and the greatest value.
const BINS: usize = 60;
/// Components of a state without geometry that get a histogram each.
const COMPONENTS: usize = 8;

/// From samples `[time, component]`: one of all components where they are points of a field, else one of each of the
/// first eight.
pub(super) fn histograms(samples: &[ArrayView2<f64>], geometry: Geometry) -> Vec<Histogram> {
    let dim = samples.first().map_or(0, ArrayView2::ncols);
    match geometry {
        Geometry::Unstructured => (0..dim.min(COMPONENTS)).map(|i| histogram(samples, Some(i))).collect(),
        _ => vec![histogram(samples, None)],
    }
}

fn histogram(samples: &[ArrayView2<f64>], component: Option<usize>) -> Histogram {
    let views: Vec<ArrayView2<f64>> = samples
        .iter()
        .map(|sample| match component {
            Some(i) => sample.slice_move(ndarray::s![.., i..=i]),
            None => *sample,
        })
        .collect();
    let (min, max) = range(&views);
    let width = (max - min) / BINS as f64;
    let mut statistics = Array2::zeros((views.len(), BINS));
    for (view, mut row) in views.iter().zip(statistics.outer_iter_mut()) {
        let share = 1.0 / (view.len() as f64 * width);
        view.iter().for_each(|x| row[(((x - min) / width) as usize).min(BINS - 1)] += share);
    }
    let edges = (0..=BINS).map(|bin| min + bin as f64 * width).collect();
    Histogram { component, edges, density: means(statistics.view()) }
}

/// The least and the greatest value; widened where they are the same.
fn range(views: &[ArrayView2<f64>]) -> (f64, f64) {
    let all = views.iter().flat_map(|view| view.iter());
    let (min, max) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (x.min(min), x.max(max)));
    if max > min { (min, max) } else { (min - 0.5, min + 0.5) }
}
