//! The weights of the kernels at each component, and the centres that members take by them, made of pieces of kernels.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use scorecast_systems::Key;

use super::kernels::Kernels;
use crate::localize::Neighbours;
use crate::method::particle::local_particle_filter::keep_places;
use crate::method::particle::resample::Resampling;
use crate::method::particle::weights::{effective_size, normalise};

/// The centre of each member, `[member, component]`, given the marginal likelihoods, `[present, member]`, and the values near
/// each component, all where there are none; and the mean and the least effective size over the components.
pub(super) fn pieces(
    kernels: &Kernels,
    marginal: &Array2<f64>,
    near: Option<&Neighbours>,
    key: Key,
) -> (Array2<f64>, [(&'static str, f64); 2]) {
    let mut centres = kernels.centres.clone();
    let dim = centres.ncols();
    let each: Vec<f64> = centres
        .axis_iter_mut(Axis(1))
        .into_par_iter()
        .enumerate()
        .map_init(Vec::new, |found, (component, mut column)| {
            match near {
                Some(near) => near.near(component, found),
                None => {
                    found.clear();
                    found.extend((0..marginal.nrows()).map(|value| (value, 1.0)));
                }
            }
            let mut log_weights = Array1::zeros(marginal.ncols());
            found.iter().for_each(|&(value, weight)| log_weights.scaled_add(weight, &marginal.row(value)));
            let ess = if normalise(&mut log_weights).is_finite() { effective_size(&log_weights) } else { 0.0 };
            if !found.is_empty() {
                let from = kernels.centres.column(component);
                let ancestors = keep_places(&Resampling::Systematic.draw(&log_weights, key));
                column.iter_mut().zip(ancestors).for_each(|(centre, ancestor)| *centre = from[ancestor]);
            }
            ess
        })
        .collect();
    let least = each.iter().copied().fold(f64::INFINITY, f64::min);
    (centres, [("ess", each.iter().sum::<f64>() / dim as f64), ("least_ess", least)])
}
